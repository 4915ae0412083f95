//! What do people want? The store says it: Pods are accepted, updated and deleted as its objects come,
//! change and go, and ConfigMaps and Secrets are handed on. Pods that the node has not taken up: `source/left.rs`.

mod left;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use outrigger_api::{Change, Key, Notice, Resource, Store, Stored, Watch};
use outrigger_pod::{Objects, Pod, PodUid};
use serde_json::Value;
use tokio::sync::mpsc::UnboundedReceiver;

use super::events::Incident;
use super::journal::Subject;
use super::objects;
use super::outbox::Outbox;
use super::publish::Standing;
use super::words;

/// Who carries out what is wanted.
pub(crate) trait Orders {
    /// Takes up a Pod.
    fn accept(&self, pod: Pod);
    /// Takes up a newer manifest of a Pod.
    fn update(&self, pod: Pod);
    /// Deletes a Pod within its own grace period, or within this one.
    fn delete(&self, uid: PodUid, grace_s: Option<u64>);
    /// Tries a Pod again that was not taken up.
    fn retry(&self, uid: PodUid);
    /// Ends and removes a Pod that was not taken up, with this much time for its containers.
    fn discard(&self, uid: PodUid, grace: Duration);
    /// Takes up all ConfigMaps and Secrets.
    fn set_objects(&self, objects: Objects);
}

impl Orders for crate::node::Handle {
    fn accept(&self, pod: Pod) {
        crate::node::Handle::accept(self, pod);
    }

    fn update(&self, pod: Pod) {
        crate::node::Handle::update(self, pod);
    }

    fn delete(&self, uid: PodUid, grace_s: Option<u64>) {
        crate::node::Handle::delete(self, uid, grace_s);
    }

    fn retry(&self, uid: PodUid) {
        crate::node::Handle::retry(self, uid);
    }

    fn discard(&self, uid: PodUid, grace: Duration) {
        crate::node::Handle::discard(self, uid, grace);
    }

    fn set_objects(&self, objects: Objects) {
        crate::node::Handle::set_objects(self, objects);
    }
}

/// What was last seen of a Pod's object.
struct Known {
    object: Arc<Value>,
    /// The deletion that was handed on: when its grace ends, and how long it is.
    deletion: Option<(Option<Timestamp>, Option<u64>)>,
}

/// Takes what is wanted from the store to whoever carries it out.
pub(crate) struct Source<O> {
    store: Store,
    orders: O,
    outbox: Arc<Outbox>,
    /// All ConfigMaps and Secrets, as they were handed on last.
    objects: Objects,
    known: BTreeMap<PodUid, Known>,
    /// Pods that may run and are not taken up: a second life must not be begun beside the first.
    left: BTreeMap<PodUid, left::Left>,
    /// Tells what becomes of those.
    standings: UnboundedReceiver<Standing>,
}

impl<O: Orders> Source<O> {
    /// A source that knows of no Pod.
    pub(crate) fn new(
        store: Store,
        orders: O,
        outbox: Arc<Outbox>,
        standings: UnboundedReceiver<Standing>,
    ) -> Source<O> {
        Source {
            store,
            orders,
            outbox,
            objects: Objects::default(),
            known: BTreeMap::new(),
            left: BTreeMap::new(),
            standings,
        }
    }

    /// The uids of all Pods that the store lists.
    pub(crate) fn wanted(&self) -> BTreeSet<String> {
        let listed = self.store.list(Resource::Pods, None).items;
        listed.iter().filter_map(uid).map(|uid| uid.0).collect()
    }

    /// Hands on what the store says until the future is dropped.
    pub(crate) async fn run(mut self) {
        loop {
            let Some([mut config_maps, mut secrets, mut pods]) = self.catch_up() else {
                // Somebody wrote faster than we could list; there is more to come in a moment.
                tokio::task::yield_now().await;
                continue;
            };
            loop {
                // In this order: a Pod that was written after a Secret finds it.
                let notice = tokio::select! {
                    biased;
                    Some(standing) = self.standings.recv() => {
                        self.stands(standing);
                        continue;
                    }
                    notice = config_maps.next() => notice,
                    notice = secrets.next() => notice,
                    notice = pods.next() => notice,
                };
                let Some(notice) = notice else { break };
                match notice.stored.key.resource {
                    Resource::Pods => self.take(notice),
                    _ => {
                        objects::take(&mut self.objects, &notice);
                        self.orders.set_objects(self.objects.clone());
                    }
                }
            }
        }
    }

    /// Brings the node to what the store lists now; gives watches from there on.
    pub(crate) fn catch_up(&mut self) -> Option<[Watch; 3]> {
        let version = self.store.list(Resource::Pods, None).version;
        let watch = |resource| self.store.watch(resource, version).ok();
        let watches = [
            watch(Resource::ConfigMaps)?,
            watch(Resource::Secrets)?,
            watch(Resource::Pods)?,
        ];
        self.objects = objects::of(&self.store);
        self.orders.set_objects(self.objects.clone());
        let listed = self.store.list(Resource::Pods, None).items;
        let uids: Vec<PodUid> = listed.iter().filter_map(uid).collect();
        let orphans: Vec<PodUid> = self
            .known
            .keys()
            .filter(|uid| !uids.contains(uid))
            .cloned()
            .collect();
        for uid in orphans {
            self.forget(&uid);
        }
        for stored in listed {
            self.see(stored);
        }
        Some(watches)
    }

    fn take(&mut self, notice: Notice) {
        match notice.change {
            Change::Added | Change::Modified => self.see(notice.stored),
            Change::Deleted => {
                if let Some(uid) = uid(&notice.stored) {
                    self.forget(&uid);
                }
            }
        }
    }

    /// A Pod's object is gone: what is left of it goes at once.
    fn forget(&mut self, uid: &PodUid) {
        if self.known.remove(uid).is_some() {
            self.orders.delete(uid.clone(), Some(0));
        } else if self.left.contains_key(uid) {
            self.orders.discard(uid.clone(), Duration::ZERO);
        }
    }

    /// Hands on what is new in a Pod's object.
    pub(crate) fn see(&mut self, stored: Stored) {
        let Some(uid) = uid(&stored) else { return };
        let waits_for_the_node = stored.object["spec"]["nodeName"].is_null();
        if waits_for_the_node {
            return;
        }
        if self.left.contains_key(&uid) {
            return self.see_left(&stored, uid);
        }
        let deletion = deletion(&stored.object);
        match self.known.get_mut(&uid) {
            Some(known) if wants_the_same(&known.object, &stored.object) => {
                known.object = Arc::clone(&stored.object);
            }
            Some(known) => {
                known.object = Arc::clone(&stored.object);
                match objects::pod(&stored.object) {
                    Ok(pod) => self.orders.update(pod),
                    Err(problem) => self.complain(&stored, &uid, &problem),
                }
            }
            // It was deleted, and nothing of it is left: only the object had to go.
            None if deletion.is_some() => return self.outbox.bury(stored.key, uid),
            None => match objects::pod(&stored.object) {
                Ok(pod) => {
                    self.orders.accept(pod);
                    let known = Known {
                        object: Arc::clone(&stored.object),
                        deletion: None,
                    };
                    self.known.insert(uid.clone(), known);
                }
                Err(problem) => return self.complain(&stored, &uid, &problem),
            },
        }
        if let (Some(deletion), Some(known)) = (deletion, self.known.get_mut(&uid))
            && known.deletion != Some(deletion)
        {
            known.deletion = Some(deletion);
            self.orders.delete(uid, left(deletion, words::today()));
        }
    }

    fn complain(&self, stored: &Stored, uid: &PodUid, problem: &str) {
        let Key {
            namespace, name, ..
        } = &stored.key;
        tracing::error!(pod = %name, namespace = %namespace, "its object cannot be taken up: {problem}");
        let text = format!("Error validating pod {namespace}/{name}: {problem}");
        let incident = Incident::warning("FailedValidation", text);
        self.outbox.tell(subject(stored, uid.clone()), incident);
    }
}

fn subject(stored: &Stored, uid: PodUid) -> Subject {
    Subject {
        kind: "Pod",
        namespace: stored.key.namespace.clone(),
        name: stored.key.name.clone(),
        uid: uid.0,
    }
}

fn uid(stored: &Stored) -> Option<PodUid> {
    let uid = stored.object["metadata"]["uid"].as_str()?;
    Some(PodUid(uid.to_owned()))
}

/// Whether two states of an object ask the node for the same; what it says itself does not count.
fn wants_the_same(old: &Value, new: &Value) -> bool {
    let empty = |value: &Value| value.as_object().is_none_or(|object| object.is_empty());
    let same = |old: &Value, new: &Value| old == new || (empty(old) && empty(new));
    old["spec"] == new["spec"]
        && ["labels", "annotations"]
            .iter()
            .all(|field| same(&old["metadata"][field], &new["metadata"][field]))
}

type Deletion = (Option<Timestamp>, Option<u64>);

/// The deletion that stands in an object: when it ends, and its grace period.
fn deletion(object: &Value) -> Option<Deletion> {
    let end = object["metadata"]["deletionTimestamp"].as_str()?;
    let grace_s = object["metadata"]["deletionGracePeriodSeconds"].as_u64();
    Some((end.parse().ok(), grace_s))
}

/// What is left of a grace period at `now`, in whole seconds, rounded up so that a node that asks
/// again takes nothing away.
fn left((end, grace_s): Deletion, now: Timestamp) -> Option<u64> {
    let grace_s = grace_s?;
    let Some(end) = end else { return Some(grace_s) };
    let left_ms = end.as_millisecond().saturating_sub(now.as_millisecond());
    // Times in objects are cut to seconds, so the end may be told up to one too early.
    let left_s = u64::try_from(left_ms).unwrap_or(0).div_ceil(1000) + 1;
    Some(left_s.min(grace_s))
}

#[cfg(test)]
mod tests;
