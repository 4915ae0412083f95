//! What of the Pods that the node has not taken up? They are shown as they are, tried again when somebody asks, and
//! removed when somebody deletes them. And what of those that the store lacks? A record is put back into it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use outrigger_api::{Key, RETRY_ANNOTATION, Resource, StoreError, Stored, Write};
use outrigger_pod::{Pod, PodUid};
use serde_json::{Value, json};

use crate::adopt::Lived;

use super::{Known, Orders, Source, deletion, left as grace_left, subject, uid};
use crate::daemon::events::Incident;
use crate::daemon::journal::Subject;
use crate::daemon::publish::key;
use crate::daemon::publish::{Standing, is_finished};
use crate::daemon::words;

/// The reason in the status of a Pod that could not be taken up.
const LEFT: &str = "NotTakenUp";
/// A Pod that is not taken up.
#[derive(Debug, Default)]
pub(super) struct Left {
    /// The value of [`RETRY_ANNOTATION`] that was seen last.
    asked: Value,
    /// Whether it is being removed.
    going: bool,
    /// Its object's name, once it is known.
    key: Option<Key>,
}

impl<O: Orders> Source<O> {
    /// The Pods of the store that may have lived, and what their objects say of that; and those that somebody deleted
    /// of which something may be left, although nothing records it.
    pub(crate) fn lived(&self) -> BTreeMap<PodUid, Lived> {
        let listed = self.store.list(Resource::Pods, None).items;
        let lived = |stored: &Stored| {
            let node = !stored.object["spec"]["nodeName"].is_null();
            let status = &stored.object["status"];
            let lived = match status["startTime"].is_null() {
                true => Lived::Unknown,
                // Of one that was to go nothing may be left but its object.
                false if deletion(&stored.object).is_some() => Lived::Unknown,
                false if is_finished(status) => Lived::Over,
                false => Lived::Begun,
            };
            node.then(|| Some((uid(stored)?, lived))).flatten()
        };
        let deleted = self.store.deleted().into_iter().map(PodUid);
        let mut all: BTreeMap<_, _> = deleted.map(|uid| (uid, Lived::Unknown)).collect();
        all.extend(listed.iter().filter_map(lived));
        all
    }

    /// Takes up Pods that the node adopted: what they were adopted with counts as known. One that the store lacks is
    /// put back into it, unless somebody has deleted it. Those that are `left` are shown as what they are.
    pub(crate) fn adopted(&mut self, pods: &[Arc<Pod>], left: &BTreeMap<PodUid, String>) {
        let listed = self.store.list(Resource::Pods, None).items;
        let stored: BTreeMap<PodUid, Stored> = listed
            .into_iter()
            .filter_map(|stored| Some((uid(&stored)?, stored)))
            .collect();
        let deleted = self.store.deleted();
        for (uid, problem) in left {
            self.left.insert(uid.clone(), Left::default());
            match stored.get(uid) {
                Some(stored) => self.tell_left(stored, uid.clone(), problem),
                None if deleted.contains(&uid.0) => {
                    self.orders.discard(uid.clone(), Duration::ZERO);
                }
                // What it is called stands in its record only.
                None => {}
            }
        }
        for pod in pods {
            if !stored.contains_key(&pod.uid) && !deleted.contains(&pod.uid.0) {
                self.put_back(pod);
            }
            self.know(pod);
        }
        let known = |uid: &str| {
            let uid = PodUid(uid.to_owned());
            self.known.contains_key(&uid) || self.left.contains_key(&uid)
        };
        for uid in deleted.iter().filter(|uid| !known(uid)) {
            self.store.forget_deleted(uid);
        }
    }

    /// The Pods of the store that nobody knows yet.
    pub(crate) fn newcomers(&self) -> Vec<(PodUid, Stored)> {
        let listed = self.store.list(Resource::Pods, None).items;
        let named = listed
            .into_iter()
            .filter_map(|stored| Some((uid(&stored)?, stored)));
        named
            .filter(|(uid, _)| !self.known.contains_key(uid) && !self.left.contains_key(uid))
            .collect()
    }

    fn know(&mut self, pod: &Arc<Pod>) {
        let object = serde_json::to_value(&pod.manifest).unwrap_or_default();
        let known = Known {
            object: Arc::new(object),
            deletion: None,
        };
        self.known.insert(pod.uid.clone(), known);
    }

    /// Puts a Pod that the node has back into a store that has lost it. One whose name was given to another was
    /// deleted before.
    fn put_back(&self, pod: &Arc<Pod>) {
        let written = self.store.write(&key(pod), |stored| {
            Ok::<_, StoreError>(match stored {
                Some(_) => Write::Keep,
                None => Write::Durable(serde_json::to_value(&pod.manifest).unwrap_or_default()),
            })
        });
        match written {
            Ok(Some(stored)) if uid(&stored).as_ref() == Some(&pod.uid) => {
                let text = "The store of API objects had lost this pod; it was put back from the pod's record, and \
                            goes on. ConfigMaps and Secrets cannot be put back: apply again those that it uses";
                tracing::warn!(pod = %pod.name, namespace = %pod.namespace, "{text}");
                let incident = Incident::warning("PutBackFromRecord", text);
                self.outbox.tell(Subject::pod(pod), incident);
            }
            Ok(_) => {}
            Err(error) => tracing::error!(pod = %pod.name, "put it back into the store: {error}"),
        }
    }

    /// Shows a Pod of which nobody knows how it is. How one has ended stays shown.
    fn tell_left(&mut self, stored: &Stored, uid: PodUid, problem: &str) {
        if let Some(left) = self.left.get_mut(&uid) {
            left.asked = asked(stored).clone();
            left.key = Some(stored.key.clone());
        }
        let text = format!("It is left as it is, and may run: {problem}");
        if !is_finished(&stored.object["status"]) {
            let tried = words::today();
            let message = format!("{text} (tried {tried})");
            let status = json!({ "phase": "Unknown", "reason": LEFT, "message": message });
            self.show_left(stored, status);
        }
        self.outbox
            .tell(subject(stored, uid), Incident::warning(LEFT, text));
    }

    /// What its status says of its beginning stays.
    fn show_left(&self, stored: &Stored, mut status: Value) {
        let shown = self.store.write(&stored.key, |stored| {
            Ok::<_, StoreError>(match stored {
                Some(stored) => {
                    let mut object = Value::clone(&stored.object);
                    for field in ["startTime", "hostIP", "qosClass"] {
                        if !object["status"][field].is_null() {
                            status[field] = object["status"][field].take();
                        }
                    }
                    object["status"] = status;
                    Write::Volatile(object)
                }
                None => Write::Keep,
            })
        });
        if let Err(error) = shown {
            tracing::error!(pod = %stored.key.name, "show its status: {error}");
        }
    }

    /// Somebody has changed the object of such a Pod.
    pub(super) fn see_left(&mut self, stored: &Stored, uid: PodUid) {
        let Some(left) = self.left.get_mut(&uid) else {
            return;
        };
        left.key = Some(stored.key.clone());
        if let Some(deletion) = deletion(&stored.object) {
            if !std::mem::replace(&mut left.going, true) {
                let grace_s = grace_left(deletion, words::today()).unwrap_or(0);
                self.orders.discard(uid, Duration::from_secs(grace_s));
            }
        } else if left.asked != *asked(stored) {
            left.asked = asked(stored).clone();
            self.orders.retry(uid);
        }
    }

    /// What has become of a Pod that was not taken up.
    pub(super) fn stands(&mut self, standing: Standing) {
        match standing {
            Standing::Left(uid, problem) => {
                self.known.remove(&uid);
                let left = self.left.entry(uid.clone()).or_default();
                // Whoever waits for its end is not to wait for another trial.
                let is_going = std::mem::take(&mut left.going);
                match self.stored(&uid) {
                    Some(stored) if is_going => self.see_left(&stored, uid),
                    Some(stored) => self.tell_left(&stored, uid, &problem),
                    None if is_going || self.store.deleted().contains(&uid.0) => {
                        self.orders.discard(uid, Duration::ZERO);
                    }
                    None => {}
                }
            }
            Standing::TakenUp(pod) => {
                self.left.remove(&pod.uid);
                self.know(&pod);
                let taken = Incident::normal("TakenUp", "The pod was taken up, and goes on");
                self.outbox.tell(Subject::pod(&pod), taken);
                self.see_again(&pod.uid);
            }
            Standing::NeverBegun(uid) => {
                self.left.remove(&uid);
                self.see_again(&uid);
            }
            Standing::Discarded(uid) => {
                let key = self.left.remove(&uid).and_then(|left| left.key);
                match key {
                    Some(key) => self.outbox.bury(key, uid),
                    None => self.store.forget_deleted(&uid.0),
                }
            }
        }
    }

    /// Hands on what was wanted of a Pod meanwhile.
    fn see_again(&mut self, uid: &PodUid) {
        match self.stored(uid) {
            Some(stored) => self.see(stored),
            None => self.forget(uid),
        }
    }

    fn stored(&self, wanted: &PodUid) -> Option<Stored> {
        let listed = self.store.list(Resource::Pods, None).items;
        listed
            .into_iter()
            .find(|stored| uid(stored).as_ref() == Some(wanted))
    }
}

/// The wish that such a Pod be tried again.
fn asked(stored: &Stored) -> &Value {
    &stored.object["metadata"]["annotations"][RETRY_ANNOTATION]
}
