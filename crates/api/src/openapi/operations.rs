//! The paths, with what can be done there. kubectl reads from them whether a kind can be validated by the server.

use serde_json::{Map, Value, json};

use super::schemas::{kind, name_of, reference};
use crate::discovery::catalog::{Group, Served};

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";

const PATCHES: [&str; 4] = [
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
];

/// All paths of a group.
pub(super) fn paths(group: &Group) -> Value {
    let mut paths = Map::new();
    for served in group.resources {
        let home = if served.is_namespaced {
            format!(
                "{}/namespaces/{{namespace}}/{}",
                group.path(),
                served.plural
            )
        } else {
            format!("{}/{}", group.path(), served.plural)
        };
        let can = |verb: &str| served.verbs.contains(&verb);
        let of = |verbs: &[(&str, &str, &str)]| -> Map<String, Value> {
            verbs
                .iter()
                .filter(|(verb, _, _)| can(verb))
                .map(|(_, method, action)| {
                    (
                        (*method).to_owned(),
                        operation(group, served, method, action),
                    )
                })
                .collect()
        };
        let mut collection = of(&[
            ("list", "get", "list"),
            ("create", "post", "post"),
            ("deletecollection", "delete", "deletecollection"),
        ]);
        let mut parameters = Vec::new();
        if served.is_namespaced {
            parameters.push(parameter("namespace", "path", "string"));
            if can("list") {
                let everywhere = of(&[("list", "get", "list")]);
                paths.insert(
                    format!("{}/{}", group.path(), served.plural),
                    Value::Object(everywhere),
                );
            }
        }
        collection.insert("parameters".to_owned(), json!(parameters));
        paths.insert(home.clone(), Value::Object(collection));
        let mut single = of(&[
            ("get", "get", "get"),
            ("update", "put", "put"),
            ("patch", "patch", "patch"),
            ("delete", "delete", "delete"),
        ]);
        if !single.is_empty() {
            parameters.push(parameter("name", "path", "string"));
            single.insert("parameters".to_owned(), json!(parameters));
            paths.insert(format!("{home}/{{name}}"), Value::Object(single));
        }
    }
    Value::Object(paths)
}

fn operation(group: &Group, served: &Served, method: &str, action: &str) -> Value {
    let own = reference(&name_of(group, served.kind));
    let answer = match action {
        "list" => reference(&format!("{}List", name_of(group, served.kind))),
        "deletecollection" => reference(&format!("{META}.Status")),
        _ => own.clone(),
    };
    let mut operation = json!({
        "operationId": format!("{action}{}{}", served.kind, group.version.to_uppercase()),
        "tags": [group.group_version()],
        "parameters": parameters(action),
        "responses": {
            "200": { "description": "OK", "content": { "application/json": { "schema": answer } } },
        },
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": kind(group, served.kind),
    });
    let body = match method {
        "post" | "put" => json!({ "application/json": { "schema": own } }),
        "delete" => {
            json!({ "application/json": { "schema": reference(&format!("{META}.DeleteOptions")) } })
        }
        "patch" => PATCHES
            .iter()
            .map(|media_type| {
                let schema = reference(&format!("{META}.Patch"));
                ((*media_type).to_owned(), json!({ "schema": schema }))
            })
            .collect(),
        _ => return operation,
    };
    operation["requestBody"] = json!({ "content": body, "required": method != "delete" });
    operation
}

fn parameters(action: &str) -> Value {
    let text = |name: &str| parameter(name, "query", "string");
    let number = |name: &str| parameter(name, "query", "integer");
    let flag = |name: &str| parameter(name, "query", "boolean");
    let parameters = match action {
        "list" => vec![
            flag("allowWatchBookmarks"),
            text("continue"),
            text("fieldSelector"),
            text("labelSelector"),
            number("limit"),
            text("resourceVersion"),
            text("resourceVersionMatch"),
            number("timeoutSeconds"),
            flag("watch"),
        ],
        "post" | "put" => vec![
            text("dryRun"),
            text("fieldManager"),
            text("fieldValidation"),
        ],
        "patch" => vec![
            text("dryRun"),
            text("fieldManager"),
            text("fieldValidation"),
            flag("force"),
        ],
        "delete" => vec![
            text("dryRun"),
            number("gracePeriodSeconds"),
            text("propagationPolicy"),
        ],
        "deletecollection" => vec![text("dryRun"), text("fieldSelector"), text("labelSelector")],
        _ => Vec::new(),
    };
    Value::Array(parameters)
}

fn parameter(name: &str, place: &str, kind: &str) -> Value {
    json!({ "name": name, "in": place, "required": place == "path", "schema": { "type": kind, "uniqueItems": true } })
}
