//! May a Pod and its containers have these rights?

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1 as core;

use super::finding::{Field, Findings};
use super::{names, paths};

const ID_BOUNDS: (i64, i64) = (0, i32::MAX as i64);
const APPARMOR_MAX_BYTES: usize = 4095;
const PROFILES: [&str; 3] = ["Localhost", "RuntimeDefault", "Unconfined"];

pub(super) fn container(
    container: &core::Container,
    spec: &core::PodSpec,
    at: &Field,
    out: &mut Findings,
) {
    let Some(context) = &container.security_context else {
        return;
    };
    id(context.run_as_user, &at.child("runAsUser"), out);
    id(context.run_as_group, &at.child("runAsGroup"), out);
    seccomp(
        context.seccomp_profile.as_ref(),
        &at.child("seccompProfile"),
        out,
    );
    apparmor(
        context.app_armor_profile.as_ref(),
        &at.child("appArmorProfile"),
        out,
    );
    let proc_mount = context.proc_mount.as_deref();
    out.maybe_one_of(&at.child("procMount"), proc_mount, &["Default", "Unmasked"]);
    if proc_mount == Some("Unmasked") && spec.host_users != Some(false) {
        out.invalid(
            &at.child("procMount"),
            "Unmasked",
            "`hostUsers` must be false to use `Unmasked`",
        );
    }
    if context.allow_privilege_escalation == Some(false) {
        if context.privileged == Some(true) {
            let words = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true";
            out.invalid_object(at, context, words);
        }
        let added = context
            .capabilities
            .as_ref()
            .and_then(|capabilities| capabilities.add.as_ref());
        if added
            .into_iter()
            .flatten()
            .any(|capability| capability == "CAP_SYS_ADMIN")
        {
            let words = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN";
            out.invalid_object(at, context, words);
        }
    }
}

pub(super) fn pod(spec: &core::PodSpec, at: &Field, out: &mut Findings) {
    let Some(context) = &spec.security_context else {
        return;
    };
    id(context.run_as_user, &at.child("runAsUser"), out);
    id(context.run_as_group, &at.child("runAsGroup"), out);
    id(context.fs_group, &at.child("fsGroup"), out);
    for (index, group) in context.supplemental_groups.iter().flatten().enumerate() {
        id(
            Some(*group),
            &at.child("supplementalGroups").index(index),
            out,
        );
    }
    seccomp(
        context.seccomp_profile.as_ref(),
        &at.child("seccompProfile"),
        out,
    );
    apparmor(
        context.app_armor_profile.as_ref(),
        &at.child("appArmorProfile"),
        out,
    );
    let policy = context.fs_group_change_policy.as_deref();
    out.maybe_one_of(
        &at.child("fsGroupChangePolicy"),
        policy,
        &["Always", "OnRootMismatch"],
    );
    let policy = context.supplemental_groups_policy.as_deref();
    out.maybe_one_of(
        &at.child("supplementalGroupsPolicy"),
        policy,
        &["Merge", "Strict"],
    );
    let policy = context.se_linux_change_policy.as_deref();
    out.maybe_one_of(
        &at.child("seLinuxChangePolicy"),
        policy,
        &["MountOption", "Recursive"],
    );
    sysctls(context, spec, &at.child("sysctls"), out);
}

fn id(id: Option<i64>, at: &Field, out: &mut Findings) {
    if let Some(id) = id {
        out.between(at, id, ID_BOUNDS);
    }
}

fn seccomp(profile: Option<&core::SeccompProfile>, at: &Field, out: &mut Findings) {
    let Some(profile) = profile else { return };
    out.required_one_of(&at.child("type"), Some(&profile.type_), &PROFILES);
    let at = at.child("localhostProfile");
    match (profile.type_.as_str(), profile.localhost_profile.as_deref()) {
        // An empty path names no file; a kubelet that let it pass ran the container unconfined.
        ("Localhost", None | Some("")) => {
            out.required(&at, "must be set when seccomp type is Localhost");
        }
        ("Localhost", Some(path)) => paths::descending(path, &at, out),
        (_, Some(path)) => {
            out.invalid(&at, path, "can only be set when seccomp type is Localhost");
        }
        (_, None) => {}
    }
}

fn apparmor(profile: Option<&core::AppArmorProfile>, at: &Field, out: &mut Findings) {
    let Some(profile) = profile else { return };
    out.required_one_of(&at.child("type"), Some(&profile.type_), &PROFILES);
    let at = at.child("localhostProfile");
    match (profile.type_.as_str(), profile.localhost_profile.as_deref()) {
        ("Localhost", None | Some("")) => {
            out.required(&at, "must be set when AppArmor type is Localhost");
        }
        ("Localhost", Some(name)) => {
            if name.trim() != name {
                out.invalid(&at, name, "must not be padded with whitespace");
            }
            if name.len() > APPARMOR_MAX_BYTES {
                out.too_long(&at, APPARMOR_MAX_BYTES);
            }
        }
        (_, Some(name)) => {
            out.invalid(&at, name, "can only be set when AppArmor type is Localhost");
        }
        (_, None) => {}
    }
}

fn sysctls(
    context: &core::PodSecurityContext,
    spec: &core::PodSpec,
    at: &Field,
    out: &mut Findings,
) {
    let mut taken = BTreeSet::new();
    for (index, sysctl) in context.sysctls.iter().flatten().enumerate() {
        let at = at.index(index).child("name");
        let name = sysctl.name.as_str();
        if name.is_empty() {
            out.required(&at, "");
            continue;
        }
        if !names::is_sysctl(name) {
            let words = r"must have at most 253 characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$";
            out.invalid(&at, name, words);
            continue;
        }
        let dotted = dotted(name);
        if spec.host_network == Some(true) && dotted.starts_with("net.") {
            out.invalid(
                &at,
                name,
                "may not be specified when 'hostNetwork' is set to true",
            );
        }
        if spec.host_ipc == Some(true) && is_ipc(&dotted) {
            out.invalid(
                &at,
                name,
                "may not be specified when 'hostIPC' is set to true",
            );
        }
        if !taken.insert(dotted) {
            out.duplicate(&at, name);
        }
    }
}

/// The name with dots between its segments. Whichever of `.` and `/` comes first separates; the
/// other then stands for a dot inside a segment and is swapped.
fn dotted(name: &str) -> String {
    if name
        .find(['.', '/'])
        .is_none_or(|first| name.as_bytes()[first] == b'.')
    {
        return name.to_owned();
    }
    name.chars()
        .map(|c| match c {
            '/' => '.',
            '.' => '/',
            other => other,
        })
        .collect()
}

fn is_ipc(name: &str) -> bool {
    name == "kernel.sem"
        || ["kernel.shm", "kernel.msg", "fs.mqueue."]
            .iter()
            .any(|prefix| name.starts_with(prefix))
}
