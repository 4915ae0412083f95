//! Who may work on a Pod's directories? The one process that holds the lock on the file beside them.
//! The lock dies with the process; the file says whether the Pod's life was bound to it.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, OFlags, flock};
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
                claim(folder, 0o700)?;
            }
            let file = match open_lock(path, true) {
                // Another node has just removed the folder, which was empty.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                opened => opened.map_err(failed)?,
            };
            lock_alone(&file).map_err(|errno| match errno {
                Errno::WOULDBLOCK => format!(
                    "another outrigger process runs a pod with this uid: it has the lock {0}, and \
                     `fuser {0}` names it",
                    path.display()
                ),
                errno => failed(errno.into()),
            })?;
            if is_still(&file, path) {
                note(&file, if bound { BOUND } else { "" }).map_err(failed)?;
                return Ok(PodLock {
                    path: path.to_owned(),
                    _file: file,
                });
            }
        }
    }

    /// Takes the lock of a Pod that was bound to a process that is gone.
    pub(crate) fn take_over_bound(path: &Path) -> Option<PodLock> {
        let mut file = open_lock(path, false).ok()?;
        flock(&file, FlockOperation::NonBlockingLockExclusive).ok()?;
        let mut said = Vec::new();
        file.read_to_end(&mut said).ok()?;
        let bound = is_still(&file, path) && said == BOUND.as_bytes();
        bound.then(|| PodLock {
            path: path.to_owned(),
            _file: file,
        })
    }

    /// Takes a lock that nobody holds, without waiting. What its file says stays.
    pub(crate) fn take_idle(path: &Path) -> Option<PodLock> {
        let file = open_lock(path, true).ok()?;
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

/// Whether the lock's file says that the Pod's life is bound to a process, and one holds it.
pub(crate) fn is_bound(path: &Path) -> bool {
    let bound = crate::own_file::read(path, 64).is_ok_and(|text| text == BOUND.as_bytes());
    let held = || {
        let file = crate::own_file::open(path);
        file.is_ok_and(|file| flock(&file, FlockOperation::NonBlockingLockExclusive).is_err())
    };
    bound && held()
}

/// Opens the file of a lock, or makes it if it may be made. Only root may open it: whoever has it open can lock it,
/// and those who wait for the lock wait for him.
pub(crate) fn open_lock(path: &Path, may_be_made: bool) -> std::io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = File::options()
        .read(true)
        .write(true)
        .create(may_be_made)
        .mode(0o600)
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(std::io::Error::other("it is no file"));
    }
    if found.mode() & 0o077 != 0 {
        file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    }
    Ok(file)
}

/// Writes down what kind of life the lock is of.
fn note(mut file: &File, text: &str) -> std::io::Result<()> {
    file.set_len(0)?;
    file.write_all(text.as_bytes())
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
    match (file.metadata(), std::fs::symlink_metadata(path)) {
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
