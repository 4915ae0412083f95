//! What has happened to this Pod's containers, for good? A file with one event a line, on the disk
//! before anyone is told. What the node has in a record of its own is forgotten by and by.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use outrigger_wire::{Event, EventKind, LedgerEntry, Stamp, checked_line};
use rustix::event::{Timespec, poll};
use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

/// How long the shim before may take to go: it may have been killed a moment ago, or be about to notice
/// that whoever started it is gone.
const PATIENCE: Duration = Duration::from_secs(5);
const ASK_AGAIN_AFTER: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 2_000_000,
};

/// The ledger cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LedgerError {
    #[error("{operation} exit ledger {}", .path.display())]
    Io {
        operation: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("another shim has exit ledger {}, and does not go", .path.display())]
    Held { path: PathBuf },
    #[error("line {line} of exit ledger {} is damaged; its Pod can only be released", .path.display())]
    Damaged { path: PathBuf, line: usize },
}

/// From this many bytes on it is replaced by what the node does not have yet.
const LIMIT_BYTES: u64 = 64 << 10;

/// The open ledger, and the events that are not in it yet.
#[derive(Debug)]
pub(crate) struct Ledger {
    file: File,
    path: PathBuf,
    length: u64,
    next_seq: u64,
    waiting: VecDeque<Event>,
    /// At which length it is replaced.
    limit: u64,
}

impl Ledger {
    /// Opens or makes the ledger, and holds it alone as long as this process lives: a Pod has one shim,
    /// so nothing that another one has made or is about to make is in the way. A last line without an
    /// end was being written when its shim was killed; nobody was told of it, and it is cut off.
    ///
    /// An empty one begins with the number `first`: nanoseconds since the boot are more than events, so
    /// that whoever knows an earlier ledger of the same boot takes nothing in this one for old.
    pub(crate) fn open(path: &Path, first: u64) -> Result<Ledger, LedgerError> {
        let failed = |operation| {
            move |source| LedgerError::Io {
                operation,
                path: path.to_owned(),
                source,
            }
        };
        let mut file = loop {
            let file = options().create(true).open(path).map_err(failed("open"))?;
            if !file.metadata().map_err(failed("look at"))?.is_file() {
                // Reading a FIFO would wait for its writer.
                return Err(failed("open")(io::Error::other("it is no regular file")));
            }
            if !hold(&file).map_err(|errno| failed("lock")(errno.into()))? {
                return Err(LedgerError::Held {
                    path: path.to_owned(),
                });
            }
            if stands_at(&file, path).map_err(failed("look at"))? {
                break file;
            }
        };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed("read"))?;
        let whole = bytes
            .iter()
            .rposition(|&byte| byte == b'\n')
            .map_or(0, |at| at + 1);
        if whole < bytes.len() {
            file.set_len(whole as u64)
                .and_then(|()| file.sync_data())
                .map_err(failed("cut the torn end off"))?;
        }
        let next_seq = entries(&bytes[..whole], path)?
            .last()
            .map_or(first, |last| last.seq + 1);
        let path = path.to_owned();
        Ok(Ledger {
            file,
            path,
            length: whole as u64,
            next_seq,
            waiting: VecDeque::new(),
            limit: LIMIT_BYTES,
        })
    }

    /// Takes note of an event. It has its number from now on and counts after [`Ledger::commit`].
    pub(crate) fn note(&mut self, at: Stamp, kind: EventKind) {
        self.waiting.push_back(Event {
            seq: self.next_seq,
            at,
            kind,
        });
        self.next_seq += 1;
    }

    /// Whether there are events that have not reached the disk.
    pub(crate) fn is_behind(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Brings all noted events to the disk and gives them back. If this fails, the ledger is as
    /// before and it can be tried again.
    pub(crate) fn commit(&mut self) -> Result<Vec<Event>, LedgerError> {
        if self.waiting.is_empty() {
            return Ok(Vec::new());
        }
        let mut lines = Vec::new();
        let mut waiting = self.waiting.iter();
        let written = waiting
            .try_for_each(|event| write_line(&mut lines, event))
            .and_then(|()| self.file.write_all(&lines))
            .and_then(|()| self.file.sync_data());
        if let Err(source) = written {
            // What may have been written in part must not be followed by a whole line.
            let operation = match self.file.set_len(self.length) {
                Ok(()) => "append to",
                Err(_) => "append to, and then to cut back,",
            };
            return Err(LedgerError::Io {
                operation,
                path: self.path.clone(),
                source,
            });
        }
        self.length += lines.len() as u64;
        Ok(self.waiting.drain(..).collect())
    }

    /// The events on the disk after this number.
    pub(crate) fn after(&mut self, seq: u64) -> Result<Vec<Event>, LedgerError> {
        let mut bytes = Vec::new();
        let read = self
            .file
            .seek(SeekFrom::Start(0))
            .and_then(|_| self.file.read_to_end(&mut bytes));
        read.map_err(self.failed("read"))?;
        bytes.truncate(usize::try_from(self.length).unwrap_or(usize::MAX));
        let mut events = entries(&bytes, &self.path)?;
        events.retain(|event| event.seq > seq);
        Ok(events)
    }

    /// The events up to this number are known elsewhere. A ledger that has grown long is replaced by one
    /// without them; if that fails it stays as it is, and is tried again when it is twice as long.
    pub(crate) fn forget(&mut self, seq: u64) -> Result<(), LedgerError> {
        if seq == 0 || self.length < self.limit {
            return Ok(());
        }
        self.limit = self.length * 2;
        let kept = self.after(seq)?;
        let mut lines = Vec::new();
        let mut written = kept.iter();
        self.file = written
            .try_for_each(|event| write_line(&mut lines, event))
            .and_then(|()| replace(&self.path, &lines))
            .map_err(self.failed("shorten"))?;
        self.length = lines.len() as u64;
        self.limit = LIMIT_BYTES.max(self.length * 2);
        Ok(())
    }

    fn failed(&self, operation: &'static str) -> impl FnOnce(io::Error) -> LedgerError + use<> {
        let path = self.path.clone();
        move |source| LedgerError::Io {
            operation,
            path,
            source,
        }
    }
}

fn options() -> OpenOptions {
    let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut options = File::options();
    options
        .read(true)
        .append(true)
        .mode(0o600)
        .custom_flags(flags.bits().cast_signed());
    options
}

fn write_line(lines: &mut Vec<u8>, event: &Event) -> io::Result<()> {
    let mut line = serde_json::to_vec(event)?;
    checked_line::seal(&mut line);
    lines.append(&mut line);
    Ok(())
}

/// Puts a file with this content, locked, in the place of the one at `path`, whole or not at all.
fn replace(path: &Path, content: &[u8]) -> io::Result<File> {
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".new");
    let fresh = Path::new(&fresh);
    match std::fs::remove_file(fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = options().create_new(true).open(fresh)?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    file.write_all(content)?;
    file.sync_data()?;
    std::fs::rename(fresh, path)?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    // Without this a loss of power brings the longer one back, which tells the same.
    File::open(folder).and_then(|folder| folder.sync_all()).ok();
    Ok(file)
}

/// Whether the file is still the one at `path`: the shim before may have replaced it while we waited.
fn stands_at(file: &File, path: &Path) -> io::Result<bool> {
    let (ours, there) = (file.metadata()?, std::fs::symlink_metadata(path));
    Ok(there.is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino())))
}

/// Locks the file for this process; says whether that was possible in time. Children do not keep it:
/// they close what they inherit.
fn hold(file: &File) -> Result<bool, Errno> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(true),
            Err(Errno::WOULDBLOCK) if Instant::now() < deadline => {
                let _rested = poll(&mut [], Some(&ASK_AGAIN_AFTER));
            }
            Err(Errno::WOULDBLOCK) => return Ok(false),
            Err(errno) => return Err(errno),
        }
    }
}

/// No event has this number: they begin with the nanoseconds since the boot, which come so far in 292 years.
const SEQ_BOUND: u64 = u64::MAX / 2;

/// Reads whole lines and checks that they count without a gap.
fn entries(bytes: &[u8], path: &Path) -> Result<Vec<LedgerEntry>, LedgerError> {
    let lines = bytes
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty());
    let mut expected = None;
    let read = |(index, line)| match LedgerEntry::read(line) {
        Some(entry) if entry.seq < SEQ_BOUND && expected.is_none_or(|seq| entry.seq == seq) => {
            expected = Some(entry.seq + 1);
            Ok(entry)
        }
        _ => Err(LedgerError::Damaged {
            path: path.to_owned(),
            line: index + 1,
        }),
    };
    lines.enumerate().map(read).collect()
}

#[cfg(test)]
mod tests;
