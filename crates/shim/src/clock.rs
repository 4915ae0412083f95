//! What time is it, on the clock that decides and on the one for people?

use outrigger_sys::clock;
use outrigger_wire::Stamp;

/// Nanoseconds in a millisecond.
pub(crate) const MS: u64 = 1_000_000;

/// Both clocks.
pub(crate) fn stamp() -> Stamp {
    Stamp {
        boot_ns: clock::boot_ns(),
        wall_ns: clock::wall_ns(),
    }
}
