//! How does what happens to Pods come into the store? The loop leaves word in the outbox, and one thread writes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use k8s_openapi::api::core::v1 as core;
use outrigger_api::{Key, Resource, Store, StoreError, Stored, Write};
use outrigger_lifecycle::{Status, Time};
use outrigger_pod::{Pod, PodUid};
use serde_json::Value;
use tokio::sync::mpsc::UnboundedSender;

use super::counts::Counts;
use super::events::{self, Incident};
use super::journal::{Journal, Subject, stale};
use super::manifests::SOURCE;
use super::outbox::{Outbox, Word};
use super::words;
use crate::node::{Finished, Observer, Remark, Telling};

/// What has become of a Pod that was not taken up.
#[derive(Debug)]
pub(crate) enum Standing {
    /// It is left as it is, and why.
    Left(PodUid, String),
    /// It has been taken up.
    TakenUp(Arc<Pod>),
    /// It turned out never to have lived.
    NeverBegun(PodUid),
    /// It was deleted, and nothing of it is left.
    Discarded(PodUid),
}

/// How often the store's Events are looked through for old ones.
const SWEEP: Duration = Duration::from_secs(300);
/// How often while the node has none of its own.
const IDLE: Duration = Duration::from_secs(3600);
/// After how long a removal that failed is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// The name of a Pod in the store.
pub(crate) fn key(pod: &Pod) -> Key {
    Key {
        resource: Resource::Pods,
        namespace: pod.namespace.clone(),
        name: pod.name.clone(),
    }
}

/// The observer that the loop has.
pub(crate) struct Publisher {
    /// Where it leaves word.
    pub(crate) outbox: Arc<Outbox>,
    /// What it counts.
    pub(crate) counts: Arc<Mutex<Counts>>,
    /// Where it says what becomes of Pods that were not taken up.
    pub(crate) standings: UnboundedSender<Standing>,
}

impl Publisher {
    fn stands(&self, standing: Standing) {
        // Without a source the daemon is about to end.
        self.standings.send(standing).ok();
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, pod: &Pod, incidents: Vec<Incident>) {
        for incident in incidents {
            self.outbox.tell(Subject::pod(pod), incident);
        }
    }
}

impl Observer for Publisher {
    fn on_accepted(&mut self, pod: &Pod, at: Time) {
        self.counts().on_accepted(pod, at);
    }

    fn on_fact(&mut self, telling: &Telling<'_>) {
        self.counts().on_fact(telling.pod, telling.fact);
        self.tell(telling.pod, events::of_fact(telling.pod, telling.fact));
    }

    fn on_status(&mut self, pod: &Pod, at: Time, old: Option<&Status>, new: &Status) {
        self.counts().on_status(pod, at, new);
        self.tell(pod, events::of_status(pod, old, new));
    }

    fn on_remark(&mut self, pod: &Pod, _at: Time, remark: &Remark) {
        let (Remark::Warning(text) | Remark::Error(text)) = remark;
        tracing::warn!(pod = %pod.name, namespace = %pod.namespace, "{text}");
        self.tell(pod, vec![events::of_remark(remark)]);
    }

    fn on_end(&mut self, end: &Finished, _at: Time) {
        self.outbox.show(&end.pod, &end.object);
    }

    fn on_object(&mut self, pod: &Pod, object: &core::Pod) {
        self.outbox.show(pod, object);
    }

    fn on_gone(&mut self, pod: &Pod) {
        self.counts().on_gone(&pod.uid);
        self.outbox.bury(key(pod), pod.uid.clone());
    }

    fn on_left(&mut self, pod: &PodUid, problem: &str) {
        tracing::error!(%pod, "a pod is not taken up, and left as it is: {problem}");
        self.stands(Standing::Left(pod.clone(), problem.to_owned()));
    }

    fn on_taken_up(&mut self, pod: &Arc<Pod>) {
        self.stands(Standing::TakenUp(Arc::clone(pod)));
    }

    fn on_never_begun(&mut self, pod: &PodUid) {
        self.stands(Standing::NeverBegun(pod.clone()));
    }

    fn on_discarded(&mut self, pod: &PodUid) {
        self.stands(Standing::Discarded(pod.clone()));
    }
}

/// Starts the thread that writes; it ends after [`Outbox::close`].
///
/// # Errors
/// If there can be no more threads.
pub(crate) fn start(
    outbox: Arc<Outbox>,
    store: Store,
    host: String,
) -> std::io::Result<JoinHandle<()>> {
    let mut writer = Writer {
        store,
        journal: Journal::new(host, crate::fresh_uid),
        unburied: Vec::new(),
    };
    std::thread::Builder::new()
        .name("outrigger-publish".to_owned())
        .spawn(move || {
            writer.sweep();
            while let Some(word) = outbox.take(writer.patience()) {
                writer.write(word);
            }
        })
}

struct Writer {
    store: Store,
    journal: Journal,
    /// Pods that are gone and could not be removed from the store yet.
    unburied: Vec<(Key, PodUid)>,
}

impl Writer {
    /// How long it may sleep without word.
    fn patience(&self) -> Duration {
        if !self.unburied.is_empty() || self.store.is_behind() {
            return RETRY;
        }
        // An idle daemon sleeps until there may be an Event to remove.
        match self.journal.is_empty() {
            false => SWEEP,
            true => IDLE,
        }
    }

    fn write(&mut self, word: Word) {
        if word.is_empty() {
            self.sweep();
        }
        for (subject, incident, at) in word.incidents {
            for (key, write) in self.journal.note(&subject, incident, at) {
                self.put(&key, write);
            }
        }
        for (uid, object) in word.objects {
            self.show(&uid, &object);
        }
        self.unburied.extend(word.gone);
        for (key, uid) in std::mem::take(&mut self.unburied) {
            if let Err(error) = remove(&self.store, &key, &uid) {
                tracing::error!(pod = %key.name, namespace = %key.namespace, "{error}; it is tried again");
                self.unburied.push((key, uid));
            } else {
                // Somebody may have had it removed at once.
                self.store.forget_deleted(&uid.0);
            }
        }
        if let Err(error) = self.store.flush() {
            tracing::error!("{error}; it is tried again");
        }
    }

    fn show(&self, uid: &PodUid, object: &core::Pod) {
        let key = Key {
            resource: Resource::Pods,
            namespace: object.metadata.namespace.clone().unwrap_or_default(),
            name: object.metadata.name.clone().unwrap_or_default(),
        };
        let status = match serde_json::to_value(&object.status) {
            Ok(status) => status,
            Err(error) => return tracing::error!(pod = %key.name, "spell its status: {error}"),
        };
        let write = self.store.write(&key, |stored| {
            Ok::<_, StoreError>(match stored {
                Some(stored) if is(stored, uid) => match is_news(&stored.object["status"], &status)
                {
                    true => Write::Behind(with_status(&stored.object, status)),
                    false => Write::Volatile(with_status(&stored.object, status)),
                },
                _ => Write::Keep,
            })
        });
        if let Err(error) = write {
            tracing::error!(pod = %key.name, namespace = %key.namespace, "show its status: {error}");
        }
    }

    fn put(&self, key: &Key, write: Write) {
        if let Err(error) = self.store.write(key, |_| Ok::<_, StoreError>(write)) {
            tracing::error!(event = %key.name, "{error}");
        }
    }

    /// Removes Events that are too old, those of clients too.
    fn sweep(&mut self) {
        let now = words::today();
        for (key, write) in self.journal.expire(now) {
            self.put(&key, write);
        }
        for event in self.store.list(Resource::Events, None).items {
            if stale(&event.object, now) {
                self.put(&event.key, Write::Remove);
            }
        }
    }
}

/// Removes a Pod from the store, if it is still this one.
pub(crate) fn remove(store: &Store, key: &Key, uid: &PodUid) -> Result<(), StoreError> {
    store
        .write(key, |stored| {
            Ok(match stored {
                Some(stored) if is(stored, uid) => ended(&stored.object),
                _ => Write::Keep,
            })
        })
        .map(drop)
}

/// What becomes of the object of a Pod of which nothing is left. Finalizers are waited for, and the API
/// removes the object with the last of them; those of a file's object nobody could take away.
fn ended(object: &Value) -> Write {
    let metadata = &object["metadata"];
    let finalizers = metadata["finalizers"].as_array();
    if finalizers.is_none_or(Vec::is_empty) || metadata["annotations"][SOURCE] == "file" {
        return Write::Gone;
    }
    let mut object = object.clone();
    if object["metadata"]["deletionTimestamp"].is_null() {
        object["metadata"]["deletionTimestamp"] = words::seconds(words::today()).into();
    }
    object["metadata"]["deletionGracePeriodSeconds"] = 0.into();
    Write::Durable(object)
}

/// Whether a stored object has this uid: a name may have been given to another Pod.
pub(crate) fn is(stored: &Stored, uid: &PodUid) -> bool {
    stored.object["metadata"]["uid"].as_str() == Some(uid.0.as_str())
}

/// Whether a status says for the first time that a life began, or that it is over, and how: that outlives the
/// daemon, so that a Pod whose record is lost is never taken for one that has not lived.
fn is_news(old: &Value, new: &Value) -> bool {
    let begins = old["startTime"].is_null() && !new["startTime"].is_null();
    begins || (is_finished(new) && !is_finished(old))
}

/// Whether a status says that the Pod's life is over.
pub(crate) fn is_finished(status: &Value) -> bool {
    matches!(status["phase"].as_str(), Some("Succeeded" | "Failed"))
}

/// The types of conditions that the node itself states; all others are their writers'.
const OUR_CONDITIONS: [&str; 8] = [
    "PodScheduled",
    "PodReadyToStartContainers",
    "Initialized",
    "ContainersReady",
    "Ready",
    "AllContainersRestarting",
    "PodResizePending",
    "PodResizeInProgress",
];

/// The object with another status. Conditions of others, such as those of readiness gates, stay.
fn with_status(object: &Value, mut status: Value) -> Value {
    let foreign = object["status"]["conditions"].as_array();
    let foreign = foreign.into_iter().flatten().filter(|condition| {
        let kind = condition["type"].as_str().unwrap_or_default();
        !OUR_CONDITIONS.contains(&kind)
    });
    let foreign: Vec<Value> = foreign.cloned().collect();
    if let Some(conditions) = status["conditions"].as_array_mut() {
        conditions.extend(foreign);
    }
    let mut object = object.clone();
    object["status"] = status;
    object
}

#[cfg(test)]
mod tests;
