//! Which files make up the log of one instance, and how are they read one after the other while they are
//! rotated?

use std::collections::VecDeque;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The instances that have a log in this directory, in order.
pub(super) fn attempts(directory: &Path) -> Vec<u32> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut attempts: Vec<u32> = entries
        .filter_map(|entry| {
            let name = entry.file_name();
            name.to_str()?.strip_suffix(".log")?.parse().ok()
        })
        .collect();
    attempts.sort_unstable();
    attempts
}

/// A file that is open. Rotation may rename or remove it meanwhile.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) file: File,
    inode: u64,
}

/// Reads the files of one instance, oldest first.
#[derive(Debug)]
pub(super) struct Walk {
    directory: PathBuf,
    attempt: u32,
    /// Those that are not read to their end.
    pub(super) files: VecDeque<Open>,
}

impl Walk {
    /// Opens all files that there are.
    pub(super) fn open(directory: &Path, attempt: u32) -> Walk {
        let files = paths(directory, attempt);
        Walk {
            directory: directory.to_owned(),
            attempt,
            files: files.iter().filter_map(|path| open(path)).collect(),
        }
    }

    /// Reads more; 0 if there is no more for now. A file that can be read no more is as good as its end.
    pub(super) fn read(&mut self, bytes: &mut [u8]) -> usize {
        loop {
            // Before the read: once a file has a successor nobody writes to it any more.
            self.look_for_successors();
            let superseded = self.files.len() > 1;
            let Some(open) = self.files.front_mut() else {
                return 0;
            };
            let count = open.file.read(bytes).unwrap_or(0);
            if count > 0 || !superseded {
                return count;
            }
            self.files.pop_front();
        }
    }

    fn look_for_successors(&mut self) {
        let current = current(&self.directory, self.attempt);
        let current = std::fs::metadata(current).map(|found| found.ino());
        let Some(newest) = self.files.back() else {
            let paths = paths(&self.directory, self.attempt);
            self.files
                .extend(paths.iter().filter_map(|path| open(path)));
            return;
        };
        if !current.is_ok_and(|inode| inode != newest.inode) {
            return;
        }
        let paths = paths(&self.directory, self.attempt);
        let is_newest =
            |path: &PathBuf| std::fs::metadata(path).is_ok_and(|found| found.ino() == newest.inode);
        let after = match paths.iter().position(is_newest) {
            Some(place) => place + 1,
            // It was rotated away to the end: all that are left are newer.
            None if newest.file.metadata().is_ok_and(|found| found.nlink() == 0) => 0,
            // It got another name while we looked; the next look finds it.
            None => return,
        };
        self.files
            .extend(paths[after..].iter().filter_map(|path| open(path)));
    }
}

fn current(directory: &Path, attempt: u32) -> PathBuf {
    directory.join(format!("{attempt}.log"))
}

/// The files, oldest first. Rotation appends a time and perhaps a number: `0.log.20260101-120000-2`.
fn paths(directory: &Path, attempt: u32) -> Vec<PathBuf> {
    let prefix = format!("{attempt}.log.");
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut rotated: Vec<(String, u32, PathBuf)> = entries
        .filter_map(|entry| {
            let name = entry.file_name();
            let suffix = name.to_str()?.strip_prefix(&prefix)?;
            let mut fields = suffix.splitn(3, '-');
            let time = format!("{}-{}", fields.next()?, fields.next()?);
            let number = fields.next().and_then(|number| number.parse().ok());
            Some((time, number.unwrap_or(0), entry.path()))
        })
        .collect();
    rotated.sort();
    let mut paths: Vec<PathBuf> = rotated.into_iter().map(|(.., path)| path).collect();
    paths.push(current(directory, attempt));
    paths
}

fn open(path: &Path) -> Option<Open> {
    let file = File::open(path).ok()?;
    let found = file.metadata().ok()?;
    // What a container's log should be; a pipe that somebody put there would block us.
    found.is_file().then(|| Open {
        inode: found.ino(),
        file,
    })
}
