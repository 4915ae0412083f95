//! Who may work on a Pod's directories? The one process that holds the lock on the file beside them.
//! The lock dies with the process; the file says whether the Pod's life was bound to it.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::directories::claim;

/// What stands in the file of a Pod that does not outlive its node.
const BOUND: &str = "bound\n";

/// How long a lock may be held by a process that is on its way to `execve`; on a busy machine it waits.
const PATIENCE: Duration = Duration::from_secs(1);
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(5);

/// A lock that is held.
#[derive(Debug)]
pub(crate) struct PodLock {
    path: PathBuf,
    _file: File,
}

impl PodLock {
    /// Takes the lock, and notes whether the Pod's life is bound to this process'.
    ///
    /// # Errors
    /// If another process has it, or the file cannot be made.
    pub(crate) fn take(path: &Path, bound: bool) -> Result<PodLock, String> {
        let failed = |error: std::io::Error| format!("lock {}: {error}", path.display());
        loop {
            if let Some(folder) = path.parent() {
                claim(folder, 0o711)?;
            }
            let opened = File::options()
                .write(true)
                .create(true)
                .truncate(false)
                .open(path);
            let file = match opened {
                // Another node has just removed the folder, which was empty.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                opened => opened.map_err(failed)?,
            };
            lock_alone(&file).map_err(|errno| match errno {
                Errno::WOULDBLOCK => {
                    "another outrigger process runs a pod with this uid".to_owned()
                }
                errno => failed(errno.into()),
            })?;
            if is_still(&file, path) {
                std::fs::write(path, if bound { BOUND } else { "" }).map_err(failed)?;
                return Ok(PodLock {
                    path: path.to_owned(),
                    _file: file,
                });
            }
        }
    }

    /// Takes the lock of a Pod that was bound to a process that is gone.
    pub(crate) fn take_over_bound(path: &Path) -> Option<PodLock> {
        let file = File::open(path).ok()?;
        flock(&file, FlockOperation::NonBlockingLockExclusive).ok()?;
        let bound = is_still(&file, path) && std::fs::read(path).ok()? == BOUND.as_bytes();
        bound.then(|| PodLock {
            path: path.to_owned(),
            _file: file,
        })
    }

    /// Takes a lock that nobody holds, without waiting. What its file says stays.
    pub(crate) fn take_idle(path: &Path) -> Option<PodLock> {
        let mut options = File::options();
        options.write(true).create(true).truncate(false);
        let file = options.open(path).ok()?;
        flock(&file, FlockOperation::NonBlockingLockExclusive).ok()?;
        is_still(&file, path).then(|| PodLock {
            path: path.to_owned(),
            _file: file,
        })
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

/// Locks a file for this process alone. A process that was killed while it started another one has left
/// its locks to that one for the moment until it calls `execve`, so a lock that is held is asked for a
/// while before it is believed.
pub(crate) fn lock_alone(file: &File) -> Result<(), Errno> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) if Instant::now() < deadline => {
                std::thread::sleep(ASK_AGAIN_AFTER);
            }
            result => return result,
        }
    }
}

/// Whether the path still names this file: its last holder may have removed it before we locked it.
fn is_still(file: &File, path: &Path) -> bool {
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(held), Ok(named)) => named.ino() == held.ino() && named.dev() == held.dev(),
        _ => false,
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
        let lock = PodLock::take(&path, true).unwrap();
        assert!(
            PodLock::take(&path, true)
                .unwrap_err()
                .contains("another outrigger process")
        );
        lock.remove().unwrap();
        assert!(!path.exists());
        drop(PodLock::take(&path, true).unwrap());
        assert!(PodLock::take(&path, true).is_ok());
    }
}
