//! Who may work on a Pod's directories? The one process that holds the lock on the file beside them;
//! the lock dies with the process, and the file tells nothing.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

/// A lock that is held.
#[derive(Debug)]
pub(crate) struct PodLock {
    path: PathBuf,
    _file: File,
}

impl PodLock {
    /// Takes the lock.
    ///
    /// # Errors
    /// If another process has it, or the file cannot be made.
    pub(crate) fn take(path: &Path) -> Result<PodLock, String> {
        let failed = |error: std::io::Error| format!("lock {}: {error}", path.display());
        loop {
            let file = File::options()
                .write(true)
                .create(true)
                .truncate(false)
                .open(path)
                .map_err(failed)?;
            flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|errno| match errno {
                rustix::io::Errno::WOULDBLOCK => {
                    "another outrigger process runs a pod with this uid".to_owned()
                }
                errno => failed(errno.into()),
            })?;
            // Its last holder may have removed the file between the two calls.
            let held = file.metadata().map_err(failed)?;
            match std::fs::metadata(path) {
                Ok(named) if named.ino() == held.ino() && named.dev() == held.dev() => {
                    return Ok(PodLock { path: path.to_owned(), _file: file });
                }
                _ => {}
            }
        }
    }

    /// Removes the file and lets the lock go.
    ///
    /// # Errors
    /// If the file cannot be removed.
    pub(crate) fn remove(self) -> Result<(), String> {
        std::fs::remove_file(&self.path)
            .map_err(|error| format!("{}: {error}", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn a_lock_is_held_once_and_can_be_taken_again_when_it_is_let_go() {
        let scratch = Scratch::new();
        let path = scratch.path.join("uid.lock");
        let lock = PodLock::take(&path).unwrap();
        assert!(PodLock::take(&path).unwrap_err().contains("another outrigger process"));
        lock.remove().unwrap();
        assert!(!path.exists());
        drop(PodLock::take(&path).unwrap());
        assert!(PodLock::take(&path).is_ok());
    }
}
