//! May this be an object's name, namespace, uid, labels and annotations?

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::finding::{Field, Findings};
use super::names;

const ANNOTATIONS_MAX_BYTES: usize = 256 << 10;

pub(super) fn check(metadata: &ObjectMeta, out: &mut Findings) {
    let at = Field::root("metadata");
    match metadata.name.as_deref() {
        None | Some("") => out.required(&at.child("name"), "name or generateName is required"),
        Some(name) => out.each(&at.child("name"), name, names::subdomain(name)),
    }
    if let Some(namespace) = &metadata.namespace {
        out.each(&at.child("namespace"), namespace, names::label(namespace));
    }
    if let Some(uid) = metadata.uid.as_deref().filter(|uid| !uid.is_empty()) {
        out.each(&at.child("uid"), uid, names::uid(uid));
    }
    let labels = at.child("labels");
    for (key, value) in metadata.labels.iter().flatten() {
        out.each(&labels, key, names::qualified(key));
        out.each(&labels, value, names::label_value(value));
    }
    let annotations = at.child("annotations");
    let mut bytes = 0;
    for (key, value) in metadata.annotations.iter().flatten() {
        out.each(&annotations, key, names::qualified(&key.to_lowercase()));
        bytes += key.len() + value.len();
    }
    if bytes > ANNOTATIONS_MAX_BYTES {
        out.too_long(&annotations, ANNOTATIONS_MAX_BYTES);
    }
}
