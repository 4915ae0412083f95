//! What is to be done so that the store says what the folder says? Pure.

use outrigger_api::{Key, Resource, Stored};
use serde_json::Value;

use super::folder::{Wanted, Wants};
use super::{FILE, HASH, SOURCE};

/// One thing to do.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Action {
    /// Make an object, or replace a ConfigMap or Secret that says something else.
    Put {
        /// Its name.
        key: Key,
        /// What it is to be.
        wanted: Box<Wanted>,
    },
    /// Ask for the deletion of a Pod, within its own grace period; remove anything else.
    Delete {
        /// Its name.
        key: Key,
    },
    /// Leave things as they are and say why.
    Refuse {
        /// The file.
        file: String,
        /// Why.
        text: String,
    },
}

impl Action {
    /// What is said of it in the log, if it is about a Pod: whoever puts a file there wants to see that it was
    /// found, and whoever takes one away what goes with it.
    pub(super) fn told(&self) -> Option<String> {
        let (key, what) = match self {
            Action::Put { key, wanted } => (key, format!("is wanted by {}", wanted.file)),
            Action::Delete { key } => (key, "is deleted: its file went or changed".to_owned()),
            Action::Refuse { .. } => return None,
        };
        (key.resource == Resource::Pods)
            .then(|| format!("pod {}/{} {what}", key.namespace, key.name))
    }
}

/// What is to be done about the objects of one kind.
pub(super) fn decide(wants: &Wants, resource: Resource, listed: &[Stored]) -> Vec<Action> {
    let of_kind = wants
        .objects
        .iter()
        .filter(|(key, _)| key.resource == resource);
    let puts = of_kind.filter_map(|(key, wanted)| {
        let stored = listed.iter().find(|stored| stored.key == *key);
        want(key, wanted, stored.map(|stored| &*stored.object))
    });
    let unwanted = listed.iter().filter(|stored| {
        let file = annotation(&stored.object, FILE).unwrap_or_default();
        is_ours(&stored.object)
            && !is_going(&stored.object)
            && !wants.blind
            && !wants.objects.contains_key(&stored.key)
            && !wants.unread.contains(file)
    });
    let deletes = unwanted.map(|stored| Action::Delete {
        key: stored.key.clone(),
    });
    deletes.chain(puts).collect()
}

fn want(key: &Key, wanted: &Wanted, stored: Option<&Value>) -> Option<Action> {
    let put = || Action::Put {
        key: key.clone(),
        wanted: Box::new(wanted.clone()),
    };
    let Some(stored) = stored else {
        return Some(put());
    };
    if !is_ours(stored) {
        let text = format!(
            "there is a {} {}/{} that was made through the API; the manifest waits until it is deleted",
            key.resource.kind(),
            key.namespace,
            key.name
        );
        return Some(Action::Refuse {
            file: wanted.file.clone(),
            text,
        });
    }
    let same = annotation(stored, HASH) == Some(wanted.hash.as_str())
        && annotation(stored, FILE) == Some(wanted.file.as_str());
    match key.resource {
        // It is made anew when it is gone.
        Resource::Pods if is_going(stored) => None,
        _ if same => None,
        // The same document in a file of another name is the same Pod.
        Resource::Pods if annotation(stored, HASH) == Some(wanted.hash.as_str()) => Some(put()),
        Resource::Pods => Some(Action::Delete { key: key.clone() }),
        _ => Some(put()),
    }
}

/// Whether an object was made from a file.
pub(super) fn is_ours(object: &Value) -> bool {
    annotation(object, SOURCE) == Some("file")
}

fn is_going(object: &Value) -> bool {
    !object["metadata"]["deletionTimestamp"].is_null()
}

fn annotation<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object["metadata"]["annotations"].get(name)?.as_str()
}
