//! One Pod's life as the loop has it: what is observed is recorded, planned for and carried out.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};

use k8s_openapi::api::core::v1 as core;
use outrigger_lifecycle::{Fact, Plan, Sandbox, Seen, Status, Step, Time, plan};
use outrigger_pod::{Pod, Slot};

use crate::clock::{WallClock, now};
use crate::hands::Hands;
use crate::node::{Finished, Observer, Remark, Telling};
use crate::record::{Head, InstanceLine, Line, Snapshot, VERSION, boot_id};
use crate::release;
use crate::status::{Transitions, View};

/// How many remarks are remembered, so that they are not made again.
const REMARKS: usize = 256;

/// One Pod's life.
pub(crate) struct Life {
    pub(super) pod: Arc<Pod>,
    pub(super) seen: Seen,
    pub(super) hands: Arc<Hands>,
    status: Option<Status>,
    transitions: Transitions,
    /// When to plan again.
    pub(super) wake: Option<Time>,
    remarks: VecDeque<Remark>,
    /// The number of the newest of the shim's events that was observed.
    last_seq: u64,
    /// How it ended, once it has.
    pub(super) over: Option<Finished>,
    /// Whether its shim has not answered yet: until it does, nothing is decided.
    pub(super) held: bool,
    /// Whether what outlives it is being removed.
    going: bool,
    wall: WallClock,
}

impl Life {
    /// A life of which so much is known.
    pub(super) fn new(
        hands: Arc<Hands>,
        seen: Seen,
        conditions: Transitions,
        wall: WallClock,
    ) -> Life {
        Life {
            pod: hands.pod(),
            seen,
            status: None,
            transitions: conditions,
            last_seq: hands.last_event(),
            wake: None,
            remarks: VecDeque::new(),
            over: None,
            held: false,
            going: false,
            wall,
            hands,
        }
    }

    /// Tells people something, unless they know.
    pub(super) fn remark(&mut self, observer: &mut dyn Observer, mut remark: Remark) {
        remark.bound();
        if !self.remarks.contains(&remark) {
            observer.on_remark(&self.pod, now(), &remark);
            if self.remarks.len() >= REMARKS {
                self.remarks.pop_front();
            }
            self.remarks.push_back(remark);
        }
    }

    /// Takes note of a fact, in the record first.
    pub(super) fn observe(
        &mut self,
        observer: &mut dyn Observer,
        (at, seq): (Time, Option<u64>),
        fact: &Fact,
    ) {
        tracing::debug!(pod = %self.pod.name, at_ns = at.0, ?fact, "observed");
        if let Some(record) = self.hands.record() {
            let fact = fact.clone();
            let durable = must_last(&fact);
            record.append(&Line::Fact { at, seq, fact }, durable);
        }
        self.last_seq = self.last_seq.max(seq.unwrap_or(0));
        self.seen.observe(&self.pod, at, fact);
        self.tell(observer, at, fact);
        match fact {
            Fact::Started { slot, attempt } => self.note_run(*slot, *attempt, true),
            Fact::Exited { slot, attempt, .. } => {
                self.note_run(*slot, *attempt, false);
                self.hands.clear_away(*slot, *attempt, self.last_seq);
            }
            Fact::SandboxLost => self.clear_lost(),
            _ => {}
        }
    }

    /// Takes note that an instance runs, or does so no more, for those who are not the loop.
    pub(super) fn note_run(&self, slot: Slot, attempt: u32, runs: bool) {
        self.hands
            .instances
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .set_runs(slot, attempt, runs);
    }

    fn tell(&self, observer: &mut dyn Observer, at: Time, fact: &Fact) {
        let stop_signal = about(fact).and_then(|(slot, attempt)| {
            let instances = self
                .hands
                .instances
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            instances
                .get(slot, attempt)
                .map(|instance| instance.stop_signal)
        });
        observer.on_fact(&Telling {
            pod: &self.pod,
            at,
            fact,
            seen: &self.seen,
            stop_signal,
        });
    }

    /// Takes up a newer manifest of the same uid.
    pub(super) fn update(&mut self, observer: &mut dyn Observer, pod: Pod) {
        if pod.containers.len() < self.pod.containers.len() {
            let text = "an update that takes containers away was refused".to_owned();
            return self.remark(observer, Remark::Error(text));
        }
        if pod == *self.pod {
            return;
        }
        let (at, pod) = (now(), Arc::new(pod));
        if let Some(record) = self.hands.record() {
            let pod = Box::new(pod.manifest.clone());
            record.append(&Line::Update { at, pod }, true);
        }
        self.hands.set_pod(Arc::clone(&pod));
        self.pod = pod;
        self.seen.observe(&self.pod, at, &Fact::Updated);
        self.tell(observer, at, &Fact::Updated);
        // The object is another one even if its status is not.
        self.status = None;
        self.turn(observer);
    }

    /// Plans, and takes up the steps, until there is nothing to do but wait.
    pub(super) fn turn(&mut self, observer: &mut dyn Observer) {
        let now = now();
        if self.over.is_some() {
            self.wake = None;
            return self.mend_record();
        }
        loop {
            let Plan {
                steps,
                wake,
                status,
            } = plan(&self.pod, &self.seen, now);
            self.publish(observer, now, status);
            self.wake = wake;
            // Nobody knows how a Pod is whose shim has not been reached: nothing is done to it but to end
            // the shim.
            let steps = steps.into_iter();
            let steps: Vec<_> = steps
                .filter(|(step, _)| !self.held || *step == Step::KillShim)
                .collect();
            if steps.is_empty() {
                break;
            }
            for (step, because) in steps {
                self.observe(observer, (now, None), &Fact::Began(step.clone(), because));
                self.hands.perform(&step, &self.seen);
            }
        }
        self.end(observer, now);
        self.mend_record();
    }

    /// Makes the record anew if it has grown too long or lost something, and sees to it that this is
    /// tried again until it has worked: what nobody wrote down would happen a second time.
    pub(super) fn mend_record(&mut self) {
        let Some(record) = self.hands.record() else {
            return;
        };
        if record.wants_replacing() {
            self.rewrite_record();
        }
        let again = record.retry_after().map(|after| now() + after);
        self.wake = self.wake.into_iter().chain(again).min();
    }

    /// Makes the record anew, now, if it has lost something; says whether it had.
    pub(super) fn write_what_is_missing(&self) -> bool {
        let record = self.hands.record();
        let is_broken = record.is_some_and(|record| record.retry_after().is_some());
        if is_broken {
            self.rewrite_record();
        }
        is_broken
    }

    /// Notes the end if it has come; what outlives the life goes with the Pod's deletion.
    fn end(&mut self, observer: &mut dyn Observer, now: Time) {
        if !matches!(self.seen.sandbox, Sandbox::Released { .. }) {
            return;
        }
        self.over = self.status.clone().map(|status| Finished {
            pod: Arc::clone(&self.pod),
            object: self.object(&status),
            status,
        });
        self.over.iter().for_each(|end| observer.on_end(end, now));
        self.go();
    }

    /// Removes logs and record of a life that is over and was deleted.
    pub(super) fn go(&mut self) {
        let gone = self.hands.around.lasting() && self.seen.deletion.is_some();
        if gone && self.over.is_some() && !std::mem::replace(&mut self.going, true) {
            tokio::spawn(release::purge(Arc::clone(&self.hands)));
        }
    }

    fn publish(&mut self, observer: &mut dyn Observer, at: Time, status: Status) {
        if self.status.as_ref() == Some(&status) {
            return;
        }
        if self.transitions.note(&status, at)
            && let Some(record) = self.hands.record()
        {
            record.append(&Line::Conditions(self.transitions.since()), false);
        }
        observer.on_status(&self.pod, at, self.status.as_ref(), &status);
        if self.hands.around.lasting() {
            observer.on_object(&self.pod, &self.object(&status));
        }
        self.status = Some(status);
    }

    fn object(&self, status: &Status) -> core::Pod {
        let instances = &self
            .hands
            .instances
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let view = View {
            pod: &self.pod,
            status,
            transitions: &self.transitions,
            instances,
            accepted: self.seen.accepted,
            wall: self.wall,
        };
        view.object()
    }

    /// Puts what is known in the place of all that was recorded.
    pub(super) fn rewrite_record(&self) {
        let Some(record) = self.hands.record() else {
            return;
        };
        let instances = {
            let known = self
                .hands
                .instances
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let lines = known.entries();
            lines
                .map(|(slot, attempt, instance)| InstanceLine::of(slot, attempt, instance))
                .collect()
        };
        let snapshot = Snapshot {
            seen: self.seen.clone(),
            last_seq: self.last_seq,
            conditions: self.transitions.since(),
            instances,
        };
        record.replace(&[
            Line::Head(Box::new(head(&self.pod, self.seen.accepted, self.wall))),
            Line::Snapshot(Box::new(snapshot)),
        ]);
    }
}

/// The first line of a record of this boot.
pub(super) fn head(pod: &Pod, accepted: Time, wall: WallClock) -> Head {
    Head {
        version: VERSION,
        boot: boot_id(),
        zero_ns: wall.zero_ns(),
        accepted,
        pod: pod.manifest.clone(),
    }
}

/// Whether a fact must be on the disk before it is acted on: a loss of power must not bring back what
/// has ended.
fn must_last(fact: &Fact) -> bool {
    matches!(
        fact,
        Fact::Exited { .. }
            | Fact::DeleteRequested { .. }
            | Fact::SandboxReleased
            | Fact::Began(Step::BeginTeardown { .. }, _)
    )
}

/// The instance whose signal a fact speaks of.
fn about(fact: &Fact) -> Option<(Slot, u32)> {
    match fact {
        Fact::Began(Step::Signal { slot, attempt, .. }, _) => Some((*slot, *attempt)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
