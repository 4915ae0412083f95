//! What does this process do with signals?

use std::sync::atomic::{AtomicU64, Ordering};

use rustix::io::Errno;

/// Which signals this process ignores, a bit for each: signal 1 is bit 0. All, until it is known.
static IGNORED: AtomicU64 = AtomicU64::new(u64::MAX);

/// Finds out once which signals this process ignores, so that [`reset`] need not go through all of
/// them in every child. Afterwards only [`ignore`] may ignore more.
pub fn remember_ignored() {
    if IGNORED.load(Ordering::Relaxed) != u64::MAX {
        return;
    }
    let mut ignored = 0;
    for signal in 1..=64 {
        let mut action = [0_u64; 4];
        // SAFETY: `action` has the size of the kernel's struct sigaction and is alive; no new action
        // is given; the mask is eight bytes.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                std::ptr::null::<u64>(),
                action.as_mut_ptr(),
                8_usize,
            )
        };
        if action[0] == libc::SIG_IGN as u64 {
            ignored |= 1 << (signal - 1);
        }
    }
    IGNORED.store(ignored, Ordering::Relaxed);
}

/// Gives every ignored signal its default action and unblocks all. Child-safe; for a child before
/// exec, because ignored and blocked signals would outlive the exec. Handlers do not.
pub fn reset() {
    // The kernel's own struct, all zero: default action, no flags, no mask. The C library would
    // leave out the two signals that it keeps for itself.
    let default = [0_u64; 4];
    let ignored = IGNORED.load(Ordering::Relaxed);
    for signal in (1..=64).filter(|signal| ignored >> (signal - 1) & 1 == 1) {
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
    if (1..=64).contains(&signal) {
        IGNORED.fetch_or(1 << (signal - 1), Ordering::Relaxed);
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_ignores_no_signal_after_the_reset() {
        ignore(libc::SIGUSR1);
        remember_ignored();
        ignore(libc::SIGUSR2);
        let child = crate::clone::spawn(crate::clone::Namespaces::NONE, None, || {
            reset();
            let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
            let none = text.contains("SigIgn:\t0000000000000000\n");
            i32::from(!none)
        });
        let exit = crate::pidfd::wait(&child.unwrap().pidfd).unwrap();
        assert_eq!(exit, crate::pidfd::Exit::Code(0));
    }
}
