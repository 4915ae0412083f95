//! May these be a container's environment variables?

use k8s_openapi::api::core::v1 as core;

use super::containers::{Role, Volumes};
use super::finding::{Field, Findings};
use super::{downward, names, paths};

const FIELDS: [&str; 9] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];

const ONE_SOURCE: &str = "may not have more than one field specified at a time";

pub(super) fn check(container: &core::Container, role: Role<'_>, at: &Field, out: &mut Findings) {
    for (index, variable) in container.env.iter().flatten().enumerate() {
        let at = at.child("env").index(index);
        if variable.name.is_empty() {
            out.required(&at.child("name"), "");
        } else {
            out.each(
                &at.child("name"),
                &variable.name,
                names::env(&variable.name),
            );
        }
        if let Some(source) = &variable.value_from {
            let literal = variable.value.as_deref().unwrap_or("");
            value_from(source, literal, role.volumes, &at.child("valueFrom"), out);
        }
    }
    for (index, source) in container.env_from.iter().flatten().enumerate() {
        env_from(source, &at.child("envFrom").index(index), out);
    }
}

fn value_from(
    source: &core::EnvVarSource,
    literal: &str,
    volumes: &Volumes<'_>,
    at: &Field,
    out: &mut Findings,
) {
    let mut count = 0;
    if let Some(field) = &source.field_ref {
        count += 1;
        downward::field_ref(field, &FIELDS, &at.child("fieldRef"), out);
    }
    if let Some(selector) = &source.resource_field_ref {
        count += 1;
        downward::resource_ref(selector, false, &at.child("resourceFieldRef"), out);
    }
    if let Some(selector) = &source.config_map_key_ref {
        count += 1;
        key_ref(
            &selector.name,
            &selector.key,
            &at.child("configMapKeyRef"),
            out,
        );
    }
    if let Some(selector) = &source.secret_key_ref {
        count += 1;
        key_ref(
            &selector.name,
            &selector.key,
            &at.child("secretKeyRef"),
            out,
        );
    }
    if let Some(selector) = &source.file_key_ref {
        count += 1;
        file_key_ref(selector, volumes, &at.child("fileKeyRef"), out);
    }
    if count == 0 {
        let words = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`";
        out.invalid(at, "", words);
    } else if !literal.is_empty() {
        out.invalid(at, "", "may not be specified when `value` is not empty");
    } else if count > 1 {
        out.invalid(at, "", ONE_SOURCE);
    }
}

fn key_ref(name: &str, key: &str, at: &Field, out: &mut Findings) {
    if name.is_empty() {
        out.required(&at.child("name"), "");
    }
    if key.is_empty() {
        out.required(&at.child("key"), "");
    } else {
        out.each(&at.child("key"), key, names::data_key(key));
    }
}

fn file_key_ref(
    selector: &core::FileKeySelector,
    volumes: &Volumes<'_>,
    at: &Field,
    out: &mut Findings,
) {
    if selector.key.is_empty() {
        out.required(&at.child("key"), "");
    } else {
        out.each(&at.child("key"), &selector.key, names::env(&selector.key));
    }
    if selector.path.is_empty() {
        out.required(&at.child("path"), "");
    } else {
        paths::not_reserved(&selector.path, &at.child("path"), out);
    }
    let at = at.child("volumeName");
    if selector.volume_name.is_empty() {
        out.required(&at, "");
        return;
    }
    match volumes.get(selector.volume_name.as_str()) {
        None => out.not_found(&at, &selector.volume_name),
        Some(volume) if volume.empty_dir.is_none() => {
            out.invalid(
                &at,
                &selector.volume_name,
                "referenced volume must be of type emptyDir",
            );
        }
        Some(_) => {}
    }
}

fn env_from(source: &core::EnvFromSource, at: &Field, out: &mut Findings) {
    if let Some(prefix) = source.prefix.as_deref().filter(|prefix| !prefix.is_empty()) {
        out.each(&at.child("prefix"), prefix, names::env(prefix));
    }
    let config_map = source
        .config_map_ref
        .as_ref()
        .map(|from| ("configMapRef", &from.name));
    let secret = source
        .secret_ref
        .as_ref()
        .map(|from| ("secretRef", &from.name));
    for (word, name) in config_map.iter().chain(&secret) {
        let at = at.child(word).child("name");
        if name.is_empty() {
            out.required(&at, "");
        } else {
            out.each(&at, name, names::subdomain(name));
        }
    }
    match (config_map, secret) {
        (None, None) => out.invalid(at, "", "must specify one of: `configMapRef` or `secretRef`"),
        (Some(_), Some(_)) => out.invalid(at, "", ONE_SOURCE),
        _ => {}
    }
}
