//! How does a task wait for a descriptor that tokio has no type for?

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A descriptor that tasks can wait for until it can be read, or, of a process, until that has ended.
///
/// # Errors
/// If the kernel does not watch such descriptors.
#[allow(
    deprecated,
    reason = "its successor is an unsafe function; an OwnedFd keeps what that one asks for"
)]
pub(crate) fn readable(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(descriptor, Interest::READABLE)
}
