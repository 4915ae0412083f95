//! May this be a ConfigMap or a Secret?

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
    out.found
}
