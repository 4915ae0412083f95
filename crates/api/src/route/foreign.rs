//! What is said about things that Kubernetes has and this program has not?

use crate::{Failure, Reason, Resource};

/// What is known of `/api/v1` but not served.
const CORE: [&str; 10] = [
    "services",
    "endpoints",
    "replicationcontrollers",
    "persistentvolumes",
    "persistentvolumeclaims",
    "resourcequotas",
    "limitranges",
    "podtemplates",
    "componentstatuses",
    "bindings",
];

pub(super) fn no_such_path() -> Failure {
    Failure::new(
        Reason::NotFound,
        "the server could not find the requested resource",
    )
}

/// A kind of the core group that is not served.
pub(super) fn of_core(plural: &str) -> Failure {
    if CORE.contains(&plural) {
        not_ours(plural)
    } else {
        no_such_path()
    }
}

/// A kind of a group that is not served.
pub(super) fn of_group(group: &str, version: &str, plural: &str) -> Failure {
    // The path of a namespaced object begins with the word `namespaces`; the group says enough.
    match plural {
        "namespaces" | "watch" => not_ours(&format!("{group}/{version}")),
        plural => not_ours(&format!("{plural}.{group}")),
    }
}

/// A part of an object that is not served.
pub(super) fn of_part(resource: Resource, sub: &str) -> Failure {
    match (resource, sub) {
        (Resource::Pods | Resource::Nodes, "proxy") => Failure::new(
            Reason::NotFound,
            "Outrigger has no proxy to Pods or nodes; use `kubectl port-forward`",
        ),
        (Resource::ServiceAccounts, "token") => Failure::new(
            Reason::NotFound,
            "Outrigger makes no tokens for ServiceAccounts: its Pods have no API server to talk to",
        ),
        _ => no_such_path(),
    }
}

fn not_ours(what: &str) -> Failure {
    Failure::new(
        Reason::NotFound,
        format!(
            "{what}: Outrigger runs Pods on one machine and has no controllers: no Deployments, no Services, nothing \
             that watches over many Pods; create Pods, ConfigMaps and Secrets instead"
        ),
    )
}
