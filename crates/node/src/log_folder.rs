//! Which files make up the log of one instance? The one that is written, and those that it was before: rotation gives
//! a full file another name. A container may have the folder of all logs among its volumes, so nothing in there is
//! reached by following links ([`crate::beneath`]).

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use crate::beneath;

/// The folder with the logs of one container.
pub(crate) struct LogFolder(OwnedFd);

/// A file that is open. Rotation may rename or remove it meanwhile.
#[derive(Debug)]
pub(crate) struct Open {
    /// The file.
    pub(crate) file: File,
    inode: u64,
}

impl LogFolder {
    /// Opens it; `None` if it is not there, or a link leads to it.
    pub(crate) fn open(path: &Path) -> Option<LogFolder> {
        beneath::folder(path).ok().map(LogFolder)
    }

    /// The instances that have a log here, in order.
    pub(crate) fn attempts(&self) -> Vec<u32> {
        let names = beneath::names(self.0.as_fd());
        let number = |name: &String| name.strip_suffix(".log")?.parse().ok();
        let mut attempts: Vec<u32> = names.iter().filter_map(number).collect();
        attempts.sort_unstable();
        attempts
    }

    /// Opens the files of one instance that are newer than this one, oldest first; all of them without one.
    pub(crate) fn newer(&self, attempt: u32, newest: Option<&Open>) -> Vec<Open> {
        let current = current(attempt);
        let Some(newest) = newest else {
            return self.open_all(&self.files(attempt));
        };
        if beneath::inode(&self.0, &current) == Some(newest.inode) {
            return Vec::new();
        }
        let files = self.files(attempt);
        let is_newest = |name: &String| beneath::inode(&self.0, name) == Some(newest.inode);
        let after = match files.iter().position(is_newest) {
            Some(place) => place + 1,
            // It was rotated away to the end: all that are left are newer.
            None if beneath::number(&newest.file).is_ok_and(|(_, removed)| removed) => 0,
            // It got another name while we looked; the next look finds it.
            None => return Vec::new(),
        };
        self.open_all(&files[after..])
    }

    fn open_all(&self, names: &[String]) -> Vec<Open> {
        let open = |name: &String| {
            let file = beneath::file_at(&self.0, Path::new(name)).ok()?;
            let (inode, _) = beneath::number(&file).ok()?;
            Some(Open { file, inode })
        };
        names.iter().filter_map(open).collect()
    }

    /// The files, oldest first. Rotation appends a time and perhaps a number: `0.log.20260101-120000`,
    /// `0.log.20260101-120000-2`.
    fn files(&self, attempt: u32) -> Vec<String> {
        let prefix = format!("{}.", current(attempt));
        let age = |name: String| {
            let mut fields = name.strip_prefix(&prefix)?.splitn(3, '-');
            let time = format!("{}-{}", fields.next()?, fields.next()?);
            let number = fields.next().and_then(|number| number.parse().ok());
            let number: u32 = number.unwrap_or(0);
            Some((time, number, name))
        };
        let names = beneath::names(self.0.as_fd());
        let mut rotated: Vec<_> = names.into_iter().filter_map(age).collect();
        rotated.sort();
        let rotated = rotated.into_iter().map(|(.., name)| name);
        rotated.chain([current(attempt)]).collect()
    }
}

fn current(attempt: u32) -> String {
    format!("{attempt}.log")
}
