//! Does a defaulted manifest keep Kubernetes' rules, and where not?
//!
//! The words are those of Kubernetes' own field errors, so that whoever knows them from a cluster
//! knows them here. Each function reports everything at once.

mod containers;
mod downward;
mod env;
mod ephemeral;
mod finding;
mod hooks;
mod metadata;
mod mounts;
mod names;
mod objects;
mod paths;
mod placement;
mod pod_scope;
mod ports;
mod probes;
mod resources;
mod restarts;
mod security;
mod volumes;

pub(crate) use finding::{Field, Findings};
pub use objects::{config_map, event, namespace, node, secret, service_account};

use k8s_openapi::api::core::v1 as core;

/// One rule that a manifest breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// Kubernetes' field path, such as `spec.containers[0].image`.
    pub path: String,
    /// Which kind of rule it is.
    pub kind: InvalidKind,
    /// What is wrong, in Kubernetes' words.
    pub message: String,
}

impl std::fmt::Display for Invalid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

/// Which kind of rule a value breaks, by which programs tell the causes of an error apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InvalidKind {
    /// A field that must be there is missing or empty.
    Required,
    /// A value breaks a rule.
    Invalid,
    /// A value that must be unique occurs again.
    Duplicate,
    /// A value is none of those allowed.
    NotSupported,
    /// A field may not be set, or not be changed.
    Forbidden,
    /// A value refers to something that is not there.
    NotFound,
    /// A list is too long.
    TooMany,
    /// A text is too long.
    TooLong,
    /// A value is of another type.
    TypeInvalid,
    /// So many rules more are broken, of which nothing else is told.
    More(usize),
}

impl InvalidKind {
    /// As `Status.details.causes[].reason` spells it.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            InvalidKind::Required => "FieldValueRequired",
            InvalidKind::Invalid => "FieldValueInvalid",
            InvalidKind::Duplicate => "FieldValueDuplicate",
            InvalidKind::NotSupported => "FieldValueNotSupported",
            InvalidKind::Forbidden => "FieldValueForbidden",
            InvalidKind::NotFound => "FieldValueNotFound",
            InvalidKind::TooMany | InvalidKind::More(_) => "FieldValueTooMany",
            InvalidKind::TooLong => "FieldValueTooLong",
            InvalidKind::TypeInvalid => "FieldValueTypeInvalid",
        }
    }

    /// The words that each message of this kind begins with.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            InvalidKind::Required => "Required value",
            InvalidKind::Invalid | InvalidKind::TypeInvalid => "Invalid value",
            InvalidKind::Duplicate => "Duplicate value",
            InvalidKind::NotSupported => "Unsupported value",
            InvalidKind::Forbidden => "Forbidden",
            InvalidKind::NotFound => "Not found",
            InvalidKind::TooMany | InvalidKind::More(_) => "Too many",
            InvalidKind::TooLong => "Too long",
        }
    }
}

/// Everything that is wrong with a new Pod; its manifest must have been defaulted before.
#[must_use]
pub fn pod(pod: &core::Pod) -> Vec<Invalid> {
    let mut out = Findings {
        found: accepted_pod(pod),
    };
    // These come to a Pod that runs, by a request of their own.
    let ephemeral = pod
        .spec
        .as_ref()
        .and_then(|spec| spec.ephemeral_containers.as_ref());
    if ephemeral.is_some_and(|list| !list.is_empty()) {
        let at = Field::root("spec").child("ephemeralContainers");
        out.found.retain(|one| !one.path.starts_with(at.path()));
        out.forbidden(&at, "cannot be set on create");
    }
    out.found
}

/// Everything that is wrong with a Pod that was accepted before and may have got ephemeral
/// containers since; its manifest must have been defaulted before.
#[must_use]
pub fn accepted_pod(pod: &core::Pod) -> Vec<Invalid> {
    let mut out = Findings::default();
    metadata::check(&pod.metadata, &mut out);
    let at = Field::root("spec");
    let Some(spec) = &pod.spec else {
        out.required(&at, "");
        return out.found;
    };
    pod_scope::check(spec, &at, &mut out);
    placement::check(spec, &at, &mut out);
    containers::check(spec, &at, &mut out);
    ephemeral::check(spec, &at, &mut out);
    volumes::check(spec, &at.child("volumes"), &mut out);
    resources::pod_level(spec, &at, &mut out);
    out.found
}

#[cfg(test)]
mod tests;
