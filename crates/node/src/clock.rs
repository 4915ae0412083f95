//! What time is it, for the planner and for people?

use std::time::{SystemTime, UNIX_EPOCH};

use k8s_openapi::jiff::Timestamp;
use outrigger_lifecycle::Time;
use outrigger_wire::Stamp;
use rustix::time::{ClockId, clock_gettime};

/// The machine was booted at this point of our clock: ten years, so that what happened before this
/// boot has its times too.
const BOOT_NS: u64 = 10 * 365 * 24 * 3600 * 1_000_000_000;

/// Now, on the clock that never goes back and counts a suspended machine's time too.
#[must_use]
pub fn now() -> Time {
    let now = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    Time(
        seconds
            .saturating_mul(1_000_000_000)
            .saturating_add(u64::try_from(now.tv_nsec).unwrap_or(0))
            .saturating_add(BOOT_NS),
    )
}

/// The time of a shim's stamp.
pub(crate) fn stamped(stamp: Stamp) -> Time {
    Time(stamp.boot_ns.saturating_add(BOOT_NS))
}

/// The way from the planner's time to the time of day, fixed when the program starts, so that a
/// life told to people has no jumps in it.
#[derive(Debug, Clone, Copy)]
pub struct WallClock {
    zero_ns: i128,
}

impl WallClock {
    /// As the clocks stand now.
    #[must_use]
    pub fn read() -> WallClock {
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_nanos());
        WallClock {
            zero_ns: i128::try_from(wall).unwrap_or(0) - i128::from(now().0),
        }
    }

    /// The clock of a life that was recorded: its zero in nanoseconds of Unix time.
    pub(crate) fn of_zero(zero_ns: i64) -> WallClock {
        WallClock {
            zero_ns: i128::from(zero_ns),
        }
    }

    /// The zero of the planner's time in nanoseconds of Unix time.
    pub(crate) fn zero_ns(self) -> i64 {
        i64::try_from(self.zero_ns).unwrap_or(0)
    }

    /// The time of day at `time`.
    #[must_use]
    pub fn at(&self, time: Time) -> Timestamp {
        Timestamp::from_nanosecond(self.zero_ns + i128::from(time.0))
            .unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// The time of day at `time`, in whole seconds, as Kubernetes writes it.
    #[must_use]
    pub(crate) fn seconds_at(&self, time: Time) -> Timestamp {
        Timestamp::from_second(self.at(time).as_second()).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}
