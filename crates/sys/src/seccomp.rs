//! How is a filter of system calls made, and put on this process?
//!
//! libseccomp translates rules to a program of the kernel's classic BPF ([`Rules`]); the program is
//! plain data from there on, and [`load`] gives it to the kernel.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::os::fd::AsRawFd;
use std::ptr::NonNull;

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::Errno;

use crate::process::check;

/// An instruction of the kernel's classic BPF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Instruction {
    /// What it does.
    pub code: u16,
    /// How many instructions a jump passes over where its condition holds.
    pub jump_true: u8,
    /// And where it does not.
    pub jump_false: u8,
    /// Its operand.
    pub operand: u32,
}

impl Instruction {
    /// Its size in memory.
    pub const BYTES: usize = 8;

    /// As the kernel has it in memory.
    #[must_use]
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..2].copy_from_slice(&self.code.to_ne_bytes());
        bytes[2] = self.jump_true;
        bytes[3] = self.jump_false;
        bytes[4..].copy_from_slice(&self.operand.to_ne_bytes());
        bytes
    }

    /// From memory.
    #[must_use]
    pub fn from_bytes([a, b, jump_true, jump_false, c, d, e, f]: [u8; Self::BYTES]) -> Instruction {
        Instruction {
            code: u16::from_ne_bytes([a, b]),
            jump_true,
            jump_false,
            operand: u32::from_ne_bytes([c, d, e, f]),
        }
    }
}

/// How a call's argument is compared; the numbers are libseccomp's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Operator {
    /// It differs.
    NotEqual = 1,
    /// It is less.
    Less = 2,
    /// It is less or equal.
    LessOrEqual = 3,
    /// It is equal.
    Equal = 4,
    /// It is greater or equal.
    GreaterOrEqual = 5,
    /// It is greater.
    Greater = 6,
    /// It is equal under a mask.
    MaskedEqual = 7,
}

/// A comparison of a call's argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Comparison {
    /// Which argument, from 0 to 5.
    pub argument: u32,
    /// How.
    pub operator: Operator,
    /// With what; of [`Operator::MaskedEqual`] the mask.
    pub value: u64,
    /// With what under the mask.
    pub masked: u64,
}

type Context = *mut c_void;

unsafe extern "C" {
    fn seccomp_init(default: u32) -> Context;
    fn seccomp_release(context: Context);
    fn seccomp_arch_add(context: Context, token: u32) -> c_int;
    fn seccomp_attr_set(context: Context, attribute: c_uint, value: u32) -> c_int;
    fn seccomp_rule_add_array(
        context: Context,
        action: u32,
        call: c_int,
        count: c_uint,
        comparisons: *const Comparison,
    ) -> c_int;
    fn seccomp_syscall_resolve_name_arch(token: u32, name: *const c_char) -> c_int;
    fn seccomp_arch_native() -> u32;
    fn seccomp_export_bpf(context: Context, descriptor: c_int) -> c_int;
}

/// `SCMP_FLTATR_CTL_OPTIMIZE`
const OPTIMIZE: c_uint = 8;
/// A binary tree of the calls' numbers: the kernel runs the program once for each call when it is
/// loaded.
const TREE: u32 = 2;
/// `__NR_SCMP_ERROR`
const UNKNOWN: c_int = -1;

/// Rules for a filter: what becomes of which call.
#[derive(Debug)]
pub struct Rules(NonNull<c_void>);

impl Rules {
    /// None yet, for this machine's own architecture: all calls give `default`, a value as a filter
    /// returns it.
    ///
    /// # Errors
    /// `EINVAL` when there is no such action.
    pub fn new(default: u32) -> Result<Rules, Errno> {
        // SAFETY: it takes any number, and gives null for what is no action.
        let context = unsafe { seccomp_init(default) };
        let rules = NonNull::new(context).map(Rules).ok_or(Errno::INVAL)?;
        // SAFETY: the context is valid as long as `rules` lives.
        let result = unsafe { seccomp_attr_set(rules.0.as_ptr(), OPTIMIZE, TREE) };
        of_library(result)?;
        Ok(rules)
    }

    /// Lets the rules hold for another architecture's calls too. Without that they are killed.
    ///
    /// # Errors
    /// `EINVAL` for what is no architecture, or one of the other byte order.
    pub fn add_architecture(&mut self, token: u32) -> Result<(), Errno> {
        // SAFETY: the context is valid as long as `self` lives.
        let result = unsafe { seccomp_arch_add(self.0.as_ptr(), token) };
        match of_library(result) {
            Err(Errno::EXIST) => Ok(()),
            result => result,
        }
    }

    /// A call, by its number as [`number`] gives it for the native architecture, gives `action` where
    /// all comparisons hold.
    ///
    /// # Errors
    /// `EINVAL` for comparisons that make no sense, `EEXIST` where another rule says otherwise.
    pub fn add(&mut self, action: u32, call: i32, comparisons: &[Comparison]) -> Result<(), Errno> {
        let count = c_uint::try_from(comparisons.len()).map_err(|_| Errno::INVAL)?;
        // SAFETY: the context is valid as long as `self` lives; the array has that many members, laid
        // out as libseccomp's `scmp_arg_cmp`, and is only read.
        let result = unsafe {
            seccomp_rule_add_array(self.0.as_ptr(), action, call, count, comparisons.as_ptr())
        };
        of_library(result)
    }

    /// The program that the kernel is given.
    ///
    /// # Errors
    /// Those of `memfd_create` and of reading and writing it; `ENOMEM`.
    pub fn program(&self) -> Result<Vec<Instruction>, Errno> {
        let file = memfd_create(c"seccomp", MemfdFlags::CLOEXEC)?;
        // SAFETY: the context is valid as long as `self` lives, and the descriptor while `file` does.
        let result = unsafe { seccomp_export_bpf(self.0.as_ptr(), file.as_raw_fd()) };
        of_library(result)?;
        let length = usize::try_from(rustix::fs::fstat(&file)?.st_size).unwrap_or(0);
        let mut bytes = vec![0; length];
        if rustix::io::pread(&file, &mut bytes, 0)? != length {
            return Err(Errno::IO);
        }
        let (instructions, _) = bytes.as_chunks::<{ Instruction::BYTES }>();
        Ok(instructions
            .iter()
            .map(|one| Instruction::from_bytes(*one))
            .collect())
    }
}

impl Drop for Rules {
    fn drop(&mut self) {
        // SAFETY: the context came from `seccomp_init` and is used by nobody any more.
        unsafe { seccomp_release(self.0.as_ptr()) }
    }
}

fn of_library(result: c_int) -> Result<(), Errno> {
    if result < 0 {
        Err(Errno::from_raw_os_error(-result))
    } else {
        Ok(())
    }
}

/// This machine's own architecture, as libseccomp names it.
#[must_use]
pub fn native() -> u32 {
    // SAFETY: it has no arguments and only tells a constant.
    unsafe { seccomp_arch_native() }
}

/// The number of a call on an architecture: below 0 where only others have it. `None` if no
/// architecture has a call of this name, as far as the library knows.
#[must_use]
pub fn number(architecture: u32, name: &CStr) -> Option<i32> {
    // SAFETY: the name ends with a nul and is only read.
    let number = unsafe { seccomp_syscall_resolve_name_arch(architecture, name.as_ptr()) };
    (number != UNKNOWN).then_some(number)
}

/// Puts a filter on this thread and all that come of it, for ever. Child-safe.
///
/// # Errors
/// `EACCES` without `CAP_SYS_ADMIN` in a process that may gain privileges by exec; `EINVAL` for what
/// is no program, or flags that the kernel does not know.
pub fn load(program: &[Instruction], flags: u32) -> Result<(), Errno> {
    let program = libc::sock_fprog {
        len: libc::c_ushort::try_from(program.len()).map_err(|_| Errno::INVAL)?,
        filter: program.as_ptr().cast_mut().cast(),
    };
    // SAFETY: `sock_fprog` points to that many instructions, laid out as `sock_filter`, which the
    // kernel only reads.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            flags,
            &raw const program,
        )
    };
    check(result).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOW: u32 = 0x7fff_0000;

    #[test]
    fn names_become_numbers_and_rules_a_program() {
        let getpid = number(native(), c"getpid").unwrap();
        assert_eq!(i64::from(getpid), libc::SYS_getpid);
        assert_eq!(number(native(), c"no_such_call"), None);
        let mut rules = Rules::new(0x0005_0001).unwrap();
        rules.add(ALLOW, getpid, &[]).unwrap();
        let program = rules.program().unwrap();
        // Every program ends in a return.
        assert_eq!(program.last().unwrap().code, 0x06);
        let again = program
            .iter()
            .map(|one| Instruction::from_bytes(one.to_bytes()));
        assert!(again.eq(program.iter().copied()));
    }

    #[test]
    fn what_is_no_action_or_no_architecture_is_refused() {
        assert_eq!(Rules::new(0x1234_5678).unwrap_err(), Errno::INVAL);
        let mut rules = Rules::new(ALLOW).unwrap();
        assert_eq!(rules.add_architecture(5), Err(Errno::INVAL));
    }
}
