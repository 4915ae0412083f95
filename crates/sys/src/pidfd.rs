//! How is a process signalled and waited for without the races of process ids?

use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::process::{PidfdFlags, WaitId, WaitIdOptions, WaitIdStatus};

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this status.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

/// A pidfd of a process.
///
/// # Errors
/// `ESRCH` when there is none of this id.
pub fn open(pid: u32) -> Result<OwnedFd, Errno> {
    let pid = i32::try_from(pid)
        .ok()
        .and_then(rustix::process::Pid::from_raw)
        .ok_or(Errno::INVAL)?;
    rustix::process::pidfd_open(pid, PidfdFlags::empty())
}

/// Waits for a child and takes it away.
///
/// # Errors
/// `ECHILD` when it is not a child of ours, or was waited for already.
pub fn wait(pidfd: impl AsFd) -> Result<Exit, Errno> {
    loop {
        match reap(pidfd.as_fd(), WaitIdOptions::EXITED) {
            Ok(Some(exit)) => return Ok(exit),
            Ok(None) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// As [`wait`], but gives `None` when the child still runs.
///
/// # Errors
/// As [`wait`].
pub fn try_wait(pidfd: impl AsFd) -> Result<Option<Exit>, Errno> {
    reap(pidfd.as_fd(), WaitIdOptions::EXITED | WaitIdOptions::NOHANG)
}

/// Whether the process has ended. Child-safe.
///
/// # Errors
/// Those of `poll`.
pub fn has_ended(pidfd: impl AsFd) -> Result<bool, Errno> {
    use rustix::event::{PollFd, PollFlags, poll};
    let pidfd = pidfd.as_fd();
    let mut polled = [PollFd::new(&pidfd, PollFlags::IN)];
    Ok(poll(
        &mut polled,
        Some(&rustix::time::Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        }),
    )? > 0)
}

fn reap(pidfd: std::os::fd::BorrowedFd<'_>, options: WaitIdOptions) -> Result<Option<Exit>, Errno> {
    let status = rustix::process::waitid(WaitId::PidFd(pidfd), options)?;
    Ok(status.as_ref().and_then(exit_of))
}

fn exit_of(status: &WaitIdStatus) -> Option<Exit> {
    let code = status.exit_status().map(Exit::Code);
    code.or_else(|| status.terminating_signal().map(Exit::Signal))
}

/// Sends a signal.
///
/// # Errors
/// `ESRCH` when the process has ended, `EINVAL` when there is no such signal.
pub fn send_signal(pidfd: impl AsFd, signal: i32) -> Result<(), Errno> {
    use std::os::fd::AsRawFd;
    let raw = pidfd.as_fd().as_raw_fd();
    // SAFETY: `raw` is an open descriptor while `pidfd` is borrowed; a null siginfo lets the
    // kernel fill one in.
    let result = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            raw,
            signal,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        )
    };
    crate::process::check(result).map(drop)
}
