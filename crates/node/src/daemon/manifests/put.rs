//! How does an object that a file wants come into the store, and go?

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use outrigger_api::{Key, Resource, Store, StoreError, Write};
use serde_json::{Value, json};

use super::decide::{Action, is_ours};
use super::folder::Wanted;
use super::{FILE, HASH, MIRROR, SOURCE};
use crate::daemon::{node_object, words};

/// Carries out what was decided. It waits for the disk.
pub(super) fn carry_out(store: &Store, host: &str, action: Action) -> Result<(), String> {
    let written = match action {
        Action::Put { key, wanted } => node_object::ensure_namespace(store, &key.namespace)
            .and_then(|()| put(store, host, &key, *wanted)),
        Action::Delete { key } if key.resource == Resource::Pods => delete(store, &key),
        Action::Delete { key } => store
            .write(&key, |stored| {
                Ok(match stored {
                    Some(stored) if is_ours(&stored.object) => Write::Remove,
                    _ => Write::Keep,
                })
            })
            .map(drop),
        Action::Refuse { .. } => Ok(()),
    };
    written.map_err(|error| error.to_string())
}

fn put(store: &Store, host: &str, key: &Key, wanted: Wanted) -> Result<(), StoreError> {
    store
        .write(key, |stored| {
            let object = match stored {
                // Somebody made one of that name since we looked; the next look tells of it.
                Some(stored) if !is_ours(&stored.object) => return Ok(Write::Keep),
                Some(stored) if key.resource == Resource::Pods => {
                    let mut object = (*stored.object).clone();
                    annotate(&mut object, &wanted);
                    object
                }
                Some(stored) => fresh(wanted, Some(&stored.object), host),
                None => fresh(wanted, None, host),
            };
            Ok(Write::Durable(object))
        })
        .map(drop)
}

/// A new object, which keeps the identity of the one before it if there is one.
fn fresh(wanted: Wanted, before: Option<&Value>, host: &str) -> Value {
    let mut object = wanted.object.clone();
    annotate(&mut object, &wanted);
    let known = |field: &str| before.map(|before| before["metadata"][field].clone());
    let now = || json!(words::seconds(words::today()));
    object["metadata"]["uid"] = known("uid").unwrap_or_else(|| json!(crate::fresh_uid()));
    object["metadata"]["creationTimestamp"] = known("creationTimestamp").unwrap_or_else(now);
    if object["kind"] == "Pod" {
        object["metadata"]["generation"] = json!(1);
        object["spec"]["nodeName"] = json!(host);
        object["status"] = json!({ "phase": "Pending" });
    }
    object
}

fn annotate(object: &mut Value, wanted: &Wanted) {
    for (name, value) in [
        (SOURCE, "file"),
        (HASH, wanted.hash.as_str()),
        (FILE, wanted.file.as_str()),
    ] {
        object["metadata"]["annotations"][name] = json!(value);
    }
    if object["kind"] == "Pod" {
        object["metadata"]["annotations"][MIRROR] = json!(wanted.hash);
    }
}

/// Asks for a Pod's deletion as the API does: the object says so, and the node sees it.
fn delete(store: &Store, key: &Key) -> Result<(), StoreError> {
    store
        .write(key, |stored| {
            let Some(stored) = stored.filter(|stored| is_ours(&stored.object)) else {
                return Ok(Write::Keep);
            };
            let mut object = (*stored.object).clone();
            let grace_s = object["spec"]["terminationGracePeriodSeconds"]
                .as_i64()
                .unwrap_or(30);
            let grace = SignedDuration::from_secs(grace_s);
            // A manifest may ask for more time than there is.
            let end = words::today().checked_add(grace).unwrap_or(Timestamp::MAX);
            object["metadata"]["deletionTimestamp"] = json!(words::seconds(end));
            object["metadata"]["deletionGracePeriodSeconds"] = json!(grace_s);
            Ok(Write::Durable(object))
        })
        .map(drop)
}
