//! What is written down of a Pod's life, so that whoever takes it up again goes on where it was? One
//! file a Pod, lines of JSON that are only ever appended: who it is, and then everything that was
//! observed, each before it is acted on.
//!
//! Nobody waits for the disk here: a job of the blocking pool writes what has gathered, and whoever is
//! about to act waits for [`Record::settled`].

mod line;
mod read;
mod shift;
#[cfg(test)]
mod tests;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub(crate) use line::{Head, InstanceLine, Line, Snapshot, VERSION};
pub(crate) use read::{ReadError, Recalled, read};
pub(crate) use shift::shift;

use writer::{Order, Writer};

/// Size in bytes from which on a record is made anew from what is known.
const LIMIT_BYTES: u64 = 512 << 10;

/// Where the records are, below `--root`.
#[must_use]
pub(crate) fn folder(root: &Path) -> PathBuf {
    root.join("lives")
}

/// The record of the Pod with this uid.
#[must_use]
pub(crate) fn path(root: &Path, uid: &str) -> PathBuf {
    folder(root).join(format!("{uid}.jsonl"))
}

/// Which boot of the machine this is; empty without /proc, and then no Pod runs anyway.
#[must_use]
pub(crate) fn boot_id() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
}

/// Removes the record of a Pod that nobody has taken up, whatever it is.
///
/// # Errors
/// If it cannot be removed.
pub(crate) fn remove(root: &Path, uid: &str) -> Result<(), String> {
    let path = path(root, uid);
    // In its place may be a folder.
    if path.is_dir() && !path.is_symlink() {
        outrigger_image::tree::remove(&path).map_err(|error| error.to_string())?;
    }
    writer::remove(&path)
}

/// Hears of trouble with the disk.
pub(crate) type Complain = Box<dyn Fn(String) + Send + Sync>;

/// A Pod's record, open for writing.
#[derive(Debug)]
pub(crate) struct Record {
    writer: Arc<Writer>,
}

impl Record {
    /// Begins a new one.
    pub(crate) fn begin(path: PathBuf, head: Head, complain: Complain) -> Record {
        let record = Record {
            writer: Arc::new(Writer::new(path, 0, complain)),
        };
        record.replace(&[Line::Head(Box::new(head))]);
        record
    }

    /// Goes on with one that was read and is good up to `length`.
    pub(crate) fn resume(path: PathBuf, length: u64, complain: Complain) -> Record {
        Record {
            writer: Arc::new(Writer::new(path, length, complain)),
        }
    }

    /// Appends a line; if it is `durable`, whoever waits for it waits until it is on the disk.
    pub(crate) fn append(&self, line: &Line, durable: bool) {
        match line.encode() {
            Ok(bytes) => self.writer.send(Order::Append { bytes, durable }),
            Err(error) => self.writer.fail(&error),
        }
    }

    /// Puts these lines in the place of all that were written; those are kept as `.1`.
    pub(crate) fn replace(&self, lines: &[Line]) {
        let encoded: Result<Vec<Vec<u8>>, String> = lines.iter().map(Line::encode).collect();
        match encoded {
            Ok(lines) => self.writer.send(Order::Replace(lines.concat())),
            Err(error) => self.writer.fail(&error),
        }
    }

    /// Waits until all that was appended up to now is written. It borrows nothing.
    pub(crate) fn settled(&self) -> impl Future<Output = ()> + Send + 'static {
        self.writer.settled()
    }

    /// Whether it has grown so long, or lost so much to a full disk, that it should be replaced.
    pub(crate) fn wants_replacing(&self) -> bool {
        self.writer.wants_replacing(LIMIT_BYTES)
    }

    /// When to try again, if something could not be written.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        self.writer.is_broken().then_some(writer::RETRY_AFTER)
    }

    /// Removes it from the disk; nothing is written any more.
    pub(crate) async fn remove(&self) -> Result<(), String> {
        self.writer.send(Order::Remove);
        self.settled().await;
        self.writer.removed()
    }
}
