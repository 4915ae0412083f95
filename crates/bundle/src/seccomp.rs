//! Which system calls may a container make?
//!
//! Unless somebody says otherwise it is confined to `RuntimeDefault`: what programs need, and nothing that is only
//! for those who run the machine. `calls.txt` is that list, and here are the calls that depend on their arguments. It is
//! for the machine's own architecture alone: programs of another one are killed at their first call, because theirs would
//! be a second list of the same length for the kernel to go through at every start, and on i386 one call
//! (`socketcall`) hides the arguments of others.

use k8s_openapi::api::core::v1 as core;
use oci_spec::runtime::{
    Capabilities, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompArgBuilder,
    LinuxSeccompBuilder, LinuxSeccompOperator, LinuxSyscall, LinuxSyscallBuilder,
};
use outrigger_pod::{Pod, Slot};
use serde_json::Value;

use crate::error::BundleError;

/// A profile as the OCI runtime specification has it.
pub type Profile = LinuxSeccomp;

const CALLS: &str = include_str!("seccomp/calls.txt");

/// The `CLONE_NEW…` bits: mounts, cgroups, UTS, IPC, users, processes, network.
const NEW_NAMESPACES: u64 =
    0x0002_0000 | 0x0200_0000 | 0x0400_0000 | 0x0800_0000 | 0x1000_0000 | 0x2000_0000 | 0x4000_0000;
/// `ENOSYS`
const NO_SUCH_CALL: u32 = 38;
/// Execution domains: Linux, Linux as of 2.6, both also for `uname` of 32 bits; and the question which it is.
const PERSONALITIES: [u64; 5] = [0, 0x0008, 0x0002_0000, 0x0002_0008, 0xffff_ffff];
/// Masks and values that let every protocol family pass but `AF_ALG` (38) and `AF_VSOCK` (40), which reach into the kernel
/// and out to a hypervisor: below 32, odd, 32 and 34, 36, 42, 44 and 46. Only the lower half of the argument counts for the
/// kernel, so that a comparison of the whole could be got round.
const FAMILIES: [(u64, u64); 6] = [
    (0xffff_ffe0, 0),
    (1, 1),
    (0xffff_fffd, 32),
    (0xffff_ffff, 36),
    (0xffff_ffff, 42),
    (0xffff_fffd, 44),
];

/// What a container is confined to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Confinement<'a> {
    /// What we think right.
    #[default]
    RuntimeDefault,
    /// Nothing.
    Unconfined,
    /// A profile of this machine.
    Localhost(&'a LinuxSeccomp),
}

/// What a manifest asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked<'a> {
    /// What we think right; also where nothing is said.
    RuntimeDefault,
    /// Nothing; so does a privileged container, whatever it says.
    Unconfined,
    /// The profile in this file.
    Localhost(&'a str),
}

/// What a container asks for: itself, or the Pod for it.
#[must_use]
pub fn asked(pod: &Pod, slot: Slot) -> Asked<'_> {
    let own = pod[slot].spec.security_context.as_ref();
    if own.and_then(|context| context.privileged) == Some(true) {
        return Asked::Unconfined;
    }
    let spec = pod.manifest.spec.as_ref();
    let of_pod = spec.and_then(|spec| spec.security_context.as_ref());
    let profile: Option<&core::SeccompProfile> = own
        .and_then(|context| context.seccomp_profile.as_ref())
        .or_else(|| of_pod.and_then(|context| context.seccomp_profile.as_ref()));
    let Some(profile) = profile else {
        return Asked::RuntimeDefault;
    };
    match (profile.type_.as_str(), &profile.localhost_profile) {
        ("Unconfined", _) => Asked::Unconfined,
        ("Localhost", Some(file)) => Asked::Localhost(file),
        _ => Asked::RuntimeDefault,
    }
}

/// The part of the config for a container with these capabilities in its bounding set.
pub(crate) fn profile(
    confinement: Confinement<'_>,
    bounding: &Capabilities,
) -> Result<Option<LinuxSeccomp>, BundleError> {
    Ok(match confinement {
        Confinement::Unconfined => None,
        Confinement::Localhost(profile) => Some(profile.clone()),
        Confinement::RuntimeDefault => Some(runtime_default(bounding)?),
    })
}

fn runtime_default(bounding: &Capabilities) -> Result<LinuxSeccomp, BundleError> {
    let has = |section: &str| {
        section == "always"
            || section == std::env::consts::ARCH
            || bounding.iter().any(|one| format!("CAP_{one}") == section)
    };
    let mut names: Vec<String> = Vec::new();
    let mut chosen = false;
    for line in CALLS.lines().filter(|line| !line.starts_with('#')) {
        match line
            .strip_prefix('[')
            .and_then(|line| line.strip_suffix(']'))
        {
            Some(section) => chosen = has(section),
            None if chosen => names.extend(line.split_whitespace().map(str::to_owned)),
            None => {}
        }
    }
    names.sort();
    names.dedup();
    let clones = names.iter().any(|name| name == "clone");
    let mut calls = vec![call(names, LinuxSeccompAction::ScmpActAllow)?];
    for value in PERSONALITIES {
        calls.push(allowed(
            "personality",
            LinuxSeccompOperator::ScmpCmpEq,
            value,
            0,
        )?);
    }
    for (mask, value) in FAMILIES {
        calls.push(allowed(
            "socket",
            LinuxSeccompOperator::ScmpCmpMaskedEq,
            mask,
            value,
        )?);
    }
    if !clones {
        let masked = LinuxSeccompOperator::ScmpCmpMaskedEq;
        calls.push(allowed("clone", masked, NEW_NAMESPACES, 0)?);
        // Its flags are in memory, where no filter sees them. C libraries try `clone` when it is not there.
        let mut clone3 = call(vec!["clone3".to_owned()], LinuxSeccompAction::ScmpActErrno)?;
        clone3.set_errno_ret(Some(NO_SUCH_CALL));
        calls.push(clone3);
    }
    Ok(LinuxSeccompBuilder::default()
        .default_action(LinuxSeccompAction::ScmpActErrno)
        .syscalls(calls)
        .build()?)
}

fn call(names: Vec<String>, action: LinuxSeccompAction) -> Result<LinuxSyscall, BundleError> {
    Ok(LinuxSyscallBuilder::default()
        .names(names)
        .action(action)
        .build()?)
}

/// A call that is allowed if its first argument compares so.
fn allowed(
    name: &str,
    op: LinuxSeccompOperator,
    value: u64,
    two: u64,
) -> Result<LinuxSyscall, BundleError> {
    let first: LinuxSeccompArg = LinuxSeccompArgBuilder::default()
        .index(0_usize)
        .value(value)
        .value_two(two)
        .op(op)
        .build()?;
    let mut call = call(vec![name.to_owned()], LinuxSeccompAction::ScmpActAllow)?;
    call.set_args(Some(vec![first]));
    Ok(call)
}

/// Reads a profile as the OCI runtime specification has it (`linux.seccomp`), in JSON. What such a profile has not got is
/// refused by its name: whoever wrote it means more than would be done.
///
/// # Errors
/// If it is none; the text says where and why.
pub fn read(text: &[u8]) -> Result<LinuxSeccomp, String> {
    const PROFILE: [&str; 7] = [
        "defaultAction",
        "defaultErrnoRet",
        "architectures",
        "flags",
        "listenerPath",
        "listenerMetadata",
        "syscalls",
    ];
    const CALL: [&str; 5] = ["names", "action", "errnoRet", "args", "comment"];
    const ARG: [&str; 4] = ["index", "value", "valueTwo", "op"];
    let value: Value = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let below = |value: &Value, key: &str| -> Vec<Value> {
        value
            .get(key)
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    };
    known(&value, "", &PROFILE)?;
    for (index, call) in below(&value, "syscalls").iter().enumerate() {
        let at = format!("syscalls[{index}].");
        known(call, &at, &CALL)?;
        for (index, arg) in below(call, "args").iter().enumerate() {
            known(arg, &format!("{at}args[{index}]."), &ARG)?;
        }
    }
    // From the text, not from the value: then an error has its line.
    serde_json::from_slice(text).map_err(|error| error.to_string())
}

fn known(value: &Value, at: &str, fields: &[&str]) -> Result<(), String> {
    let strange = value
        .as_object()
        .into_iter()
        .flatten()
        .find(|(key, _)| !fields.contains(&key.as_str()));
    match strange {
        Some((key, _)) => Err(format!(
            "{at}{key} is no field of a profile; known here are {}",
            fields.join(", ")
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
