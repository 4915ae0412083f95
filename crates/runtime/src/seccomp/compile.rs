//! How does a profile become a program for the kernel?

use std::collections::BTreeSet;
use std::ffi::CString;

use oci_spec::runtime::{
    Arch, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompOperator, LinuxSyscall,
};
use outrigger_sys::Errno;
use outrigger_sys::seccomp::{Comparison, Instruction, Operator, Rules, native, number};

use super::newer;
use crate::compile::SpecError;

/// The most instructions that the kernel takes (`BPF_MAXINSNS`).
const LONGEST: usize = 4096;
/// What a refused call says where the profile does not: `EPERM`.
const ERRNO: u32 = 1;
/// The largest errno that the kernel passes on.
const MAX_ERRNO: u32 = 4095;

/// Compiles. Calls that libseccomp knows on no architecture are left out, as by other runtimes: there is
/// no number to say something about, and the kernel's newest calls are refused as a whole ([`newer`]).
pub(super) fn compile(profile: &LinuxSeccomp) -> Result<Vec<Instruction>, SpecError> {
    let default = action(
        profile.default_action(),
        profile.default_errno_ret(),
        "linux.seccomp.defaultAction",
    )?;
    if profile.listener_path().is_some() {
        return Err(SpecError::Unsupported("linux.seccomp.listenerPath"));
    }
    let mut rules = Rules::new(default).map_err(|errno| failed("defaultAction", errno))?;
    let mut architectures = vec![native()];
    for one in profile.architectures().iter().flatten() {
        let token = token(*one);
        rules
            .add_architecture(token)
            .map_err(|errno| failed(&format!("architectures: {one}"), errno))?;
        if !architectures.contains(&token) {
            architectures.push(token);
        }
    }
    let syscalls = profile.syscalls().as_deref().unwrap_or_default();
    let mut named = BTreeSet::new();
    for (index, syscall) in syscalls.iter().enumerate() {
        add(
            &mut rules,
            default,
            &format!("syscalls[{index}]"),
            syscall,
            &mut named,
        )?;
    }
    let program = rules.program().map_err(|errno| failed("syscalls", errno))?;
    let first = if newer::are_refused(profile.default_action()) {
        newer::refusal(&architectures, &named)
    } else {
        Vec::new()
    };
    let program = [first, program].concat();
    if program.len() > LONGEST {
        let length = program.len();
        return Err(SpecError::invalid(
            "linux.seccomp",
            format!("is {length} instructions long when compiled; the kernel takes {LONGEST}"),
        ));
    }
    Ok(program)
}

fn add(
    rules: &mut Rules,
    default: u32,
    field: &str,
    syscall: &LinuxSyscall,
    named: &mut BTreeSet<CString>,
) -> Result<(), SpecError> {
    let wanted = action(
        syscall.action(),
        syscall.errno_ret(),
        &format!("linux.seccomp.{field}.action"),
    )?;
    let args = syscall.args().as_deref().unwrap_or_default();
    let comparisons = args
        .iter()
        .enumerate()
        .map(|(index, arg)| comparison(arg, &format!("{field}.args[{index}]")))
        .collect::<Result<Vec<_>, _>>()?;
    for name in syscall.names() {
        let name = CString::new(name.as_str()).map_err(|_| {
            SpecError::invalid(format!("linux.seccomp.{field}.names"), "has a nul byte")
        })?;
        let call = number(native(), &name);
        named.insert(name);
        // A rule that says what is the case anyway is none; the library refuses it.
        let Some(call) = call.filter(|_| wanted != default) else {
            continue;
        };
        for together in alternatives(&comparisons) {
            rules
                .add(wanted, call, together)
                .map_err(|errno| failed(field, errno))?;
        }
    }
    Ok(())
}

/// Which comparisons have to hold together. Two of the same argument are alternatives: profiles are
/// written for runc, which takes each comparison of such a rule as a rule of its own.
fn alternatives(comparisons: &[Comparison]) -> Vec<&[Comparison]> {
    let arguments: BTreeSet<u32> = comparisons.iter().map(|one| one.argument).collect();
    if arguments.len() == comparisons.len() {
        vec![comparisons]
    } else {
        comparisons.chunks(1).collect()
    }
}

fn comparison(arg: &LinuxSeccompArg, field: &str) -> Result<Comparison, SpecError> {
    let argument = u32::try_from(arg.index()).ok().filter(|index| *index < 6);
    let argument = argument.ok_or_else(|| {
        SpecError::invalid(
            format!("linux.seccomp.{field}.index"),
            format!("{} is beyond 5", arg.index()),
        )
    })?;
    Ok(Comparison {
        argument,
        operator: match arg.op() {
            LinuxSeccompOperator::ScmpCmpNe => Operator::NotEqual,
            LinuxSeccompOperator::ScmpCmpLt => Operator::Less,
            LinuxSeccompOperator::ScmpCmpLe => Operator::LessOrEqual,
            LinuxSeccompOperator::ScmpCmpEq => Operator::Equal,
            LinuxSeccompOperator::ScmpCmpGe => Operator::GreaterOrEqual,
            LinuxSeccompOperator::ScmpCmpGt => Operator::Greater,
            LinuxSeccompOperator::ScmpCmpMaskedEq => Operator::MaskedEqual,
        },
        value: arg.value(),
        masked: arg.value_two().unwrap_or(0),
    })
}

/// The value that a filter returns for an action.
fn action(action: LinuxSeccompAction, errno: Option<u32>, field: &str) -> Result<u32, SpecError> {
    match action {
        LinuxSeccompAction::ScmpActNotify => Err(SpecError::invalid(
            field,
            "SCMP_ACT_NOTIFY is not supported yet; use another action",
        )),
        LinuxSeccompAction::ScmpActErrno | LinuxSeccompAction::ScmpActTrace => {
            let errno = errno.unwrap_or(ERRNO);
            let most = match action {
                LinuxSeccompAction::ScmpActErrno => MAX_ERRNO,
                _ => u32::from(u16::MAX),
            };
            if errno > most {
                return Err(SpecError::invalid(
                    field,
                    format!("errno {errno} is beyond {most}"),
                ));
            }
            Ok(action.as_u32(Some(errno)))
        }
        other => Ok(other.as_u32(None)),
    }
}

fn token(architecture: Arch) -> u32 {
    match architecture {
        Arch::ScmpArchNative => native(),
        other => other as u32,
    }
}

fn failed(field: &str, errno: Errno) -> SpecError {
    SpecError::invalid(
        format!("linux.seccomp.{field}"),
        match errno {
            Errno::EXIST => "contradicts an earlier rule".to_owned(),
            Errno::INVAL => "makes no sense to libseccomp".to_owned(),
            errno => format!("libseccomp: {errno}"),
        },
    )
}
