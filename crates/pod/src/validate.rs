//! Does a defaulted manifest keep Kubernetes' rules, and where not?
//!
//! The words are those of Kubernetes' own field errors, so that whoever knows them from a cluster
//! knows them here. Each function reports everything at once.

mod containers;
mod downward;
mod env;
mod finding;
mod hooks;
mod metadata;
mod mounts;
mod names;
mod objects;
mod paths;
mod pod_scope;
mod ports;
mod probes;
mod resources;
mod restarts;
mod security;
mod volumes;

pub use objects::{config_map, secret};

use k8s_openapi::api::core::v1 as core;

use finding::{Field, Findings};

/// One rule that a manifest breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// Kubernetes' field path, such as `spec.containers[0].image`.
    pub path: String,
    /// What is wrong, in Kubernetes' words.
    pub message: String,
}

/// Everything that is wrong with a Pod; its manifest must have been defaulted before.
#[must_use]
pub fn pod(pod: &core::Pod) -> Vec<Invalid> {
    let mut out = Findings::default();
    metadata::check(&pod.metadata, &mut out);
    let at = Field::root("spec");
    let Some(spec) = &pod.spec else {
        out.required(&at, "");
        return out.found;
    };
    pod_scope::check(spec, &at, &mut out);
    containers::check(spec, &at, &mut out);
    volumes::check(spec, &at.child("volumes"), &mut out);
    resources::pod_level(spec, &at, &mut out);
    out.found
}

#[cfg(test)]
mod tests;
