//! Which groups, versions and resources are there? What kubectl asks before anything else.

pub(crate) mod catalog;
#[cfg(test)]
mod tests;

use serde_json::{Value, json};

use self::catalog::{GROUPS, Group, Served, Sub};
use crate::{Answer, Document};

/// The version of Kubernetes whose API this is.
const MINOR: &str = "36";

/// The discovery or OpenAPI document at a path; `None` if there is none.
#[must_use]
pub fn answer(path: &str, accept: &str) -> Option<Answer> {
    let steps: Vec<&str> = path.split('/').filter(|step| !step.is_empty()).collect();
    let body = match steps.as_slice() {
        ["openapi", rest @ ..] => return crate::openapi::answer(rest, accept),
        [] => paths(),
        ["version"] => version(),
        ["api" | "apis"] => {
            if let Some(form) = aggregated(accept) {
                return Some(all(steps[0] == "api", form));
            }
            if steps[0] == "api" {
                core_versions()
            } else {
                group_list()
            }
        }
        ["api", "v1", "services"] | ["api", "v1", "namespaces", _, "services"] => {
            no_services(accept)
        }
        ["api", "v1"] => resources(GROUPS.iter().find(|group| group.name.is_empty())?),
        ["apis", name] => described(named(name)?),
        ["apis", name, version] => {
            resources(named(name).filter(|group| group.version == *version)?)
        }
        _ => return None,
    };
    Some(Answer::Object {
        status: 200,
        body: body.into(),
        warnings: Vec::new(),
    })
}

fn named(name: &str) -> Option<&'static Group> {
    GROUPS
        .iter()
        .find(|group| group.name == name && !name.is_empty())
}

/// `kubectl cluster-info` wants to know of Services, and so does `kubectl get all`, which names each line's
/// kind only if there are several. There are none.
fn no_services(accept: &str) -> Value {
    if accept.contains("as=Table") {
        return json!({
            "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": { "resourceVersion": "0" }, "rows": [],
            "columnDefinitions": [
                { "name": "Name", "type": "string", "format": "name", "description": "The Service's name.", "priority": 0 },
            ],
        });
    }
    json!({ "kind": "ServiceList", "apiVersion": "v1", "metadata": { "resourceVersion": "0" }, "items": [] })
}

/// `/version`
fn version() -> Value {
    let ours = env!("CARGO_PKG_VERSION");
    json!({
        "major": "1", "minor": MINOR, "gitVersion": format!("v1.{MINOR}.0-outrigger.{ours}"), "gitCommit": "",
        "gitTreeState": "clean", "buildDate": "1970-01-01T00:00:00Z", "goVersion": "", "compiler": "rustc",
        "platform": format!("linux/{}", architecture()),
    })
}

/// The architecture as Kubernetes' labels and versions name it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// `/`
fn paths() -> Value {
    let mut paths = vec!["/api".to_owned(), "/apis".to_owned()];
    for group in &GROUPS {
        if !group.name.is_empty() {
            paths.push(format!("/apis/{}", group.name));
        }
        paths.push(group.path());
    }
    let others = [
        "/healthz",
        "/livez",
        "/metrics",
        "/openapi/v3",
        "/readyz",
        "/version",
    ];
    paths.extend(others.map(str::to_owned));
    json!({ "paths": paths })
}

fn core_versions() -> Value {
    json!({
        "kind": "APIVersions", "versions": ["v1"],
        "serverAddressByClientCIDRs": [{ "clientCIDR": "0.0.0.0/0", "serverAddress": "" }],
    })
}

fn group_list() -> Value {
    let groups: Vec<Value> = GROUPS
        .iter()
        .filter(|group| !group.name.is_empty())
        .map(group_of)
        .collect();
    json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups })
}

fn group_of(group: &Group) -> Value {
    let version = json!({ "groupVersion": group.group_version(), "version": group.version });
    json!({ "name": group.name, "versions": [version], "preferredVersion": version })
}

fn described(group: &Group) -> Value {
    let mut described = group_of(group);
    described["kind"] = json!("APIGroup");
    described["apiVersion"] = json!("v1");
    described
}

/// The resources of a version, one after the other, parts of resources among them.
fn resources(group: &Group) -> Value {
    let mut resources = Vec::new();
    for served in group.resources {
        let mut resource = json!({
            "name": served.plural, "singularName": served.singular, "namespaced": served.is_namespaced,
            "kind": served.kind, "verbs": served.verbs,
        });
        if !served.short_names.is_empty() {
            resource["shortNames"] = json!(served.short_names);
        }
        if !served.categories.is_empty() {
            resource["categories"] = json!(served.categories);
        }
        resources.push(resource);
        for sub in served.subs {
            let mut part = json!({
                "name": format!("{}/{}", served.plural, sub.name), "singularName": "",
                "namespaced": served.is_namespaced, "kind": sub.kind, "verbs": sub.verbs,
            });
            if sub.group != group.name {
                part["group"] = json!(sub.group);
                part["version"] = json!(sub.version);
            }
            resources.push(part);
        }
    }
    json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group.group_version(), "resources": resources,
    })
}

/// Everything in one answer, which clients since 1.27 prefer.
#[derive(Clone, Copy)]
struct Aggregated {
    api_version: &'static str,
    content_type: &'static str,
}

/// The first form of aggregated discovery that a client takes, if it takes one before plain JSON.
fn aggregated(accept: &str) -> Option<Aggregated> {
    let forms = [
        Aggregated {
            api_version: "apidiscovery.k8s.io/v2",
            content_type: "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
        },
        Aggregated {
            api_version: "apidiscovery.k8s.io/v2beta1",
            content_type: "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList",
        },
    ];
    for wish in accept.split(',') {
        let has = |parameter: &str| wish.split(';').any(|one| one.trim() == parameter);
        if !has("application/json") {
            continue;
        }
        if !has("as=APIGroupDiscoveryList") {
            return None;
        }
        if let Some(form) = forms
            .into_iter()
            .find(|form| form.content_type.split(';').all(has))
        {
            return Some(form);
        }
    }
    None
}

fn all(is_core: bool, form: Aggregated) -> Answer {
    let items: Vec<Value> = GROUPS
        .iter()
        .filter(|group| group.name.is_empty() == is_core)
        .map(|group| {
            let resources: Vec<Value> = group
                .resources
                .iter()
                .map(|served| aggregated_resource(group, served))
                .collect();
            json!({
                "metadata": { "name": group.name, "creationTimestamp": null },
                "versions": [{ "version": group.version, "resources": resources, "freshness": "Current" }],
            })
        })
        .collect();
    let list = json!({
        "kind": "APIGroupDiscoveryList", "apiVersion": form.api_version, "metadata": {}, "items": items,
    });
    Answer::Document(Document::plain(
        form.content_type,
        list.to_string().into_bytes(),
    ))
}

fn aggregated_resource(group: &Group, served: &Served) -> Value {
    let mut resource = json!({
        "resource": served.plural, "singularResource": served.singular, "verbs": served.verbs,
        "scope": if served.is_namespaced { "Namespaced" } else { "Cluster" },
        "responseKind": { "group": group.name, "version": group.version, "kind": served.kind },
    });
    if !served.short_names.is_empty() {
        resource["shortNames"] = json!(served.short_names);
    }
    if !served.categories.is_empty() {
        resource["categories"] = json!(served.categories);
    }
    if !served.subs.is_empty() {
        let part = |sub: &Sub| {
            json!({
                "subresource": sub.name, "verbs": sub.verbs,
                "responseKind": { "group": sub.group, "version": sub.version, "kind": sub.kind },
            })
        };
        resource["subresources"] = served.subs.iter().map(part).collect();
    }
    resource
}
