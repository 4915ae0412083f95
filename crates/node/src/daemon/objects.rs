//! How do objects of the store become what the node works with?

use k8s_openapi::api::core::v1 as core;
use outrigger_api::{Change, Notice, Resource, Store, Stored};
use outrigger_pod::{Objects, Pod};
use serde_json::Value;

/// The Pod of an object that was admitted.
///
/// # Errors
/// What is wrong with it, which only a newer or older program can have let in.
pub(crate) fn pod(object: &Value) -> Result<Pod, String> {
    let typed = serde_json::from_value::<core::Pod>(object.clone())
        .map_err(|error| format!("it is no Pod: {error}"))?;
    outrigger_pod::admission::stored(typed).map_err(|problems| {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        problems.join("; ")
    })
}

/// All ConfigMaps and Secrets of the store. One that cannot be read is as good as none, and then a Pod
/// that wants it says so.
pub(crate) fn of(store: &Store) -> Objects {
    let mut objects = Objects::default();
    for resource in [Resource::ConfigMaps, Resource::Secrets] {
        for stored in store.list(resource, None).items {
            put(&mut objects, &stored);
        }
    }
    objects
}

/// Takes over what has happened to one of them.
pub(crate) fn take(objects: &mut Objects, notice: &Notice) {
    let key = &notice.stored.key;
    let name = (key.namespace.clone(), key.name.clone());
    match key.resource {
        Resource::ConfigMaps => drop(objects.config_maps.remove(&name)),
        Resource::Secrets => drop(objects.secrets.remove(&name)),
        _ => return,
    }
    if notice.change != Change::Deleted {
        put(objects, &notice.stored);
    }
}

fn put(objects: &mut Objects, stored: &Stored) {
    let name = (stored.key.namespace.clone(), stored.key.name.clone());
    let object = Value::clone(&stored.object);
    if stored.key.resource == Resource::ConfigMaps {
        if let Ok(object) = serde_json::from_value::<core::ConfigMap>(object) {
            objects.config_maps.insert(name, object);
        }
    } else if let Ok(object) = serde_json::from_value::<core::Secret>(object) {
        objects.secrets.insert(name, object);
    }
}
