//! What has happened to this Pod's containers, for good? An append-only file with one event a
//! line, on the disk before anyone is told.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use outrigger_wire::{Event, EventKind, LedgerEntry, Stamp};
use rustix::fs::OFlags;

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
    #[error("line {line} of exit ledger {} is damaged; its Pod can only be released", .path.display())]
    Damaged { path: PathBuf, line: usize },
}

/// The open ledger, and the events that are not in it yet.
#[derive(Debug)]
pub(crate) struct Ledger {
    file: File,
    path: PathBuf,
    length: u64,
    next_seq: u64,
    waiting: VecDeque<Event>,
}

impl Ledger {
    /// Opens or makes the ledger. A last line without an end was being written when its shim was
    /// killed; nobody was told of it, and it is cut off.
    pub(crate) fn open(path: &Path) -> Result<Ledger, LedgerError> {
        let failed = |operation| {
            move |source| LedgerError::Io {
                operation,
                path: path.to_owned(),
                source,
            }
        };
        let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut options = File::options();
        options
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .custom_flags(flags.bits().cast_signed());
        let mut file = options.open(path).map_err(failed("open"))?;
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
            .map_or(1, |last| last.seq + 1);
        let path = path.to_owned();
        Ok(Ledger {
            file,
            path,
            length: whole as u64,
            next_seq,
            waiting: VecDeque::new(),
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
        let written = self.waiting.iter().try_for_each(|event| {
            serde_json::to_writer(&mut lines, event)?;
            lines.push(b'\n');
            Ok::<_, io::Error>(())
        });
        let written = written
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
        read.map_err(|source| LedgerError::Io {
            operation: "read",
            path: self.path.clone(),
            source,
        })?;
        bytes.truncate(usize::try_from(self.length).unwrap_or(usize::MAX));
        let mut events = entries(&bytes, &self.path)?;
        events.retain(|event| event.seq > seq);
        Ok(events)
    }
}

/// Reads whole lines and checks that they count from 1 without a gap.
fn entries(bytes: &[u8], path: &Path) -> Result<Vec<LedgerEntry>, LedgerError> {
    let lines = bytes
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty());
    let read = |(index, line)| match serde_json::from_slice::<LedgerEntry>(line) {
        Ok(entry) if entry.seq == index as u64 + 1 => Ok(entry),
        _ => Err(LedgerError::Damaged {
            path: path.to_owned(),
            line: index + 1,
        }),
    };
    lines.enumerate().map(read).collect()
}

#[cfg(test)]
mod tests;
