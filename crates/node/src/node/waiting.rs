//! Which Pods of an earlier node are not taken up, and when are they tried again? Nothing of them is touched
//! meanwhile; whoever asks for the deletion of one has it ended and removed.

use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use outrigger_lifecycle::Time;
use outrigger_pod::PodUid;

use crate::adopt::{Left, Recall, discard};
use crate::clock::now;
use crate::hands::{blocking, nothing_in_hand};
use crate::node::{Event, Node};

/// How long a Pod counts as under way at most after it was taken up.
pub(super) const UNDER_WAY: Duration = Duration::from_secs(10);

/// A Pod that is not taken up.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) left: Left,
    /// When it is tried again; `None` while that is done, and when it is being removed.
    pub(super) again: Option<Time>,
}

impl Waiting {
    pub(super) fn new(left: Left) -> Waiting {
        let again = Some(now() + left.again_in());
        Waiting { left, again }
    }
}

impl Node {
    /// When the next of them is tried again.
    pub(super) fn next_retry(&self) -> Option<Time> {
        self.waiting.values().filter_map(|it| it.again).min()
    }

    /// Tries all again whose time has come.
    pub(super) fn retry_due(&mut self) {
        let now = now();
        let due = |it: &Waiting| it.again.is_some_and(|again| again <= now);
        let uids = self.waiting.iter().filter(|(_, it)| due(it));
        let uids: Vec<PodUid> = uids.map(|(uid, _)| uid.clone()).collect();
        for uid in uids {
            self.retry(&uid);
        }
    }

    /// Looks for a Pod again: alone, for it may be the one that kills the node.
    pub(super) fn retry(&mut self, uid: &PodUid) {
        let Some(waiting) = self.waiting.get_mut(uid) else {
            return;
        };
        if waiting.again.take().is_none() {
            return;
        }
        let (uid, turn) = (uid.clone(), Arc::clone(&self.turn));
        let (recall, sender) = (self.recall(&uid), self.sender.clone());
        let progress = self.progress.clone();
        tokio::spawn(async move {
            // One at a time.
            let _turn = turn.lock_owned().await;
            let (marked, pod) = (progress.clone(), uid.clone());
            let written = blocking(move || marked.alone(&pod)).await;
            let recall = match written {
                Ok(()) => recall.await,
                Err(problem) => Recall::Left(Left::soon(problem)),
            };
            let (pod, recall) = (uid.clone(), Box::new(recall));
            sender.send(Event::Recalled { pod, recall }).ok();
            tokio::time::timeout(UNDER_WAY, nothing_in_hand())
                .await
                .ok();
            if let Err(problem) = blocking(move || progress.survived(&uid)).await {
                tracing::error!("{problem}");
            }
        });
    }

    /// A Pod has been looked for again.
    pub(super) fn recalled(&mut self, uid: PodUid, recall: Recall) {
        let Entry::Occupied(mut entry) = self.waiting.entry(uid) else {
            return;
        };
        // Meanwhile somebody has asked for its end.
        if self.discarding.contains(entry.key()) {
            return;
        }
        match recall {
            Recall::Left(left) => {
                let left = left.after(&entry.get().left);
                self.observer.on_left(entry.key(), &left.problem);
                *entry.get_mut() = Waiting::new(left);
            }
            Recall::Nothing => {
                let (uid, _) = entry.remove_entry();
                self.observer.on_never_begun(&uid);
            }
            Recall::Known(known) => {
                entry.remove();
                let pod = self.take_up(*known);
                self.observer.on_taken_up(&pod);
            }
        }
    }

    /// A life that was taken up turns out to be one that cannot be.
    pub(super) fn leave(&mut self, uid: PodUid, left: Left) {
        self.residents.remove(&uid);
        self.lives.remove(&uid);
        self.observer.on_left(&uid, &left.problem);
        self.waiting.insert(uid, Waiting::new(left));
    }

    /// Ends and removes a Pod that was not taken up.
    pub(super) fn discard(&mut self, uid: PodUid, grace: Duration) {
        // One that can be taken up is deleted as all others are, with its hooks.
        let waiting = self.waiting.get(&uid);
        if waiting.is_some_and(|waiting| waiting.left.is_suspected()) {
            return self.retry(&uid);
        }
        if self.lives.contains_key(&uid) || !self.discarding.insert(uid.clone()) {
            return;
        }
        if let Some(waiting) = self.waiting.get_mut(&uid) {
            waiting.again = None;
        }
        let (around, sender) = (Arc::clone(&self.around), self.sender.clone());
        let progress = self.progress.clone();
        tokio::spawn(async move {
            discard::discard(uid.clone(), grace, around).await;
            let gone = uid.clone();
            if let Err(problem) = blocking(move || progress.forget(&gone)).await {
                tracing::error!("{problem}");
            }
            sender.send(Event::Discarded(uid)).ok();
        });
    }

    /// Nothing is left of a Pod that was not taken up.
    pub(super) fn discarded(&mut self, uid: &PodUid) {
        self.discarding.remove(uid);
        self.waiting.remove(uid);
        self.observer.on_discarded(uid);
        self.around.see_off(None);
    }
}
