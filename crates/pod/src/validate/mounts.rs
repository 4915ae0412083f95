//! May a container mount these volumes there?

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1 as core;

use super::containers::Role;
use super::finding::{Field, Findings};
use super::paths;

pub(super) fn check(container: &core::Container, role: Role<'_>, at: &Field, out: &mut Findings) {
    let privileged = container
        .security_context
        .as_ref()
        .and_then(|sc| sc.privileged)
        == Some(true);
    let mut taken = BTreeSet::new();
    for (index, mount) in container.volume_mounts.iter().flatten().enumerate() {
        let at = at.child("volumeMounts").index(index);
        if mount.name.is_empty() {
            out.required(&at.child("name"), "");
        } else if !role.volumes.contains_key(mount.name.as_str()) {
            out.not_found(&at.child("name"), &mount.name);
        }
        let at_path = at.child("mountPath");
        if mount.mount_path.is_empty() {
            out.required(&at_path, "");
        } else if !taken.insert(&mount.mount_path) {
            out.invalid(&at_path, &mount.mount_path, "must be unique");
        }
        paths::no_nul(&mount.mount_path, &at_path, out);
        sub_paths(mount, &at, out);
        propagation(mount, privileged, &at, out);
        recursive(mount, &at, out);
    }
}

fn sub_paths(mount: &core::VolumeMount, at: &Field, out: &mut Findings) {
    let path = mount.sub_path.as_deref().unwrap_or("");
    let expression = mount.sub_path_expr.as_deref().unwrap_or("");
    if !path.is_empty() {
        paths::descending(path, &at.child("subPath"), out);
    }
    if !expression.is_empty() {
        if !path.is_empty() {
            let words = "subPathExpr and subPath are mutually exclusive";
            out.invalid(&at.child("subPathExpr"), expression, words);
        }
        paths::descending(expression, &at.child("subPathExpr"), out);
    }
}

fn propagation(mount: &core::VolumeMount, privileged: bool, at: &Field, out: &mut Findings) {
    let at = at.child("mountPropagation");
    let propagation = mount.mount_propagation.as_deref();
    out.maybe_one_of(
        &at,
        propagation,
        &["Bidirectional", "HostToContainer", "None"],
    );
    if propagation == Some("Bidirectional") && !privileged {
        let words = "Bidirectional mount propagation is available only to privileged containers";
        out.forbidden(&at, words);
    }
}

fn recursive(mount: &core::VolumeMount, at: &Field, out: &mut Findings) {
    let at = at.child("recursiveReadOnly");
    let mode = mount.recursive_read_only.as_deref();
    out.maybe_one_of(&at, mode, &["Disabled", "Enabled", "IfPossible"]);
    if !matches!(mode, Some("Enabled" | "IfPossible")) {
        return;
    }
    if mount.read_only != Some(true) {
        out.forbidden(&at, "may only be specified when readOnly is true");
    }
    if !matches!(mount.mount_propagation.as_deref(), None | Some("" | "None")) {
        out.forbidden(
            &at,
            "may only be specified when mountPropagation is None or not specified",
        );
    }
}
