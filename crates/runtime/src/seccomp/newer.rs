//! What becomes of calls that are newer than the profile?
//!
//! Whoever wrote it could not say anything about them. Programs try new calls and fall back to older
//! ones when the kernel has not got them (`ENOSYS`); to be told that they may not (`EPERM`), or to be
//! killed, they do not expect. So the newest call that a profile names says how old it is, and all
//! with a higher number do not exist. That cannot be said in libseccomp's rules, and stands before them.

use std::collections::BTreeSet;
use std::ffi::CString;

use oci_spec::runtime::LinuxSeccompAction;
use outrigger_sys::seccomp::{Instruction, number};

/// libseccomp's name for x32, whose calls the kernel tells from those of x86-64 by a bit of the number.
const X32: u32 = 0x4000_003e;
const X32_BIT: u32 = 0x4000_0000;
const X86_64: u32 = 0xc000_003e;

const LOAD: u16 = 0x20;
const JUMP: u16 = 0x05;
const JUMP_EQUAL: u16 = 0x15;
const JUMP_GREATER: u16 = 0x25;
const JUMP_AT_LEAST: u16 = 0x35;
const RETURN: u16 = 0x06;
/// Where `struct seccomp_data` has the call's number and architecture.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
/// `SECCOMP_RET_ERRNO` with `ENOSYS`.
const NO_SUCH_CALL: u32 = 0x0005_0000 | 38;

/// Whether a profile with this default refuses what it does not name. A tracer knows by itself what it
/// does not know.
pub(super) fn are_refused(default: LinuxSeccompAction) -> bool {
    !matches!(
        default,
        LinuxSeccompAction::ScmpActAllow
            | LinuxSeccompAction::ScmpActLog
            | LinuxSeccompAction::ScmpActTrace
            | LinuxSeccompAction::ScmpActNotify
    )
}

/// What stands before a program for these architectures whose profile has these names.
pub(super) fn refusal(architectures: &[u32], named: &BTreeSet<CString>) -> Vec<Instruction> {
    let blocks: Vec<Vec<Instruction>> = architectures
        .iter()
        .filter(|one| **one != X32)
        .filter_map(|one| {
            let newest = newest(*one, named)?;
            let x32 = architectures.contains(&X32).then(|| newest_x32(named));
            Some(block(
                *one,
                newest,
                x32.filter(|_| *one == X86_64).flatten(),
            ))
        })
        .collect();
    if blocks.is_empty() {
        return Vec::new();
    }
    let mut left: usize = blocks.iter().map(Vec::len).sum();
    let mut program = vec![step(LOAD, ARCHITECTURE)];
    for mut block in blocks {
        left -= block.len();
        // Over the other architectures' blocks, to the profile's own program.
        if let Some(last) = block.last_mut() {
            last.operand = u32::try_from(left).unwrap_or(0);
        }
        program.append(&mut block);
    }
    program
}

fn newest(architecture: u32, named: &BTreeSet<CString>) -> Option<u32> {
    let numbers = named.iter().filter_map(|name| number(architecture, name));
    numbers
        .filter_map(|number| u32::try_from(number).ok())
        .max()
}

fn newest_x32(named: &BTreeSet<CString>) -> Option<u32> {
    newest(X32, named).map(|number| number | X32_BIT)
}

/// Begins with the architecture loaded, and leaves it so for the next if it is another one.
fn block(architecture: u32, newest: u32, newest_x32: Option<u32>) -> Vec<Instruction> {
    let mut inner = vec![step(LOAD, NUMBER)];
    if let Some(x32) = newest_x32 {
        inner.extend([
            jump(JUMP_AT_LEAST, X32_BIT, 0, 1),
            jump(JUMP_GREATER, x32, 1, 2),
        ]);
    }
    inner.extend([
        jump(JUMP_GREATER, newest, 0, 1),
        step(RETURN, NO_SUCH_CALL),
        step(JUMP, 0),
    ]);
    let over = u8::try_from(inner.len()).unwrap_or(u8::MAX);
    let mut all = vec![jump(JUMP_EQUAL, architecture, 0, over)];
    all.append(&mut inner);
    all
}

fn step(code: u16, operand: u32) -> Instruction {
    jump(code, operand, 0, 0)
}

fn jump(code: u16, operand: u32, jump_true: u8, jump_false: u8) -> Instruction {
    Instruction {
        code,
        jump_true,
        jump_false,
        operand,
    }
}
