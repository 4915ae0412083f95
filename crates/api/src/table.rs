//! What are the rows that `kubectl get` prints? The server writes them: cells in the columns of a kind.

mod kinds;
mod pod;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use crate::Resource;

/// What each row carries beside its cells (`includeObject`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Include {
    /// Nothing.
    None,
    /// The object's metadata.
    #[default]
    Metadata,
    /// All of it.
    Object,
}

impl Include {
    /// The query parameter `includeObject`; `None` if there is no such word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Include> {
        match text {
            "None" => Some(Include::None),
            "" | "Metadata" => Some(Include::Metadata),
            "Object" => Some(Include::Object),
            _ => None,
        }
    }
}

/// What kind of objects the rows are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Objects that are kept.
    Kept(Resource),
    /// `metrics.k8s.io` NodeMetrics
    NodeMetrics,
    /// `metrics.k8s.io` PodMetrics
    PodMetrics,
}

impl From<Resource> for Shown {
    fn from(resource: Resource) -> Shown {
        Shown::Kept(resource)
    }
}

/// A `Table` of objects; `list_meta` is the metadata of the list that it stands for. A watch sends tables
/// of one row, all but the first without headers; its bookmarks are tables of none.
#[must_use]
pub fn table(
    shown: impl Into<Shown>,
    objects: &[Arc<Value>],
    list_meta: Value,
    include: Include,
    now: Timestamp,
    no_headers: bool,
) -> Value {
    let shown = shown.into();
    let rows: Vec<Value> = objects
        .iter()
        .map(|object| row(shown, object, include, now))
        .collect();
    let columns = if no_headers {
        Value::Array(Vec::new())
    } else {
        headers(shown)
    };
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": list_meta,
        "columnDefinitions": columns, "rows": rows,
    })
}

/// The table of one object, with its version, as a `get` or a watch answers it.
#[must_use]
pub fn table_of_one(
    shown: impl Into<Shown>,
    object: &Arc<Value>,
    include: Include,
    now: Timestamp,
    no_headers: bool,
) -> Value {
    let version = object.pointer("/metadata/resourceVersion");
    let meta = version.map_or_else(
        || json!({}),
        |version| json!({ "resourceVersion": version }),
    );
    table(
        shown,
        std::slice::from_ref(object),
        meta,
        include,
        now,
        no_headers,
    )
}

/// An object's metadata alone: `as=PartialObjectMetadata`.
#[must_use]
pub fn partial(object: &Value) -> Value {
    json!({
        "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
        "metadata": object.get("metadata").cloned().unwrap_or_else(|| json!({})),
    })
}

fn row(shown: Shown, object: &Arc<Value>, include: Include, now: Timestamp) -> Value {
    let cells = match shown {
        Shown::Kept(Resource::Pods) => pod::cells(object, now),
        Shown::Kept(Resource::ConfigMaps) => kinds::config_map(object, now),
        Shown::Kept(Resource::Secrets) => kinds::secret(object, now),
        Shown::Kept(Resource::Events) => kinds::event(object, now),
        Shown::Kept(Resource::Namespaces) => kinds::namespace(object, now),
        Shown::Kept(Resource::Nodes) => kinds::node(object, now),
        Shown::Kept(Resource::ServiceAccounts) => kinds::service_account(object, now),
        Shown::NodeMetrics => kinds::node_metrics(object),
        Shown::PodMetrics => kinds::pod_metrics(object),
    };
    let mut row = json!({ "cells": cells });
    if shown == Shown::Kept(Resource::Pods)
        && let Some(condition) = pod::row_condition(object)
    {
        row["conditions"] = json!([condition]);
    }
    match include {
        Include::None => {}
        Include::Metadata => row["object"] = partial(object),
        Include::Object => row["object"] = Value::clone(object),
    }
    row
}

/// A column: name, type, priority (1: only with `-o wide`), and what it says.
type Column = (&'static str, &'static str, u8, &'static str);

const NAME: Column = ("Name", "string", 0, "The name of the object.");
const AGE: Column = ("Age", "string", 0, "Time since the object was created.");

fn headers(shown: Shown) -> Value {
    let columns: &[Column] = match shown {
        Shown::Kept(Resource::Pods) => &POD,
        Shown::Kept(Resource::ConfigMaps) => {
            &[NAME, ("Data", "string", 0, "The number of keys."), AGE]
        }
        Shown::Kept(Resource::Secrets) => &[
            NAME,
            ("Type", "string", 0, "What kind of secret it is."),
            ("Data", "string", 0, "The number of keys."),
            AGE,
        ],
        Shown::Kept(Resource::Events) => &EVENT,
        Shown::Kept(Resource::Namespaces) => &[
            NAME,
            (
                "Status",
                "string",
                0,
                "Whether the namespace is active or terminating.",
            ),
            AGE,
        ],
        Shown::Kept(Resource::Nodes) => &NODE,
        Shown::Kept(Resource::ServiceAccounts) => &[
            NAME,
            ("Secrets", "string", 0, "The number of secrets."),
            AGE,
        ],
        Shown::NodeMetrics | Shown::PodMetrics => &[
            NAME,
            ("cpu", "string", 0, "Processor time used."),
            ("memory", "string", 0, "Memory used."),
            ("Window", "string", 0, "Over which time it was measured."),
        ],
    };
    columns
        .iter()
        .map(|(name, kind, priority, description)| {
            let format = if *name == "Name" && *priority == 0 { "name" } else { "" };
            json!({
                "name": name, "type": kind, "format": format, "description": description, "priority": priority,
            })
        })
        .collect()
}

const POD: [Column; 9] = [
    NAME,
    (
        "Ready",
        "string",
        0,
        "How many containers are ready, of how many that stay.",
    ),
    (
        "Status",
        "string",
        0,
        "The state of the Pod's containers in one word.",
    ),
    (
        "Restarts",
        "string",
        0,
        "How often containers were restarted, and when last.",
    ),
    AGE,
    ("IP", "string", 1, "The Pod's address."),
    ("Node", "string", 1, "The node on which the Pod runs."),
    (
        "Nominated Node",
        "string",
        1,
        "The node that is being cleared for the Pod.",
    ),
    (
        "Readiness Gates",
        "string",
        1,
        "How many readiness gates are true, of how many.",
    ),
];

const EVENT: [Column; 10] = [
    ("Last Seen", "string", 0, "When it happened last."),
    ("Type", "string", 0, "Normal or Warning."),
    ("Reason", "string", 0, "What happened, in one word."),
    ("Object", "string", 0, "To what it happened."),
    ("Subobject", "string", 1, "To which part of it."),
    ("Source", "string", 1, "Who says so."),
    ("Message", "string", 0, "What happened."),
    ("First Seen", "string", 1, "When it happened first."),
    ("Count", "string", 1, "How often it happened."),
    ("Name", "string", 1, "The name of the event."),
];

const NODE: [Column; 10] = [
    NAME,
    ("Status", "string", 0, "Whether the node is ready."),
    ("Roles", "string", 0, "The roles of the node."),
    AGE,
    ("Version", "string", 0, "The version of the node's agent."),
    ("Internal-IP", "string", 1, "The node's address inside."),
    ("External-IP", "string", 1, "The node's address outside."),
    ("OS-Image", "string", 1, "The operating system."),
    ("Kernel-Version", "string", 1, "The kernel."),
    (
        "Container-Runtime",
        "string",
        1,
        "What runs the containers.",
    ),
];

/// The text at a path of names; empty if there is none.
fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// The list at a path of names; empty if there is none.
fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value
        .pointer(pointer)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// How many keys the map at a path of names has.
fn count(value: &Value, pointer: &str) -> usize {
    value
        .pointer(pointer)
        .and_then(Value::as_object)
        .map_or(0, serde_json::Map::len)
}

/// The text, or what stands for none.
fn or<'a>(text: &'a str, none: &'a str) -> &'a str {
    if text.is_empty() { none } else { text }
}

/// The age of an object.
fn age(object: &Value, now: Timestamp) -> String {
    crate::age::since(
        object
            .pointer("/metadata/creationTimestamp")
            .and_then(Value::as_str),
        now,
    )
}
