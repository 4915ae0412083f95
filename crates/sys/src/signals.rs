//! What does this process do with signals?

use rustix::io::Errno;

/// Gives every signal its default action and unblocks all. Child-safe; for a child before exec,
/// because ignored and blocked signals would outlive the exec.
pub fn reset() {
    // The kernel's own struct, all zero: default action, no flags, no mask. The C library would
    // leave out the two signals that it keeps for itself.
    let default = [0_u64; 4];
    for signal in 1..=64 {
        // SAFETY: `default` has the size of the kernel's struct sigaction, whose handler is SIG_DFL;
        // the mask is eight bytes; the old action is not asked for. KILL and STOP are refused.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                default.as_ptr(),
                std::ptr::null::<u64>(),
                8_usize,
            )
        };
    }
    set_mask(false);
}

/// Ignores a signal.
pub fn ignore(signal: i32) {
    // SAFETY: to ignore a signal runs no code of ours.
    unsafe { libc::signal(signal, libc::SIG_IGN) };
}

/// Blocks every signal that can be blocked.
pub fn block_all() {
    set_mask(true);
}

/// Waits until a signal comes that is blocked, as [`block_all`] does, and takes it away.
///
/// # Errors
/// `EINTR` when the process was stopped and continued meanwhile.
pub fn wait_for(signal: i32) -> Result<(), Errno> {
    let mut set = empty_set();
    // SAFETY: `set` is a live, initialised sigset_t.
    unsafe { libc::sigaddset(&raw mut set, signal) };
    // SAFETY: `set` is initialised, and nobody asks for details of the signal.
    let result = unsafe { libc::sigwaitinfo(&raw const set, std::ptr::null_mut()) };
    crate::process::check(result.into()).map(drop)
}

fn empty_set() -> libc::sigset_t {
    // SAFETY: an all-zero sigset_t is a valid, empty set.
    unsafe { std::mem::zeroed() }
}

fn set_mask(full: bool) {
    let mut set = empty_set();
    if full {
        // SAFETY: `set` is a live sigset_t.
        unsafe { libc::sigfillset(&raw mut set) };
    }
    // SAFETY: `set` is initialised and the old mask is not asked for; SETMASK cannot fail then.
    unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut()) };
}

/// Sends a signal to a process id, for processes of which no pidfd is held.
///
/// # Errors
/// `ESRCH` when there is none.
pub fn send(pid: u32, signal: i32) -> Result<(), Errno> {
    let pid = libc::pid_t::try_from(pid).map_err(|_| Errno::INVAL)?;
    if pid <= 0 {
        return Err(Errno::INVAL);
    }
    // SAFETY: `kill` touches no memory; a pid of zero or below, which means groups, is refused.
    let result = unsafe { libc::kill(pid, signal) };
    crate::process::check(result.into()).map(drop)
}
