//! May these be the ephemeral containers of a Pod?

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1 as core;
use serde_json::Value;

use super::containers::{self, Role};
use super::finding::{Field, Findings};
use crate::container;

const WORDS: &str = "cannot be set for an Ephemeral Container";

/// All that one may have; a field that comes to containers is not theirs by default.
const ALLOWED: [&str; 17] = [
    "args",
    "command",
    "env",
    "envFrom",
    "image",
    "imagePullPolicy",
    "name",
    "securityContext",
    "stdin",
    "stdinOnce",
    "targetContainerName",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "tty",
    "volumeDevices",
    "volumeMounts",
    "workingDir",
];

pub(super) fn check(spec: &core::PodSpec, at: &Field, out: &mut Findings) {
    let inits = spec.init_containers.iter().flatten();
    let targets: BTreeSet<&str> = spec
        .containers
        .iter()
        .chain(inits)
        .map(|container| container.name.as_str())
        .collect();
    let mut taken = targets.clone();
    let role = Role {
        spec,
        volumes: &containers::volumes(spec),
        init: false,
        plain: false,
    };
    let list = at.child("ephemeralContainers");
    for (index, one) in spec.ephemeral_containers.iter().flatten().enumerate() {
        let at = list.index(index);
        containers::process(&container::of_ephemeral(one), role, &at, out);
        containers::unique_name(&one.name, &mut taken, &at.child("name"), out);
        let target = one.target_container_name.as_deref().unwrap_or("");
        if !target.is_empty() && !targets.contains(target) {
            out.not_found(&at.child("targetContainerName"), target);
        }
        only_allowed(one, &at, out);
    }
}

fn only_allowed(one: &core::EphemeralContainer, at: &Field, out: &mut Findings) {
    let fields = serde_json::to_value(one).unwrap_or_default();
    for (name, value) in fields.as_object().into_iter().flatten() {
        if !ALLOWED.contains(&name.as_str()) && !is_empty(value) {
            out.forbidden(&at.child(name), WORDS);
        }
    }
    // Mounts of a part of a volume stay until the Pod ends, and these containers come and go.
    for (index, mount) in one.volume_mounts.iter().flatten().enumerate() {
        let at = at.child("volumeMounts").index(index);
        for (word, path) in [
            ("subPath", &mount.sub_path),
            ("subPathExpr", &mount.sub_path_expr),
        ] {
            if path.as_deref().is_some_and(|path| !path.is_empty()) {
                out.forbidden(&at.child(word), WORDS);
            }
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}
