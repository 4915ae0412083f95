//! How far has a Pod's record come? The daemon appends a line for everything that it sees and decides,
//! so a line is a step of a life, and whoever waits for lines can act between two steps.

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use serde_json::Value;

use crate::Failure;

/// The folder of the records, watched.
pub struct Records {
    folder: PathBuf,
    inotify: Inotify,
    names: BTreeMap<PathBuf, String>,
}

impl Records {
    /// Watches the records below a daemon's `--root`; the folder is made if there is none.
    ///
    /// # Errors
    /// If it cannot be watched.
    pub fn watch(root: &Path) -> Result<Records, Failure> {
        let folder = root.join("lives");
        std::fs::create_dir_all(&folder)?;
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        let what = AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_MOVED_TO;
        inotify.add_watch(&folder, what)?;
        Ok(Records {
            folder,
            inotify,
            names: BTreeMap::new(),
        })
    }

    /// Waits a moment for changes; gives the names of the Pods whose records changed, and how many whole
    /// lines each has now.
    ///
    /// # Errors
    /// If the folder cannot be watched any more.
    pub fn changed(&mut self) -> Result<Vec<(String, usize)>, Failure> {
        let mut waited = [PollFd::new(self.inotify.as_fd(), PollFlags::POLLIN)];
        poll(&mut waited, PollTimeout::from(50_u8))?;
        let events = match self.inotify.read_events() {
            Err(nix::Error::EAGAIN) => Vec::new(),
            events => events?,
        };
        let mut files: Vec<PathBuf> = events
            .into_iter()
            .filter_map(|event| Some(self.folder.join(event.name?)))
            .filter(|path| path.extension().is_some_and(|ending| ending == "jsonl"))
            .collect();
        files.sort();
        files.dedup();
        let mut changed = Vec::new();
        for path in files {
            // It may be gone by now, with its Pod.
            let Ok(bytes) = std::fs::read(&path) else {
                continue;
            };
            let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
            if let Some(name) = self.name(&path, &bytes) {
                changed.push((name, lines));
            }
        }
        Ok(changed)
    }

    /// The name of the Pod, from the first line.
    fn name(&mut self, path: &Path, bytes: &[u8]) -> Option<String> {
        if let Some(name) = self.names.get(path) {
            return Some(name.clone());
        }
        let head = bytes.split(|byte| *byte == b'\n').next()?;
        let head: Value = serde_json::from_slice(head).ok()?;
        let name = head["head"]["pod"]["metadata"]["name"].as_str()?.to_owned();
        self.names.insert(path.to_path_buf(), name.clone());
        Some(name)
    }
}
