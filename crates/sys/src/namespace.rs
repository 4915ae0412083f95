//! How does this process leave its namespaces, and enter others?

use std::os::fd::{AsFd, AsRawFd};

use rustix::io::Errno;

use crate::clone::Namespaces;

/// Moves this process into new namespaces. With [`Namespaces::PID`] only its next children move.
/// Child-safe.
///
/// # Errors
/// Those of `unshare`.
pub fn unshare(namespaces: Namespaces) -> Result<(), Errno> {
    // SAFETY: `Namespaces` holds no other bits than CLONE_NEW*, so the descriptor table and the
    // memory stay shared as they are; namespaces hold no memory of ours.
    let result = unsafe { libc::unshare(namespaces.bits() as libc::c_int) };
    crate::process::check(result.into()).map(drop)
}

/// Enters the namespaces `which` of the process behind a pidfd, or the one behind a namespace
/// descriptor. With [`Namespaces::PID`] only the next children enter. Child-safe.
///
/// # Errors
/// `EPERM` where the process holds capabilities that we lack, `ESRCH` when it has ended.
pub fn enter(target: impl AsFd, which: Namespaces) -> Result<(), Errno> {
    let raw = target.as_fd().as_raw_fd();
    // SAFETY: `raw` is an open descriptor while `target` is borrowed, and namespaces hold no
    // memory of ours.
    let result = unsafe { libc::setns(raw, which.bits() as libc::c_int) };
    crate::process::check(result.into()).map(drop)
}
