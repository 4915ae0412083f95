//! How does whoever comes next learn that this process crashed? By a byte in a file: a signal that the process
//! brings upon itself (an abort, a bad access) leaves one behind, being killed by somebody does not.

use std::fs::File;
use std::os::fd::IntoRawFd;
use std::sync::atomic::{AtomicI32, Ordering};

use rustix::io::Errno;

/// The file's descriptor, which stays open for good; -1 without one.
static NOTE: AtomicI32 = AtomicI32::new(-1);

/// The signals that a process brings upon itself.
const CRASHES: [libc::c_int; 5] = [
    libc::SIGABRT,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGILL,
    libc::SIGSEGV,
];

/// From now on a crash of this process writes a byte into `note`. Once a process: a second file is ignored.
///
/// # Errors
/// If a handler cannot be installed.
pub fn note_in(note: File) -> Result<(), Errno> {
    let descriptor = note.into_raw_fd();
    if NOTE
        .compare_exchange(-1, descriptor, Ordering::SeqCst, Ordering::SeqCst)
        .is_err()
    {
        return Ok(());
    }
    for signal in CRASHES {
        // SAFETY: all zero is a valid sigaction: no flags, an empty mask, the default action.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = write_note as extern "C" fn(libc::c_int) as libc::sighandler_t;
        // A stack that is used up cannot run a handler, and the second time the signal does what it always does.
        action.sa_flags = libc::SA_ONSTACK | libc::SA_RESETHAND | libc::SA_NODEFER;
        // SAFETY: `action` is alive and initialised, its handler calls nothing but what may be called in one, and the
        // old action is not asked for.
        if unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) } != 0 {
            return Err(
                Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::INVAL)
            );
        }
    }
    Ok(())
}

extern "C" fn write_note(signal: libc::c_int) {
    let descriptor = NOTE.load(Ordering::SeqCst);
    // SAFETY: `write` may be called in a handler; the buffer is one static byte; the descriptor was opened by `note_in` and
    // is never closed.
    unsafe { libc::write(descriptor, c"x".as_ptr().cast(), 1) };
    // SAFETY: `raise` may be called in a handler. The action of the signal is the default one again.
    unsafe { libc::raise(signal) };
}
