//! How is it made sure that a program inherits no descriptor but its own?

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::Errno;

/// Closes every descriptor from 3 on but one, which becomes close-on-exec. For a child whose next
/// act is exec or the end: values that own a closed descriptor may still exist in its memory, and are
/// not to be used. Child-safe.
///
/// # Errors
/// `ENOSYS` on kernels older than 5.9.
pub fn close_all_but(keep: impl AsFd) -> Result<(), Errno> {
    let keep = keep.as_fd().as_raw_fd();
    // SAFETY: F_SETFD touches no memory and `keep` is open while it is borrowed.
    let result = unsafe { libc::fcntl(keep, libc::F_SETFD, libc::FD_CLOEXEC) };
    crate::process::check(result.into())?;
    let keep = keep.unsigned_abs();
    if keep > 3 {
        close(3, keep - 1)?;
    }
    close(3.max(keep.saturating_add(1)), libc::c_uint::MAX)
}

/// Marks every descriptor from `first` on close-on-exec. Child-safe.
///
/// # Errors
/// `ENOSYS` or `EINVAL` on kernels older than 5.11.
pub fn cloexec_from(first: u32) -> Result<(), Errno> {
    // SAFETY: marking close-on-exec changes no descriptor that this process holds; it acts at
    // exec, when no owner is left.
    let result = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            first,
            libc::c_uint::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    };
    crate::process::check(result).map(drop)
}

/// Set when the inherited descriptors have been dealt with.
static ADOPTED: AtomicBool = AtomicBool::new(false);

/// Closes every descriptor from 3 on that this program inherited, but those in `keep`, which are
/// owned from now on and become close-on-exec. To be called once, before the program has opened
/// any descriptor of its own.
///
/// # Errors
/// `EBUSY` when it is called again, `EBADF` when one of `keep` is not open, below 3 or named twice.
pub fn adopt_inherited(keep: &[RawFd]) -> Result<Vec<OwnedFd>, Errno> {
    if ADOPTED.swap(true, Ordering::SeqCst) {
        return Err(Errno::BUSY);
    }
    let mut sorted: Vec<RawFd> = keep.to_vec();
    sorted.sort_unstable();
    if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(Errno::BADF);
    }
    let mut first = 3;
    for fd in &sorted {
        if *fd < 3 {
            return Err(Errno::BADF);
        }
        // SAFETY: F_SETFD touches no memory, and fails for a descriptor that is not open.
        let result = unsafe { libc::fcntl(*fd, libc::F_SETFD, libc::FD_CLOEXEC) };
        crate::process::check(result.into())?;
        let fd = fd.unsigned_abs();
        if fd > first {
            close(first, fd - 1)?;
        }
        first = fd + 1;
    }
    close(first, libc::c_uint::MAX)?;
    // SAFETY: each is open, as was just seen, and listed once by its caller, who inherited it;
    // `ADOPTED` keeps a second owner from being made here.
    Ok(keep
        .iter()
        .map(|fd| unsafe { OwnedFd::from_raw_fd(*fd) })
        .collect())
}

fn close(first: u32, last: u32) -> Result<(), Errno> {
    // SAFETY: no value that is still to be used owns a descriptor of the range: either this is the
    // program's first act (`adopt_inherited`), or a child runs only a function without captures and
    // then ends without destructors (`clone::spawn_bare`), or a child's next act is exec or the end
    // (`close_all_but`) and no other thread could get the numbers again.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    crate::process::check(result).map(drop)
}

/// Closes all from `first` on in a forked child which runs nothing afterwards that owns one.
pub(crate) fn close_in_child(first: u32) -> Result<(), Errno> {
    close(first, libc::c_uint::MAX)
}
