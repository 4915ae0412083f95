//! How does a process make a child that soon becomes another program, without the time that a copy of
//! its memory takes?
//!
//! As `vfork` does: the child runs in the memory of its parent, on a stack of its own, while the parent
//! stands still until the child has become a program or ended.

use std::ffi::c_void;
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use rustix::io::Errno;

/// What the child runs on. The lowest page of it cannot be touched, so that a stack that grows too large
/// ends the child and changes nothing.
const STACK_BYTES: usize = 256 << 10;
const PAGE_BYTES: usize = 4096;
/// `CLONE_INTO_CGROUP`, whose constant in libc has too narrow a type.
const INTO_CGROUP: u64 = 0x2_0000_0000;

/// Runs `body` in a child that has this process' memory, and gives its process id when it has become
/// another program or has ended, with the status that `body` returned. `into_cgroup` is a directory of
/// the v2 tree in which it begins.
///
/// What `body` changes in memory is changed here too; its descriptors, credentials and signals are its
/// own. The caller must have one thread. Child-safe, if `body` is.
///
/// # Errors
/// Those of `mmap` and `clone3`.
pub fn spawn<F: FnOnce() -> i32>(
    into_cgroup: Option<BorrowedFd<'_>>,
    body: F,
) -> Result<u32, Errno> {
    let stack = Stack::new()?;
    let into = if into_cgroup.is_some() {
        INTO_CGROUP
    } else {
        0
    };
    let args = libc::clone_args {
        flags: (libc::CLONE_VM | libc::CLONE_VFORK) as u64 | into,
        pidfd: 0,
        child_tid: 0,
        parent_tid: 0,
        exit_signal: libc::SIGCHLD as u64,
        stack: stack.lowest as u64,
        stack_size: STACK_BYTES as u64,
        tls: 0,
        set_tid: 0,
        set_tid_size: 0,
        cgroup: into_cgroup.map_or(0, |dir| dir.as_raw_fd() as u64),
    };
    let mut body = Some(body);
    // SAFETY: `args` and `body` live until the call returns, which is after the child has left this
    // memory: CLONE_VFORK holds the only thread that could use them. The child begins in `enter::<F>`
    // with a pointer to the `Option<F>` that this function expects, on a stack that is used by nobody
    // else and is unmapped after that.
    let result = unsafe { clone3(&raw const args, enter::<F>, (&raw mut body).cast()) };
    match u32::try_from(result) {
        Ok(pid) => Ok(pid),
        Err(_) => Err(Errno::from_raw_os_error(
            i32::try_from(-result).unwrap_or(libc::EINVAL),
        )),
    }
}

/// Where the child begins.
///
/// # Safety
/// `body` points to an `Option<F>` that nobody else uses.
unsafe extern "C" fn enter<F: FnOnce() -> i32>(body: *mut c_void) -> ! {
    /// Ends the child when its body unwinds: nothing above it in the stack is the child's.
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            crate::process::leave(70);
        }
    }
    let _leave = Leave;
    // SAFETY: as the caller of this function says.
    let body = unsafe { &mut *body.cast::<Option<F>>() };
    let status = body.take().map_or(70, |body| body());
    crate::process::leave(status)
}

/// Calls the kernel, and in the child `enter(argument)`; gives the child's id, or an errno below zero.
///
/// # Safety
/// `args` asks for CLONE_VM, CLONE_VFORK and a stack, and no other memory of the caller's may be used by
/// `enter` than the kernel holds the caller back from.
#[cfg(target_arch = "x86_64")]
unsafe fn clone3(
    args: *const libc::clone_args,
    enter: unsafe extern "C" fn(*mut c_void) -> !,
    argument: *mut c_void,
) -> i64 {
    let result: i64;
    // SAFETY: the parent goes on behind the block with its registers as they were, but for the three
    // that are named. The child has a stack pointer of its own, aligned as a call wants it, and never
    // comes to the end of the block.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, rdx",
            "call r8",
            "ud2",
            "2:",
            inlateout("rax") libc::SYS_clone3 => result,
            in("rdi") args,
            in("rsi") size_of::<libc::clone_args>(),
            in("rdx") argument,
            in("r8") enter,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    result
}

/// As above.
///
/// # Safety
/// As above.
#[cfg(target_arch = "aarch64")]
unsafe fn clone3(
    args: *const libc::clone_args,
    enter: unsafe extern "C" fn(*mut c_void) -> !,
    argument: *mut c_void,
) -> i64 {
    let result: i64;
    // SAFETY: as above; the kernel changes x0 only.
    unsafe {
        std::arch::asm!(
            "svc #0",
            "cbnz x0, 2f",
            "mov x29, xzr",
            "mov x30, xzr",
            "mov x0, x2",
            "blr x3",
            "brk #1",
            "2:",
            inlateout("x0") args => result,
            in("x1") size_of::<libc::clone_args>(),
            in("x2") argument,
            in("x3") enter,
            in("x8") libc::SYS_clone3,
        );
    }
    result
}

/// Memory for the child's stack.
struct Stack {
    lowest: *mut c_void,
}

impl Stack {
    fn new() -> Result<Stack, Errno> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK;
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: the kernel finds a place that nobody uses.
        let lowest = unsafe { libc::mmap(ptr::null_mut(), STACK_BYTES, access, flags, -1, 0) };
        if lowest == libc::MAP_FAILED {
            return Err(crate::process::last_errno());
        }
        let stack = Stack { lowest };
        // SAFETY: the page is of the memory that was just mapped, and nobody has used it.
        let guarded = unsafe { libc::mprotect(lowest, PAGE_BYTES, libc::PROT_NONE) };
        crate::process::check(guarded.into())?;
        Ok(stack)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: it was mapped by this value with this length, and the child that used it has left.
        unsafe { libc::munmap(self.lowest, STACK_BYTES) };
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::CString;

    use super::*;
    use crate::exec::{Strings, exec};
    use crate::process;

    /// A process in which nothing else runs, as a thread's child would be.
    fn alone(body: impl FnOnce() -> i32) -> crate::pidfd::Exit {
        let child = crate::clone::spawn(crate::clone::Namespaces::NONE, None, body).unwrap();
        crate::pidfd::wait(&child.pidfd).unwrap()
    }

    #[test]
    fn a_child_becomes_a_program_and_its_parent_goes_on() {
        let words = |words: &[&str]| {
            let words = words.iter().map(|word| CString::new(*word).unwrap());
            Strings::new(words.collect())
        };
        let (args, env) = (words(&["sh", "-c", "exit 5"]), words(&[]));
        let exit = alone(|| {
            let mut told = 0;
            let pid = spawn(None, || {
                told = 7;
                let _missing = exec(c"/nothing/like/it", &args, &env);
                let _missing = exec(c"/bin/sh", &args, &env);
                1
            });
            match (pid, process::wait_any()) {
                (Ok(pid), Ok((ended, 5))) if pid == ended => told,
                _ => 1,
            }
        });
        assert_eq!(exit, crate::pidfd::Exit::Code(7));
    }

    #[test]
    fn a_child_that_becomes_nothing_ends_with_its_status() {
        let exit = alone(|| match (spawn(None, || 3), process::wait_any()) {
            (Ok(pid), Ok((ended, 3))) if pid == ended => 0,
            _ => 1,
        });
        assert_eq!(exit, crate::pidfd::Exit::Code(0));
    }
}
