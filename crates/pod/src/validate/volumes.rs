//! May these be a Pod's volumes?

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1 as core;

use super::finding::{Field, Findings};
use super::{downward, names, paths};
use crate::quantity::Quantity;

const FIELDS: [&str; 5] = [
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
];

const HOST_PATH_TYPES: [&str; 8] = [
    "",
    "BlockDevice",
    "CharDevice",
    "Directory",
    "DirectoryOrCreate",
    "File",
    "FileOrCreate",
    "Socket",
];

pub(super) fn check(spec: &core::PodSpec, at: &Field, out: &mut Findings) {
    let mut taken = BTreeSet::new();
    for (index, volume) in spec.volumes.iter().flatten().enumerate() {
        let at = at.index(index);
        let at_name = at.child("name");
        if volume.name.is_empty() {
            out.required(&at_name, "");
        } else {
            out.each(&at_name, &volume.name, names::label(&volume.name));
            if !taken.insert(&volume.name) {
                out.duplicate(&at_name, &volume.name);
            }
        }
        // Every field but the name is a source.
        one_of_its_fields(volume, &["name"], "must specify a volume type", &at, out);
        source(volume, &at, out);
    }
}

/// Exactly one field of a union may be set, `beside` those that are no part of it.
fn one_of_its_fields(
    union: &impl serde::Serialize,
    beside: &[&str],
    missing: &str,
    at: &Field,
    out: &mut Findings,
) {
    let value = serde_json::to_value(union).unwrap_or_default();
    let fields = value
        .as_object()
        .into_iter()
        .flat_map(|object| object.keys());
    let fields: Vec<&String> = fields
        .filter(|name| !beside.contains(&name.as_str()))
        .collect();
    if fields.is_empty() {
        out.required(at, missing);
    }
    for extra in fields.iter().skip(1) {
        out.forbidden(&at.child(extra), "may not specify more than 1 volume type");
    }
}

fn source(volume: &core::Volume, at: &Field, out: &mut Findings) {
    if let Some(dir) = &volume.empty_dir {
        empty_dir(dir, &at.child("emptyDir"), out);
    }
    if let Some(host) = &volume.host_path {
        let at = at.child("hostPath");
        if host.path.is_empty() {
            out.required(&at.child("path"), "");
        } else {
            paths::no_backsteps(&host.path, &at.child("path"), out);
        }
        out.maybe_one_of(&at.child("type"), host.type_.as_deref(), &HOST_PATH_TYPES);
    }
    if let Some(secret) = &volume.secret {
        let at = at.child("secret");
        if secret.secret_name.as_deref().unwrap_or("").is_empty() {
            out.required(&at.child("secretName"), "");
        }
        paths::mode(secret.default_mode, &at.child("defaultMode"), out);
        keys(secret.items.as_deref(), &at.child("items"), out);
    }
    if let Some(map) = &volume.config_map {
        let at = at.child("configMap");
        if map.name.is_empty() {
            out.required(&at.child("name"), "");
        }
        paths::mode(map.default_mode, &at.child("defaultMode"), out);
        keys(map.items.as_deref(), &at.child("items"), out);
    }
    if let Some(api) = &volume.downward_api {
        let at = at.child("downwardAPI");
        paths::mode(api.default_mode, &at.child("defaultMode"), out);
        downward_files(api.items.as_deref(), &at.child("items"), out);
    }
    if let Some(projected) = &volume.projected {
        self::projected(projected, &at.child("projected"), out);
    }
    if let Some(image) = &volume.image {
        let at = at.child("image");
        if image.reference.as_deref().unwrap_or("").is_empty() {
            out.required(&at.child("reference"), "");
        }
        let policies = ["Always", "IfNotPresent", "Never"];
        out.maybe_one_of(
            &at.child("pullPolicy"),
            image.pull_policy.as_deref(),
            &policies,
        );
    }
}

fn empty_dir(dir: &core::EmptyDirVolumeSource, at: &Field, out: &mut Findings) {
    if let Some(text) = &dir.size_limit {
        match Quantity::parse(&text.0) {
            Err(error) => out.invalid(&at.child("sizeLimit"), &text.0, error),
            Ok(limit) if limit.is_negative() => {
                out.invalid(
                    &at.child("sizeLimit"),
                    &text.0,
                    "SizeLimit field must be a valid resource quantity",
                );
            }
            Ok(_) => {}
        }
    }
    let medium = dir.medium.as_deref().unwrap_or("");
    let page = medium.strip_prefix("HugePages-").map(Quantity::parse);
    if page.is_none_or(|page| page.is_err()) {
        out.one_of(&at.child("medium"), medium, &["", "HugePages", "Memory"]);
    }
}

fn keys(items: Option<&[core::KeyToPath]>, at: &Field, out: &mut Findings) {
    for (index, item) in items.unwrap_or_default().iter().enumerate() {
        let at = at.index(index);
        if item.key.is_empty() {
            out.required(&at.child("key"), "");
        }
        item_path(&item.path, &at, out);
        paths::mode(item.mode, &at.child("mode"), out);
    }
}

fn item_path(path: &str, at: &Field, out: &mut Findings) {
    if path.is_empty() {
        out.required(&at.child("path"), "");
    } else {
        paths::not_reserved(path, &at.child("path"), out);
    }
}

fn downward_files(items: Option<&[core::DownwardAPIVolumeFile]>, at: &Field, out: &mut Findings) {
    for (index, item) in items.unwrap_or_default().iter().enumerate() {
        let at = at.index(index);
        item_path(&item.path, &at, out);
        paths::mode(item.mode, &at.child("mode"), out);
        match (&item.field_ref, &item.resource_field_ref) {
            (Some(field), resource) => {
                downward::field_ref(field, &FIELDS, &at.child("fieldRef"), out);
                if resource.is_some() {
                    let words = "fieldRef and resourceFieldRef can not be specified simultaneously";
                    out.invalid(&at, "resource", words);
                }
            }
            (None, Some(resource)) => {
                downward::resource_ref(resource, true, &at.child("resourceFieldRef"), out);
            }
            (None, None) => {
                out.required(
                    &at.child("fieldRef"),
                    "one of fieldRef and resourceFieldRef is required",
                );
            }
        }
    }
}

fn projected(projected: &core::ProjectedVolumeSource, at: &Field, out: &mut Findings) {
    paths::mode(projected.default_mode, &at.child("defaultMode"), out);
    let mut taken = BTreeSet::new();
    let mut claim = |path: &str, at: &Field, out: &mut Findings| {
        if !path.is_empty() && !taken.insert(path.trim_matches('/').to_owned()) {
            out.invalid(at, path, "conflicting duplicate paths");
        }
    };
    for (index, source) in projected.sources.iter().flatten().enumerate() {
        let at = at.child("sources").index(index);
        one_of_its_fields(source, &[], "must specify a volume type", &at, out);
        for (at, path) in projection(source, &at, out) {
            claim(path, &at, out);
        }
    }
}

/// Checks one source and returns the files that it makes by explicit paths.
fn projection<'a>(
    source: &'a core::VolumeProjection,
    at: &Field,
    out: &mut Findings,
) -> Vec<(Field, &'a str)> {
    let mut files = Vec::new();
    let config_map = source
        .config_map
        .as_ref()
        .map(|map| ("configMap", &map.name, &map.items));
    let secret = source
        .secret
        .as_ref()
        .map(|secret| ("secret", &secret.name, &secret.items));
    for (word, name, items) in config_map.into_iter().chain(secret) {
        let at = at.child(word);
        if name.is_empty() {
            out.required(&at.child("name"), "");
        }
        keys(items.as_deref(), &at.child("items"), out);
        files.extend(
            items
                .iter()
                .flatten()
                .map(|item| (at.clone(), item.path.as_str())),
        );
    }
    if let Some(api) = &source.downward_api {
        let at = at.child("downwardAPI");
        downward_files(api.items.as_deref(), &at.child("items"), out);
        files.extend(
            api.items
                .iter()
                .flatten()
                .map(|item| (at.clone(), item.path.as_str())),
        );
    }
    if let Some(token) = &source.service_account_token {
        let at = at.child("serviceAccountToken");
        let seconds = token.expiration_seconds.unwrap_or(3600);
        if seconds < 600 {
            let words = "may not specify a duration less than 10 minutes";
            out.invalid(&at.child("expirationSeconds"), seconds, words);
        } else if seconds > 1 << 32 {
            let words = "may not specify a duration larger than 2^32 seconds";
            out.invalid(&at.child("expirationSeconds"), seconds, words);
        }
        item_path(&token.path, &at, out);
        files.push((at, &token.path));
    }
    files
}
