//! What a shim reports: what happened to a container, and when. Its exit ledger keeps the same, one event a line.

use serde::{Deserialize, Serialize};

use crate::checked_line::{self, Opened};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its number in the ledger, without gaps. A new ledger's first is higher than any of an earlier
    /// ledger since the machine was booted.
    pub seq: u64,
    /// When.
    pub at: Stamp,
    /// What.
    pub kind: EventKind,
}

/// One point in time on two clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Nanoseconds of `CLOCK_BOOTTIME`.
    pub boot_ns: u64,
    /// Nanoseconds since the Unix epoch, for people.
    pub wall_ns: u64,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum EventKind {
    /// A container's first process runs.
    Started {
        /// The container's id.
        container: String,
        /// Its process id as the host sees it.
        pid: u32,
    },
    /// A container's first process ended; its output is in the log, and nothing of the container
    /// runs any more.
    Exited {
        /// The container's id.
        container: String,
        /// 0–255, or 128 + the signal that killed it.
        code: i32,
        /// The signal that killed it.
        signal: Option<i32>,
        /// Whether the kernel killed a process of the container for want of memory.
        oom_killed: bool,
        /// Up to 4 KiB of the end of its termination message; nothing if `Start` named no file. Bytes that
        /// are not UTF-8 are replaced.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
}

/// A line of the ledger: one event as JSON. The file is only ever appended to, or replaced by one
/// without the first lines.
pub type LedgerEntry = Event;

impl Event {
    /// The entry of a line of the ledger, which comes without its newline; `None` if it is damaged.
    #[must_use]
    pub fn read(line: &[u8]) -> Option<LedgerEntry> {
        match checked_line::open(line) {
            Opened::Damaged => None,
            Opened::Intact(object) => serde_json::from_slice(&object).ok(),
            Opened::Unchecked(object) => serde_json::from_slice(object).ok(),
        }
    }
}
