//! May a container or volume ask for this field of its own Pod?

use k8s_openapi::api::core::v1 as core;

use super::finding::{Field, Findings};
use super::names;
use crate::quantity::Quantity;

/// Fields that exist, whether or not they are allowed at a given place.
const KNOWN: [&str; 13] = [
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];

pub(super) fn field_ref(
    field: &core::ObjectFieldSelector,
    allowed: &[&str],
    at: &Field,
    out: &mut Findings,
) {
    match field.api_version.as_deref() {
        None | Some("") => out.required(&at.child("apiVersion"), ""),
        Some("v1") => {}
        Some(version) => out.one_of(&at.child("apiVersion"), version, &["v1"]),
    }
    let at = at.child("fieldPath");
    let path = field.field_path.as_str();
    if path.is_empty() {
        out.required(&at, "");
        return;
    }
    let keyed = path
        .strip_suffix("']")
        .and_then(|path| path.split_once("['"));
    match keyed {
        Some(("metadata.annotations", key)) => {
            out.each(&at, key, names::qualified(&key.to_lowercase()));
        }
        Some(("metadata.labels", key)) => out.each(&at, key, names::qualified(key)),
        None if KNOWN.contains(&path) || path == "status.phase" => out.one_of(&at, path, allowed),
        _ => {
            out.invalid(
                &at,
                path,
                format_args!("error converting fieldPath: field label not supported: {path}"),
            );
        }
    }
}

const CPU_DIVISORS: [&str; 2] = ["1m", "1"];
const BYTE_DIVISORS: [&str; 13] = [
    "1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei",
];

pub(super) fn resource_ref(
    selector: &core::ResourceFieldSelector,
    in_volume: bool,
    at: &Field,
    out: &mut Findings,
) {
    if in_volume && selector.container_name.as_deref().unwrap_or("").is_empty() {
        out.required(&at.child("containerName"), "");
    }
    let resource = selector.resource.as_str();
    let at_resource = at.child("resource");
    let name = match resource.split_once('.') {
        Some(("limits" | "requests", name)) => name,
        _ => resource,
    };
    if resource.is_empty() {
        out.required(&at_resource, "");
        return;
    }
    if !(name != resource && name.starts_with("hugepages-")) {
        let allowed = [
            "limits.cpu",
            "limits.ephemeral-storage",
            "limits.memory",
            "requests.cpu",
            "requests.ephemeral-storage",
            "requests.memory",
        ];
        out.one_of(&at_resource, resource, &allowed);
    }
    let Some(text) = &selector.divisor else {
        return;
    };
    let at = at.child("divisor");
    let divisor = match Quantity::parse(&text.0) {
        Err(error) => return out.invalid(&at, &text.0, error),
        Ok(divisor) if divisor.is_zero() => return,
        Ok(divisor) => divisor.to_string(),
    };
    let (allowed, words, shown) = match name {
        "cpu" => (&CPU_DIVISORS[..], "1m and 1".to_owned(), "cpu"),
        "memory" => (&BYTE_DIVISORS[..], BYTE_DIVISORS.join(", "), "memory"),
        "ephemeral-storage" => (
            &BYTE_DIVISORS[..],
            BYTE_DIVISORS.join(", "),
            "local ephemeral storage",
        ),
        _ => (&BYTE_DIVISORS[..], BYTE_DIVISORS.join(", "), "hugepages"),
    };
    if !allowed.contains(&divisor.as_str()) {
        let words =
            format!("only divisor's values {words} are supported with the {shown} resource");
        out.invalid(&at, resource, words);
    }
}
