//! What is a process told about itself: how it ends, who inherits its orphans, whether it can be
//! looked into?

use std::ffi::CStr;

use rustix::io::Errno;

/// Ends the process at once: nothing is flushed, no destructor runs. Child-safe.
pub fn leave(status: i32) -> ! {
    // SAFETY: `_exit` takes any value and does not return.
    unsafe { libc::_exit(status) }
}

/// The errno of the C library call before.
pub(crate) fn last_errno() -> Errno {
    // SAFETY: the C library gives a valid pointer to the calling thread's errno.
    let place = unsafe { libc::__errno_location() };
    // SAFETY: the pointer is valid for reads and belongs to this thread alone.
    Errno::from_raw_os_error(unsafe { *place })
}

/// The errno behind a result of the C library, which is -1 for failure.
pub(crate) fn check(result: libc::c_long) -> Result<libc::c_long, Errno> {
    if result == -1 {
        Err(last_errno())
    } else {
        Ok(result)
    }
}

/// Makes this process the parent of its descendants' orphans.
///
/// # Errors
/// Those of `prctl`.
pub fn become_subreaper() -> Result<(), Errno> {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
}

/// Whether other processes of the same user may trace and read this one. Child-safe.
///
/// # Errors
/// Those of `prctl`.
pub fn set_dumpable(dumpable: bool) -> Result<(), Errno> {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    set_dumpable_behavior(if dumpable {
        DumpableBehavior::Dumpable
    } else {
        DumpableBehavior::NotDumpable
    })
}

/// Lets the kernel kill this process when its parent ends. Child-safe.
///
/// A change of credentials clears it, and a parent that has ended already is not noticed: ask for
/// it last, and then find out whether the parent lives.
///
/// # Errors
/// Those of `prctl`.
pub fn die_with_parent() -> Result<(), Errno> {
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))
}

/// Sets the name that `ps` shows, at most 15 bytes.
///
/// # Errors
/// Those of `prctl`.
pub fn set_name(name: &CStr) -> Result<(), Errno> {
    rustix::thread::set_name(name)
}

/// Does something in a process of its own and gives the bytes that it made: what that took in memory is gone
/// with the process. `None` if it made none, or the process did not come to its end.
///
/// The C library's `fork`, so that memory can be had there; threads are not copied, and `work` must not
/// need them.
///
/// # Errors
/// Those of `fork` and of the file in memory that takes the bytes.
pub fn apart(work: impl FnOnce() -> Option<Vec<u8>>) -> Result<Option<Vec<u8>>, Errno> {
    use rustix::process::{Pid, WaitOptions, waitpid};
    let file = rustix::fs::memfd_create(c"apart", rustix::fs::MemfdFlags::CLOEXEC)?;
    // SAFETY: the child uses no lock of another thread, but the allocator's, which the C library keeps
    // usable, and ends below without running anything that was registered here.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let _ends_here = Leave;
        let written = work().is_some_and(|bytes| {
            rustix::io::pwrite(&file, &bytes, 0).is_ok_and(|count| count == bytes.len())
        });
        leave(i32::from(!written));
    }
    check(libc::c_long::from(child))?;
    let child = Pid::from_raw(child).ok_or(Errno::CHILD)?;
    let ended = loop {
        match waitpid(Some(child), WaitOptions::empty()) {
            Err(Errno::INTR) => {}
            result => break result?,
        }
    };
    if ended.and_then(|(_, status)| status.exit_status()) != Some(0) {
        return Ok(None);
    }
    let length = usize::try_from(rustix::fs::fstat(&file)?.st_size).unwrap_or(0);
    let mut bytes = vec![0; length];
    let count = rustix::io::pread(&file, &mut bytes, 0)?;
    Ok((count == length).then_some(bytes))
}

/// Ends a child whose work unwinds, because nothing above it in the stack is the child's.
pub(crate) struct Leave;

impl Drop for Leave {
    fn drop(&mut self) {
        leave(70);
    }
}

/// Waits for any child, without looking at those that are still running. `None` when no child has
/// ended. For a reaper of orphans.
///
/// # Errors
/// `ECHILD` when there is no child at all.
pub fn reap_any() -> Result<Option<u32>, Errno> {
    use rustix::process::{WaitOptions, wait};
    let ended = wait(WaitOptions::NOHANG)?;
    Ok(ended.map(|(pid, _)| pid.as_raw_nonzero().get().unsigned_abs()))
}

/// Waits until any child has ended, and gives its id and its exit code, which is 128 and the signal for one
/// that a signal has killed. Child-safe.
///
/// # Errors
/// `ECHILD` when there is no child at all.
pub fn wait_any() -> Result<(u32, i32), Errno> {
    use rustix::process::{WaitOptions, wait};
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) => {
                let signal = status.terminating_signal().map(|signal| 128 + signal);
                let code = status.exit_status().or(signal).unwrap_or(255);
                return Ok((pid.as_raw_nonzero().get().unsigned_abs(), code));
            }
            Ok(None) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Gives the process a session keyring of its own. Child-safe.
///
/// # Errors
/// `ENOSYS` where the kernel has no keys, `EDQUOT` where the user has too many.
pub fn new_session_keyring() -> Result<(), Errno> {
    // SAFETY: KEYCTL_JOIN_SESSION_KEYRING takes a name or, as here, a null pointer for an
    // anonymous keyring, and touches no memory of ours.
    let result = unsafe {
        libc::syscall(
            libc::SYS_keyctl,
            libc::KEYCTL_JOIN_SESSION_KEYRING,
            std::ptr::null::<libc::c_char>(),
        )
    };
    check(result).map(drop)
}

/// Whether the working directory is below this process' root. Child-safe.
///
/// # Errors
/// Those of `getcwd`; `ENOENT` when the directory was removed.
pub fn cwd_is_reachable() -> Result<bool, Errno> {
    let mut path = [0_u8; 4096];
    // SAFETY: the kernel writes at most the given length into a live buffer.
    let result = unsafe { libc::syscall(libc::SYS_getcwd, path.as_mut_ptr(), path.len()) };
    check(result)?;
    // For a directory elsewhere the kernel puts a word in front of the path.
    Ok(path[0] == b'/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_apart_gives_its_bytes_and_leaves_nothing() {
        let mut here = 0;
        let made = apart(|| {
            here = 1;
            Some(vec![7; 100_000])
        });
        assert_eq!(made, Ok(Some(vec![7; 100_000])));
        assert_eq!(here, 0);
        assert_eq!(apart(|| None), Ok(None));
        assert_eq!(apart(|| leave(3)), Ok(None));
    }
}
