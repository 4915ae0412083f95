//! How does a container get a terminal that is its own, so that nobody outside shares its names?
//!
//! The terminal comes from the container's instance of devpts and is opened without a name: the
//! directory is proven to be a devpts, its `ptmx` is reached without crossing a mount, and the
//! other side is asked of the kernel. Child-safe throughout.

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::fs::{Mode, OFlags, ResolveFlags, fstatfs, open, openat2};
use rustix::io::Errno;

/// What `statfs` calls a devpts.
const DEVPTS_MAGIC: i64 = 0x1cd1;

/// Both sides of a terminal, close-on-exec.
#[derive(Debug)]
pub struct Terminal {
    /// The side that controls it, for whoever plays the screen and the keyboard.
    pub controller: OwnedFd,
    /// The side of the programs.
    pub device: OwnedFd,
}

/// A terminal's size in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Lines.
    pub rows: u16,
    /// Characters in a line.
    pub columns: u16,
}

/// A new terminal of the devpts that is mounted at `path` in this process' root.
///
/// # Errors
/// As [`open_in`], and those of `open`.
pub fn open_at(path: &CStr) -> Result<Terminal, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    open_in(open(path, flags, Mode::empty())?.as_fd())
}

/// A new terminal of the devpts whose root is `directory`.
///
/// # Errors
/// `ENODEV` when that is no devpts, `ENOSPC` when it may have no more terminals.
pub fn open_in(directory: BorrowedFd<'_>) -> Result<Terminal, Errno> {
    #[allow(
        clippy::useless_conversion,
        reason = "the type of this number differs between machines"
    )]
    if i64::from(fstatfs(directory)?.f_type) != DEVPTS_MAGIC {
        return Err(Errno::NODEV);
    }
    // Whatever a container has mounted over the multiplexer is not what is meant.
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS;
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let controller = openat2(directory, c"ptmx", flags, Mode::empty(), resolve)?;
    let raw = controller.as_raw_fd();
    let unlocked: libc::c_int = 0;
    // SAFETY: TIOCSPTLCK reads one c_int, which lives through the call.
    let result = unsafe { libc::ioctl(raw, libc::TIOCSPTLCK, &raw const unlocked) };
    crate::process::check(result.into())?;
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: TIOCGPTPEER takes flags by value and touches no memory of ours.
    let peer = unsafe { libc::ioctl(raw, libc::TIOCGPTPEER, flags) };
    crate::process::check(peer.into())?;
    // SAFETY: the call succeeded, so `peer` is a new descriptor that nobody else owns.
    let device = unsafe { OwnedFd::from_raw_fd(peer) };
    Ok(Terminal { controller, device })
}

/// Makes a terminal the controlling one of this session, whose leader this process is.
///
/// # Errors
/// `EPERM` when it leads no session, or the terminal is another session's.
pub fn control(device: impl AsFd) -> Result<(), Errno> {
    // SAFETY: TIOCSCTTY takes a number by value; 0 does not steal the terminal from anybody.
    let result = unsafe { libc::ioctl(device.as_fd().as_raw_fd(), libc::TIOCSCTTY, 0) };
    crate::process::check(result.into()).map(drop)
}

/// Sets the size, and tells the programs of a change.
///
/// # Errors
/// `ENOTTY` for what is no terminal.
pub fn resize(side: impl AsFd, size: Size) -> Result<(), Errno> {
    let size = libc::winsize {
        ws_row: size.rows,
        ws_col: size.columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: TIOCSWINSZ reads one winsize, which lives through the call.
    let result =
        unsafe { libc::ioctl(side.as_fd().as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
    crate::process::check(result.into()).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_devpts_gives_no_terminal() {
        assert!(matches!(open_at(c"/dev"), Err(Errno::NODEV)));
        assert!(matches!(open_at(c"/not-there"), Err(Errno::NOENT)));
    }

    #[test]
    fn what_is_typed_is_read_by_the_other_side() {
        let Ok(terminal) = open_at(c"/dev/pts") else {
            // A machine without terminals.
            return;
        };
        let size = Size {
            rows: 5,
            columns: 70,
        };
        resize(&terminal.controller, size).unwrap();
        rustix::io::write(&terminal.controller, b"word\n").unwrap();
        let mut bytes = [0; 16];
        assert_eq!(rustix::io::read(&terminal.device, &mut bytes), Ok(5));
        assert_eq!(&bytes[..5], b"word\n");
    }
}
