//! What waits to be written into the store? The loop must not wait for anything, so it only leaves word here. Of a
//! Pod's statuses only the newest counts.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::jiff::Timestamp;
use outrigger_api::Key;
use outrigger_pod::{Pod, PodUid};

use super::events::Incident;
use super::journal::Subject;
use super::words;

/// How many incidents wait at most; the oldest go first.
const INCIDENTS: usize = 10_000;

/// What waits to be written.
#[derive(Default)]
pub(super) struct Word {
    pub(super) objects: BTreeMap<PodUid, core::Pod>,
    pub(super) incidents: VecDeque<(Subject, Incident, Timestamp)>,
    pub(super) gone: Vec<(Key, PodUid)>,
    closed: bool,
    /// Whether nothing may be written yet.
    held: bool,
    /// Whether what was taken last is still being written.
    writing: bool,
}

impl Word {
    pub(super) fn is_empty(&self) -> bool {
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
    pub(super) fn show(&self, pod: &Pod, object: &core::Pod) {
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

    /// Has everything wait until [`Outbox::release`]: what an object is said to be must not come before the object.
    pub(crate) fn hold(&self) {
        self.word().held = true;
    }

    /// Lets everything be written.
    pub(crate) fn release(&self) {
        self.word().held = false;
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
    pub(super) fn take(&self, patience: Duration) -> Option<Word> {
        let mut word = self.word();
        word.writing = false;
        if word.is_empty() {
            self.done.notify_all();
        }
        let quiet = |word: &mut Word| (word.is_empty() || word.held) && !word.closed;
        let (mut word, _) = self
            .bell
            .wait_timeout_while(word, patience, quiet)
            .unwrap_or_else(PoisonError::into_inner);
        if word.closed && word.is_empty() {
            return None;
        }
        if word.held && !word.closed {
            return Some(Word::default());
        }
        let closed = word.closed;
        let taken = std::mem::take(&mut *word);
        word.closed = closed;
        word.writing = true;
        Some(taken)
    }
}
