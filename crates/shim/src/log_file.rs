//! Where do a container's log entries go? Into one file that never grows above its limit: it is
//! renamed when it is full, between two entries, and the oldest renamed ones are deleted.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use outrigger_wire::LogFile as Settings;
use outrigger_wire::cri_log::TimeText;
use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, RenameFlags, ResolveFlags, fstat, openat, openat2,
    renameat_with, unlinkat,
};
use rustix::io::Errno;

/// How many names are tried for a rotated file within one second.
const NAMES_A_SECOND: u32 = 10_000;

/// A log file cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("open log {}", .path.display())]
pub(crate) struct OpenLogError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// A log that is written and rotated. Writing never fails: what finds no room is counted, and the
/// count is written into the log when there is room again.
#[derive(Debug)]
pub(crate) struct LogFile {
    folder: OwnedFd,
    name: String,
    file: File,
    size: u64,
    settings: Settings,
    /// Names of rotated files, the oldest first.
    rotated: VecDeque<String>,
    lost: Lost,
}

/// What could not be written.
#[derive(Debug, Default)]
struct Lost {
    bytes: u64,
    cause: String,
    /// Whether the file ends within an entry.
    torn: bool,
}

impl LogFile {
    /// Opens or makes the file, which no link may stand for.
    pub(crate) fn open(settings: Settings) -> Result<LogFile, OpenLogError> {
        let path = settings.path.clone();
        let opened = || -> io::Result<LogFile> {
            let nameless = || {
                io::Error::new(
                    ErrorKind::InvalidInput,
                    "the path has no folder or file name",
                )
            };
            let parent = settings.path.parent().ok_or_else(nameless)?;
            let name = settings
                .path
                .file_name()
                .and_then(|name| name.to_str())
                .ok_or_else(nameless)?
                .to_owned();
            let folder = open_folder(parent)?;
            let file = open_file(&folder, &name)?;
            let rotated = rotated_names(&folder, &name)?;
            let size = file.metadata()?.len();
            Ok(LogFile {
                folder,
                name,
                file,
                size,
                settings,
                rotated,
                lost: Lost::default(),
            })
        };
        opened().map_err(|source| OpenLogError { path, source })
    }

    /// Writes whole entries.
    pub(crate) fn write(&mut self, mut entries: &[u8], time: &TimeText) {
        if self.lost.bytes > 0 || self.lost.torn {
            self.confess(time);
        }
        while !entries.is_empty() {
            let room = usize::try_from(self.settings.max_bytes.saturating_sub(self.size))
                .unwrap_or(usize::MAX);
            let now = fitting(entries, room);
            if now == 0 {
                if self.size > 0 && self.rotate(time).is_ok() {
                    continue;
                }
                // An entry larger than the limit, or a file that cannot be renamed: a log above
                // its limit is better than none.
                let all = fitting(entries, usize::MAX);
                self.append(&entries[..all]);
                return;
            }
            self.append(&entries[..now]);
            entries = &entries[now..];
        }
    }

    /// Appends bytes, or counts them as lost.
    fn append(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match self.file.write(bytes) {
                Ok(0) => return self.lose(bytes.len(), "no room"),
                Ok(written) => {
                    self.size += written as u64;
                    self.lost.torn = bytes[written - 1] != b'\n';
                    bytes = &bytes[written..];
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return self.lose(bytes.len(), &error.to_string()),
            }
        }
    }

    fn lose(&mut self, bytes: usize, cause: &str) {
        self.lost.bytes += bytes as u64;
        cause.clone_into(&mut self.lost.cause);
    }

    /// Says in the log how much of it is missing, as soon as that can be written.
    fn confess(&mut self, time: &TimeText) {
        let Lost { bytes, cause, torn } = std::mem::take(&mut self.lost);
        let end_of_torn = if torn { "\n" } else { "" };
        let time = String::from_utf8_lossy(time.as_bytes());
        let note = format!(
            "{end_of_torn}{time} stderr F outrigger: {bytes} bytes of this log were lost: write: {cause}\n"
        );
        match self.file.write(note.as_bytes()) {
            Ok(written) if written == note.len() => self.size += written as u64,
            Ok(written) => {
                self.size += written as u64;
                self.lost = Lost {
                    bytes,
                    cause,
                    torn: torn || written > 0,
                };
            }
            Err(_) => self.lost = Lost { bytes, cause, torn },
        }
    }

    /// Gives the full file another name and begins a new one.
    fn rotate(&mut self, time: &TimeText) -> io::Result<()> {
        let base = format!("{}.{}", self.name, time.compact());
        let names = std::iter::once(base.clone())
            .chain((1..NAMES_A_SECOND).map(|number| format!("{base}-{number}")));
        let skipped = self.last_number(&base).map_or(0, |number| number + 1);
        for name in names.skip(skipped) {
            match renameat_with(
                &self.folder,
                &self.name,
                &self.folder,
                &name,
                RenameFlags::NOREPLACE,
            ) {
                Ok(()) => {
                    self.rotated.push_back(name);
                    self.file = open_file(&self.folder, &self.name)?;
                    self.size = 0;
                    self.delete_oldest();
                    return Ok(());
                }
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(ErrorKind::AlreadyExists.into())
    }

    /// The number at the end of the newest rotated file's name, if that is of the same second.
    fn last_number(&self, base: &str) -> Option<usize> {
        match self.rotated.back()?.strip_prefix(base)? {
            "" => Some(0),
            number => number.strip_prefix('-')?.parse().ok(),
        }
    }

    fn delete_oldest(&mut self) {
        let keep = usize::try_from(self.settings.max_files.max(1) - 1).unwrap_or(usize::MAX);
        while self.rotated.len() > keep {
            let Some(name) = self.rotated.front() else {
                return;
            };
            match unlinkat(&self.folder, name, AtFlags::empty()) {
                // It stays first in the queue and is tried again at the next rotation.
                Err(error) if error != Errno::NOENT => return,
                _ => self.rotated.pop_front(),
            };
        }
    }
}

/// How many bytes of whole entries fit into the room.
fn fitting(entries: &[u8], room: usize) -> usize {
    if entries.len() <= room {
        return entries.len();
    }
    entries[..room]
        .iter()
        .rposition(|&byte| byte == b'\n')
        .map_or(0, |at| at + 1)
}

/// Opens the folder of a log. A container may have it, or one above it, among its volumes: no link on the way is
/// followed.
fn open_folder(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    loop {
        match openat2(CWD, path, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS) {
            // Somewhere a folder was renamed meanwhile; the kernel asks for another try.
            Err(Errno::AGAIN | Errno::INTR) => {}
            opened => return Ok(opened?),
        }
    }
}

/// Opens the log, or makes it. What stands there is looked at before it is opened: to open a device may do something,
/// and to open a pipe may wait.
fn open_file(folder: &OwnedFd, name: &str) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(0o640);
    loop {
        let fresh = flags | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        match openat(folder, name, fresh, mode) {
            Err(Errno::EXIST) => {}
            made => return Ok(File::from(made?)),
        }
        let name_only = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let found = match openat(folder, name, name_only, Mode::empty()) {
            // It has gone meanwhile.
            Err(Errno::NOENT) => continue,
            found => found?,
        };
        let seen = fstat(&found)?;
        if FileType::from_raw_mode(seen.st_mode) != FileType::RegularFile || seen.st_nlink != 1 {
            return Err(io::Error::new(
                ErrorKind::InvalidInput,
                "it is not a regular file with one name",
            ));
        }
        let path = format!("/proc/self/fd/{}", found.as_raw_fd());
        return Ok(File::from(rustix::fs::open(path, flags, Mode::empty())?));
    }
}

/// The rotated files that are there, the oldest first.
fn rotated_names(folder: &OwnedFd, name: &str) -> io::Result<VecDeque<String>> {
    let mut found = Vec::new();
    for entry in Dir::read_from(folder)? {
        let Ok(entry) = entry?.file_name().to_str().map(str::to_owned) else {
            continue;
        };
        if let Some(age) = age(name, &entry) {
            found.push((age, entry));
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, entry)| entry).collect())
}

/// The second and number in a rotated file's name.
fn age(name: &str, entry: &str) -> Option<(String, u32)> {
    let rest = entry.strip_prefix(name)?.strip_prefix('.')?;
    let (date, rest) = rest.split_once('-')?;
    let (time, number) = rest.split_once('-').unwrap_or((rest, "0"));
    let all_digits =
        |text: &str, length| text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    (all_digits(date, 8) && all_digits(time, 6))
        .then_some((format!("{date}{time}"), number.parse().ok()?))
}

#[cfg(test)]
mod tests;
