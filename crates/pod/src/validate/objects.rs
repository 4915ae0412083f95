//! May this be a ConfigMap, a Secret, a Namespace, a ServiceAccount or an Event?

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1 as core;

use super::finding::{Field, Findings};
use super::{Invalid, metadata, names};

const DATA_MAX_BYTES: usize = 1 << 20;

/// Everything that is wrong with a ConfigMap.
#[must_use]
pub fn config_map(map: &core::ConfigMap) -> Vec<Invalid> {
    let mut out = Findings::default();
    metadata::check(&map.metadata, &mut out);
    let data = Field::root("data");
    let binary = map.binary_data.as_ref();
    let mut bytes = 0;
    for (key, value) in map.data.iter().flatten() {
        out.each(&data.key(key), key, names::data_key(key));
        if binary.is_some_and(|binary| binary.contains_key(key)) {
            out.invalid(
                &data.key(key),
                key,
                "duplicate of key present in binaryData",
            );
        }
        bytes += value.len();
    }
    let at = Field::root("binaryData");
    for (key, value) in binary.into_iter().flatten() {
        out.each(&at.key(key), key, names::data_key(key));
        bytes += value.0.len();
    }
    if bytes > DATA_MAX_BYTES {
        out.too_long(&data, DATA_MAX_BYTES);
    }
    out.found
}

/// Everything that is wrong with a Secret.
#[must_use]
pub fn secret(secret: &core::Secret) -> Vec<Invalid> {
    let mut out = Findings::default();
    metadata::check(&secret.metadata, &mut out);
    let mut bytes = 0;
    let data = Field::root("data");
    for (key, value) in secret.data.iter().flatten() {
        out.each(&data.key(key), key, names::data_key(key));
        bytes += value.0.len();
    }
    let text = Field::root("stringData");
    for (key, value) in secret.string_data.iter().flatten() {
        out.each(&text.key(key), key, names::data_key(key));
        bytes += value.len();
    }
    if bytes > DATA_MAX_BYTES {
        out.too_long(&data, DATA_MAX_BYTES);
    }
    secret_type(secret, &data, &mut out);
    out.found
}

/// What the types that Kubernetes knows must hold.
fn secret_type(secret: &core::Secret, data: &Field, out: &mut Findings) {
    let has = |key: &str| {
        let in_data = secret
            .data
            .as_ref()
            .is_some_and(|data| data.contains_key(key));
        let in_text = secret.string_data.as_ref();
        in_data || in_text.is_some_and(|text| text.contains_key(key))
    };
    let wanted: &[&str] = match secret.type_.as_deref().unwrap_or_default() {
        "kubernetes.io/dockercfg" => &[".dockercfg"],
        "kubernetes.io/dockerconfigjson" => &[".dockerconfigjson"],
        "kubernetes.io/ssh-auth" => &["ssh-privatekey"],
        "kubernetes.io/tls" => &["tls.crt", "tls.key"],
        "kubernetes.io/basic-auth" if !has("username") && !has("password") => {
            &["username", "password"]
        }
        _ => &[],
    };
    for key in wanted.iter().filter(|key| !has(key)) {
        out.required(&data.key(key), "");
    }
}

/// Everything that is wrong with a Namespace.
#[must_use]
pub fn namespace(namespace: &core::Namespace) -> Vec<Invalid> {
    let mut out = Findings::default();
    metadata::check(&namespace.metadata, &mut out);
    let at = Field::root("metadata");
    let name = namespace.metadata.name.as_deref().unwrap_or_default();
    // What is no subdomain was said to be none already.
    if !name.is_empty() && names::subdomain(name).is_empty() {
        out.each(&at.child("name"), name, names::label(name));
    }
    if namespace.metadata.namespace.is_some() {
        out.forbidden(&at.child("namespace"), "not allowed on this type");
    }
    out.found
}

/// Everything that is wrong with a ServiceAccount.
#[must_use]
pub fn service_account(account: &core::ServiceAccount) -> Vec<Invalid> {
    let mut out = Findings::default();
    metadata::check(&account.metadata, &mut out);
    out.found
}

/// Everything that is wrong with what people say of a Node.
#[must_use]
pub fn node(node: &core::Node) -> Vec<Invalid> {
    const DRAIN: &str =
        "nothing here evicts Pods because of a taint; use NoSchedule, and kubectl drain";
    let mut out = Findings::default();
    metadata::check(&node.metadata, &mut out);
    let at = Field::root("metadata").child("taints");
    let taints = node
        .spec
        .iter()
        .flat_map(|spec| spec.taints.iter().flatten());
    let mut seen = BTreeSet::new();
    for (index, taint) in taints.enumerate() {
        let at = at.index(index);
        out.each(&at.child("key"), &taint.key, names::qualified(&taint.key));
        let value = taint.value.as_deref().unwrap_or_default();
        out.each(&at.child("value"), value, names::label_value(value));
        let effects = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
        out.one_of(&at.child("effect"), &taint.effect, &effects);
        if taint.effect == "NoExecute" {
            out.forbidden(&at.child("effect"), DRAIN);
        }
        if !seen.insert((&taint.key, &taint.effect)) {
            out.duplicate(&at, format!("{}:{}", taint.key, taint.effect));
        }
    }
    out.found
}

/// Everything that is wrong with an Event.
#[must_use]
pub fn event(event: &core::Event) -> Vec<Invalid> {
    let mut out = Findings::default();
    metadata::check(&event.metadata, &mut out);
    let about = event
        .involved_object
        .namespace
        .as_deref()
        .unwrap_or_default();
    // What has no namespace, such as a Node, is told of in the default one.
    let told_in = if about.is_empty() { "default" } else { about };
    if event.metadata.namespace.as_deref() != Some(told_in) {
        let at = Field::root("involvedObject").child("namespace");
        out.invalid(&at, about, "does not match event.namespace");
    }
    out.found
}
