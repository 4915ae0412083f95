//! How do processes that share the store keep out of each other's way?

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use crate::error::ImageError;

/// A lock on a file, held until it is dropped or the process dies.
#[derive(Debug)]
pub(super) struct Lock {
    _file: OwnedFd,
}

impl Lock {
    /// Waits until nobody else holds it.
    pub(super) fn exclusive(path: &Path) -> Result<Lock, ImageError> {
        Lock::take(path, FlockOperation::LockExclusive)
    }

    /// Waits until nobody holds it for himself.
    pub(super) fn shared(path: &Path) -> Result<Lock, ImageError> {
        Lock::take(path, FlockOperation::LockShared)
    }

    /// Takes it if nobody holds it; `None` if somebody does.
    pub(super) fn try_exclusive(path: &Path) -> Result<Option<Lock>, ImageError> {
        match Lock::take(path, FlockOperation::NonBlockingLockExclusive) {
            Ok(lock) => Ok(Some(lock)),
            Err(ImageError::Store { source, .. })
                if source.kind() == std::io::ErrorKind::WouldBlock =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn take(path: &Path, operation: FlockOperation) -> Result<Lock, ImageError> {
        let failed = |operation, errno: Errno| ImageError::Store {
            operation,
            path: path.to_owned(),
            source: errno.into(),
        };
        // Lock files stay: to remove one while another process waits for it would split the lock in two.
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::open(path, flags, Mode::from_raw_mode(0o600))
            .map_err(|errno| failed("open", errno))?;
        lock(&file, operation).map_err(|errno| failed("lock", errno))?;
        Ok(Lock { _file: file })
    }
}

/// `flock`, which a signal may interrupt.
pub(super) fn lock(file: &OwnedFd, operation: FlockOperation) -> Result<(), Errno> {
    rustix::io::retry_on_intr(|| rustix::fs::flock(file, operation))
}
