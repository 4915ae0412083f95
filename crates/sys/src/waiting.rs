//! Which calls does a process of ours still need that only waits for others? It stands in a container's PID
//! namespace, and who could get hold of it there must not find a way around the container's own filter.

use rustix::io::Errno;

use crate::seccomp::{self, Instruction};

/// To wait, to tell and to end.
const CALLS: [libc::c_long; 8] = [
    libc::SYS_wait4,
    libc::SYS_waitid,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_write,
    libc::SYS_restart_syscall,
    libc::SYS_rt_sigreturn,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// Loads a word of what the kernel says of the call: its number is at 0, the architecture at 4.
const LOAD: u16 = 0x20;
const JUMP_IF_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;
const KILL: u32 = 0x8000_0000;
const REFUSE: u32 = 0x0005_0000 | libc::EPERM as u32;
const ALLOW: u32 = 0x7fff_0000;

/// Gives this process up to waiting: all other calls are refused from now on. It must have forbidden itself
/// new privileges. Child-safe.
///
/// # Errors
/// Those of `seccomp`.
pub fn only_wait() -> Result<(), Errno> {
    let step = |code, operand| Instruction {
        code,
        jump_true: 0,
        jump_false: 0,
        operand,
    };
    let mut program = [step(RETURN, ALLOW); CALLS.len() + 6];
    program[0] = step(LOAD, 4);
    program[1] = step(JUMP_IF_EQUAL, seccomp::native());
    program[1].jump_true = 1;
    program[2] = step(RETURN, KILL);
    program[3] = step(LOAD, 0);
    for (index, call) in CALLS.iter().enumerate() {
        let number = u32::try_from(*call).map_err(|_| Errno::INVAL)?;
        program[4 + index] = step(JUMP_IF_EQUAL, number);
        // Over the calls behind it and the refusal.
        let behind = CALLS.len() - index;
        program[4 + index].jump_true = u8::try_from(behind).map_err(|_| Errno::INVAL)?;
    }
    program[4 + CALLS.len()] = step(RETURN, REFUSE);
    seccomp::load(&program, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clone::{Namespaces, spawn};
    use crate::{credentials, process};

    #[test]
    fn who_only_waits_waits_and_does_nothing_else() {
        let child = spawn(Namespaces::NONE, None, || {
            let grandchild = spawn(Namespaces::NONE, None, || 5);
            let given_up = credentials::forbid_new_privileges().and_then(|()| only_wait());
            let waited = process::wait_any();
            let refused = process::set_name(c"other");
            match (grandchild, given_up, waited, refused) {
                (Ok(_), Ok(()), Ok((_, 5)), Err(Errno::PERM)) => 0,
                _ => 1,
            }
        });
        let exit = crate::pidfd::wait(&child.unwrap().pidfd).unwrap();
        assert_eq!(exit, crate::pidfd::Exit::Code(0));
    }
}
