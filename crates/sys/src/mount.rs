//! What does rustix lack of the mount API? The attributes of mounts that exist.

use std::ffi::CStr;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd};

use rustix::io::Errno;

/// `MOUNT_ATTR_*`: what a mount forbids.
pub mod attr {
    /// Nothing is written.
    pub const RDONLY: u64 = 0x1;
    /// Set-user-ID has no effect.
    pub const NOSUID: u64 = 0x2;
    /// Device files have no effect.
    pub const NODEV: u64 = 0x4;
    /// Nothing is executed.
    pub const NOEXEC: u64 = 0x8;
    /// The field of the three ways to keep access times; relatime is zero.
    pub const ATIME: u64 = 0x70;
    /// Access times are not kept.
    pub const NOATIME: u64 = 0x10;
    /// Access times are always kept.
    pub const STRICTATIME: u64 = 0x20;
    /// Access times of directories are not kept.
    pub const NODIRATIME: u64 = 0x80;
    /// Symbolic links are not followed.
    pub const NOSYMFOLLOW: u64 = 0x20_0000;
}

/// How a mount takes part in what is mounted below its peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Propagation {
    /// Both ways.
    Shared,
    /// Only what comes from its master.
    Slave,
    /// Not at all.
    Private,
    /// Not at all, and it cannot be bound.
    Unbindable,
}

/// What to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Change {
    /// Attributes to set.
    pub set: u64,
    /// Attributes to clear; a change of the access times needs [`attr::ATIME`] here.
    pub clear: u64,
    /// The new propagation.
    pub propagation: Option<Propagation>,
}

impl Change {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Change::default()
    }
}

/// Changes the mount at `path`, or the one behind `dir` when `path` is empty, and with `recursive`
/// all below. Child-safe.
///
/// # Errors
/// Those of `mount_setattr`, which kernels have since 5.12.
pub fn set_attributes(
    dir: impl AsFd,
    path: &CStr,
    change: Change,
    recursive: bool,
) -> Result<(), Errno> {
    let propagation = match change.propagation {
        None => 0,
        Some(Propagation::Shared) => libc::MS_SHARED,
        Some(Propagation::Slave) => libc::MS_SLAVE,
        Some(Propagation::Private) => libc::MS_PRIVATE,
        Some(Propagation::Unbindable) => libc::MS_UNBINDABLE,
    };
    let attributes: [u64; 4] = [change.set, change.clear, propagation, 0];
    let mut flags = libc::AT_SYMLINK_NOFOLLOW | libc::AT_NO_AUTOMOUNT;
    if path.is_empty() {
        flags |= libc::AT_EMPTY_PATH;
    }
    if recursive {
        flags |= libc::AT_RECURSIVE;
    }
    let raw = dir.as_fd().as_raw_fd();
    // SAFETY: `path` ends with a nul, and `attributes` has the layout and size of the kernel's
    // struct mount_attr: attr_set, attr_clr, propagation, userns_fd, each 64 bits.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            raw,
            path.as_ptr(),
            flags,
            attributes.as_ptr(),
            size_of::<[u64; 4]>(),
        )
    };
    crate::process::check(result).map(drop)
}
