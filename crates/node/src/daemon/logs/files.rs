//! How are the files of one instance's log read one after the other while they are rotated?

use std::collections::VecDeque;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::log_folder::{LogFolder, Open};

/// The instances that have a log in this directory, in order.
pub(super) fn attempts(directory: &Path) -> Vec<u32> {
    LogFolder::open(directory).map_or_else(Vec::new, |folder| folder.attempts())
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
        let mut walk = Walk {
            directory: directory.to_owned(),
            attempt,
            files: VecDeque::new(),
        };
        walk.look_for_successors();
        walk
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
        if let Some(folder) = LogFolder::open(&self.directory) {
            let newer = folder.newer(self.attempt, self.files.back());
            self.files.extend(newer);
        }
    }
}
