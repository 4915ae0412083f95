//! Where does unfinished work lie, and who removes it when its process has died?

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{FlockOperation, Mode};
use rustix::io::Errno;

use super::Store;
use super::lock::{Lock, lock};
use crate::error::ImageError;
use crate::tree;
use crate::view::FOLDER;

/// A folder below `tmp` that is locked as long as its owner lives, and removed when it is dropped.
#[derive(Debug)]
pub(super) struct Scratch {
    path: PathBuf,
    _locked: OwnedFd,
}

static SEQUENCE: AtomicU64 = AtomicU64::new(0);

impl Scratch {
    pub(super) fn new(store: &Store) -> Result<Scratch, ImageError> {
        // Between its creation and its lock a folder looks abandoned; sweepers are kept out meanwhile.
        let _no_sweep = Lock::exclusive(&store.root.join("locks/tmp"))?;
        loop {
            let name = format!(
                "{}-{}",
                std::process::id(),
                SEQUENCE.fetch_add(1, Ordering::Relaxed)
            );
            let path = store.root.join("tmp").join(name);
            let failed = |operation, errno: Errno| ImageError::Store {
                operation,
                path: path.clone(),
                source: errno.into(),
            };
            match rustix::fs::mkdir(&path, Mode::from_raw_mode(0o700)) {
                Ok(()) => {}
                // A dead process of the same number left it.
                Err(Errno::EXIST) => continue,
                Err(errno) => return Err(failed("create the folder", errno)),
            }
            let folder = rustix::fs::open(&path, FOLDER, Mode::empty())
                .map_err(|errno| failed("open", errno))?;
            lock(&folder, FlockOperation::NonBlockingLockExclusive)
                .map_err(|errno| failed("lock", errno))?;
            return Ok(Scratch {
                path,
                _locked: folder,
            });
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it and tells what stays, which dropping cannot.
    pub(super) fn remove(self) -> Result<(), ImageError> {
        Ok(tree::remove(&self.path)?)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Who fails here has told a better error already; the next sweep tries again.
        let _ = tree::remove(&self.path);
    }
}

impl Store {
    /// Removes the scratch folders of dead processes.
    pub(super) fn sweep(&self) -> Result<(), ImageError> {
        if !self.exists() {
            return Ok(());
        }
        let tmp = self.root.join("tmp");
        let failed = |source| ImageError::Store {
            operation: "list",
            path: tmp.clone(),
            source,
        };
        let no_new = Lock::exclusive(&self.root.join("locks/tmp"))?;
        let mut dead = Vec::new();
        for entry in std::fs::read_dir(&tmp).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let Ok(folder) = rustix::fs::open(&path, FOLDER, Mode::empty()) else {
                continue;
            };
            if lock(&folder, FlockOperation::NonBlockingLockExclusive).is_ok() {
                dead.push(Scratch {
                    path,
                    _locked: folder,
                });
            }
        }
        // They are ours now; removing them may take long and needs no lock.
        drop(no_new);
        let mut first = self.sweep_drafts();
        for scratch in dead {
            let removed = scratch.remove();
            first = first.and(removed);
        }
        first
    }

    /// Removes drafts of the index that a crash left; nobody else writes one while the index is locked.
    fn sweep_drafts(&self) -> Result<(), ImageError> {
        let _alone = Lock::exclusive(&self.root.join("locks/names"))?;
        let names = self.list_folder(&self.root)?;
        let is_draft =
            |name: &&String| name.starts_with(".names.json.") && name.ends_with(".draft");
        names
            .iter()
            .filter(is_draft)
            .try_for_each(|draft| Ok(tree::remove(&self.root.join(draft))?))
    }
}
