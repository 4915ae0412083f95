//! How does what happens to Pods come into the store? The loop must not wait for anything, so it only
//! leaves word here; one thread writes. Of a Pod's statuses only the newest counts.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::jiff::Timestamp;
use outrigger_api::{Key, Resource, Store, StoreError, Stored, Write};
use outrigger_lifecycle::{Status, Time};
use outrigger_pod::{Pod, PodUid};
use serde_json::Value;

use super::counts::Counts;
use super::events::{self, Incident};
use super::journal::{Journal, Subject, stale};
use super::manifests::SOURCE;
use super::words;
use crate::node::{Finished, Observer, Remark, Telling};

/// How many incidents wait at most; the oldest go first.
const INCIDENTS: usize = 10_000;
/// How often the store's Events are looked through for old ones.
const SWEEP: Duration = Duration::from_secs(300);
/// How often while the node has none of its own.
const IDLE: Duration = Duration::from_secs(3600);
/// After how long a removal that failed is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// What waits to be written.
#[derive(Default)]
struct Word {
    objects: BTreeMap<PodUid, core::Pod>,
    incidents: VecDeque<(Subject, Incident, Timestamp)>,
    gone: Vec<(Key, PodUid)>,
    closed: bool,
    /// Whether what was taken last is still being written.
    writing: bool,
}

impl Word {
    fn is_empty(&self) -> bool {
        self.objects.is_empty() && self.incidents.is_empty() && self.gone.is_empty()
    }
}

/// Where word is left.
#[derive(Default)]
pub(crate) struct Outbox {
    word: Mutex<Word>,
    bell: Condvar,
    /// Rings when all word is written.
    done: Condvar,
}

impl Outbox {
    /// Leaves word of something that people should know.
    pub(crate) fn tell(&self, subject: Subject, incident: Incident) {
        let mut word = self.word();
        if word.incidents.len() >= INCIDENTS {
            word.incidents.pop_front();
        }
        word.incidents
            .push_back((subject, incident, words::today()));
        self.bell.notify_one();
    }

    /// Leaves word of a Pod as it is now.
    fn show(&self, pod: &Pod, object: &core::Pod) {
        self.word().objects.insert(pod.uid.clone(), object.clone());
        self.bell.notify_one();
    }

    /// Leaves word that nothing is left of a Pod.
    pub(crate) fn bury(&self, key: Key, uid: PodUid) {
        let mut word = self.word();
        word.objects.remove(&uid);
        word.gone.push((key, uid));
        self.bell.notify_one();
    }

    /// Says that nothing follows.
    pub(crate) fn close(&self) {
        self.word().closed = true;
        self.bell.notify_one();
    }

    /// Waits until all word is written, for so long at most.
    pub(crate) fn settle(&self, patience: Duration) {
        let unwritten = |word: &mut Word| !word.is_empty() || word.writing;
        // If it takes longer, what is missing comes a little later.
        drop(
            self.done
                .wait_timeout_while(self.word(), patience, unwritten)
                .unwrap_or_else(PoisonError::into_inner),
        );
    }

    /// The reasons and sentences of what waits, which is taken away, for tests.
    #[cfg(test)]
    pub(crate) fn told(&self) -> Vec<(String, String)> {
        let incidents = std::mem::take(&mut self.word().incidents);
        let plain =
            |(_, incident, _): (Subject, Incident, Timestamp)| (incident.reason, incident.message);
        incidents.into_iter().map(plain).collect()
    }

    fn word(&self) -> MutexGuard<'_, Word> {
        self.word.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for word, for so long at most. `None` when nothing follows.
    fn take(&self, patience: Duration) -> Option<Word> {
        let mut word = self.word();
        word.writing = false;
        if word.is_empty() {
            self.done.notify_all();
        }
        let quiet = |word: &mut Word| word.is_empty() && !word.closed;
        let (mut word, _) = self
            .bell
            .wait_timeout_while(word, patience, quiet)
            .unwrap_or_else(PoisonError::into_inner);
        if word.closed && word.is_empty() {
            return None;
        }
        let closed = word.closed;
        let taken = std::mem::take(&mut *word);
        word.closed = closed;
        word.writing = true;
        Some(taken)
    }
}

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
}

impl Publisher {
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
        if !self.unburied.is_empty() {
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
            }
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
                Some(stored) if is(stored, uid) => {
                    Write::Volatile(with_status(&stored.object, status))
                }
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
        return Write::Remove;
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
