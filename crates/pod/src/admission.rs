//! May this object be kept, may that one replace it, and what does it look like then?
//!
//! The rules of an API server without the server: bodies become typed objects ([`decode`]), new
//! Pods are defaulted, validated and lowered ([`create`]), and a Pod that is there is replaced only
//! as far as Kubernetes allows ([`update`], [`update_ephemeral`], [`resize`]). Everything is pure;
//! names, uids, times and versions are given by the caller.

mod changes;
mod decode;
mod metadata;
mod objects;
mod resize;
mod update;

use std::collections::HashSet;

use k8s_openapi::api::core::v1 as core;

use crate::support::{self, Support};
use crate::validate::{self, Field, Findings, Invalid};
use crate::{Pod, defaults, lower, manifest, resources};

pub use decode::{
    Decodable, DecodeError, Decoded, FieldValidation, Object, decode, decode_as, decode_value,
};
pub use objects::{config_map, event, namespace, node, secret, service_account};
pub use resize::resize;
pub use update::{update, update_ephemeral};

/// A Pod that may be kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Admitted {
    /// The Pod as the rest of the program sees it.
    pub pod: Pod,
    /// The object to keep, defaulted; a new one with its first status.
    pub object: core::Pod,
    /// What is accepted and has no effect, for `Warning` headers.
    pub warnings: Vec<String>,
}

/// Admits a new Pod: defaults, validation, and what this program does not do.
///
/// `metadata.uid` must have been given. What the caller fills in himself and a client should not be
/// warned of, such as `spec.nodeName`, is better filled in afterwards.
///
/// # Errors
/// Every rule that the Pod breaks.
pub fn create(mut object: core::Pod) -> Result<Admitted, Vec<Invalid>> {
    object.status = None;
    object.metadata.deletion_timestamp = None;
    object.metadata.deletion_grace_period_seconds = None;
    let mut warnings = Vec::new();
    if !defaults::drop_token_volumes(&mut object).is_empty() {
        warnings.push(
            "spec.volumes is ignored: the token volume that a cluster adds is left out".to_owned(),
        );
    }
    let verdict = judge(&object);
    defaults::pod(&mut object);
    let mut out = Findings {
        found: validate::pod(&object),
    };
    uid_is_there(&object, &mut out);
    let mut told = paths(&out.found);
    for (path, why) in verdict.refused {
        if told.insert(path.clone()) {
            out.forbidden(&Field::root(&path), why);
        }
    }
    if !out.found.is_empty() {
        return Err(out.found);
    }
    let pod = lowered(&object)?;
    let class = object.spec.as_ref().map(|spec| resources::qos(spec).word());
    object.status = Some(core::PodStatus {
        phase: Some("Pending".to_owned()),
        qos_class: class.map(str::to_owned),
        ..Default::default()
    });
    warnings.extend(warned(verdict.ignored.iter()));
    Ok(Admitted {
        pod,
        object,
        warnings,
    })
}

/// Reads a Pod that was admitted before, in whatever state it is: one from the store, or from a
/// record of an earlier run.
///
/// # Errors
/// Every rule that it breaks, which can be only if an earlier version had other rules.
pub fn stored(mut object: core::Pod) -> Result<Pod, Vec<Invalid>> {
    defaults::pod(&mut object);
    let mut out = Findings {
        found: validate::accepted_pod(&object),
    };
    uid_is_there(&object, &mut out);
    if out.found.is_empty() {
        lowered(&object)
    } else {
        Err(out.found)
    }
}

/// Whether the Pod stands in the folder of manifests, so that only its file can change it.
#[must_use]
pub fn is_static(object: &core::Pod) -> bool {
    let annotations = object.metadata.annotations.as_ref();
    let source = annotations.and_then(|all| all.get("kubernetes.io/config.source"));
    source.is_some_and(|source| source == "file")
}

fn uid_is_there(object: &core::Pod, out: &mut Findings) {
    if object.metadata.uid.as_deref().unwrap_or("").is_empty() {
        out.required(&Field::root("metadata").child("uid"), "");
    }
}

/// The Pod without what changes while its definition stays the same.
fn lowered(object: &core::Pod) -> Result<Pod, Vec<Invalid>> {
    let mut manifest = object.clone();
    manifest.status = None;
    manifest.metadata.managed_fields = None;
    manifest.metadata.resource_version = None;
    lower::pod(manifest)
}

/// A field that has no effect.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Ignored {
    path: String,
    why: &'static str,
}

impl std::fmt::Display for Ignored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} is ignored: {}", self.path, self.why)
    }
}

/// No more warnings than that are told; the others are counted.
const MOST_WARNINGS: usize = 100;

fn warned<'a>(ignored: impl Iterator<Item = &'a Ignored>) -> Vec<String> {
    let mut ignored = ignored.fuse();
    let told = ignored.by_ref().take(MOST_WARNINGS);
    let mut warnings: Vec<String> = told.map(Ignored::to_string).collect();
    let more = ignored.count();
    if more > 0 {
        warnings.push(format!("and {more} more fields are ignored"));
    }
    warnings
}

fn paths(found: &[Invalid]) -> HashSet<String> {
    found.iter().map(|one| one.path.clone()).collect()
}

/// What becomes of the fields of a Pod that are not honoured.
#[derive(Debug, Default)]
struct Verdict {
    ignored: Vec<Ignored>,
    refused: Vec<(String, &'static str)>,
}

fn judge(object: &core::Pod) -> Verdict {
    let mut verdict = Verdict::default();
    let value = serde_json::to_value(object).unwrap_or_default();
    let Ok(node) = manifest::of_value(&value) else {
        return verdict;
    };
    for field in support::fields("", &node, object) {
        match field.support {
            Support::Honoured | Support::ByDaemon(_) | Support::Bookkeeping => {}
            Support::Ignored(why) => verdict.ignored.push(Ignored {
                path: field.path,
                why,
            }),
            Support::Refused(why) => verdict.refused.push((field.path, why)),
        }
    }
    verdict
}

/// Admits what replaces `old`; `out` holds what was found wrong with the change itself.
fn replaced(
    old: &core::Pod,
    object: core::Pod,
    mut out: Findings,
) -> Result<Admitted, Vec<Invalid>> {
    let before = judge(old);
    let verdict = judge(&object);
    let mut told = paths(&out.found);
    told.extend(before.refused.iter().map(|(path, _)| path.clone()));
    for (path, why) in verdict.refused {
        if told.insert(path.clone()) {
            out.forbidden(&Field::root(&path), why);
        }
    }
    if !out.found.is_empty() {
        return Err(out.found);
    }
    // What was said when it came need not be said each time.
    let known: HashSet<&Ignored> = before.ignored.iter().collect();
    let news = verdict.ignored.iter().filter(|one| !known.contains(one));
    Ok(Admitted {
        pod: lowered(&object)?,
        warnings: warned(news),
        object,
    })
}

#[cfg(test)]
mod tests;
