//! The invariants, held against what really happened. The oracle reads only the Pod and the
//! trace: it shares no rule with the planner. Numbers are those of the project's list.

mod container;
mod order;

use std::fmt;

use outrigger_lifecycle::{Phase, Time};
use outrigger_pod::{HookAction, Kind, Pod, Slot};

use crate::{Faults, Happened, Life, Settled};
use container::Container;

/// An invariant that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which invariant, such as `INV-01`.
    pub invariant: &'static str,
    /// What happened.
    pub what: String,
    /// When.
    pub at: Time,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} at {} ms: {}",
            self.invariant,
            self.at.0 / 1_000_000,
            self.what
        )
    }
}

/// What the oracle knows while it reads a trace.
pub struct Oracle<'a> {
    pod: &'a Pod,
    /// The versions of the Pod that are to come.
    updates: &'a [Pod],
    delay_ms: u64,
    /// How long the shim does not answer, all in all.
    silence_ms: u64,
    containers: Vec<Container>,
    /// When the Pod's end began and its grace period in milliseconds.
    teardown: Option<(Time, u64)>,
    deletions: u32,
    /// How many of them the grace period of the end already reckons with.
    deletions_known: u32,
    node_died: bool,
    shim_died: bool,
    shim_up: bool,
    released: bool,
    now: Time,
    violations: Vec<Violation>,
}

impl<'a> Oracle<'a> {
    /// Everything that was wrong in a life.
    #[must_use]
    pub fn judge(pod: &'a Pod, faults: &Faults, life: &'a Life) -> Vec<Violation> {
        let mut oracle = Oracle {
            pod,
            updates: life.pods.get(1..).unwrap_or_default(),
            delay_ms: faults.delay_ms,
            silence_ms: faults.silences.iter().map(|(_, for_ms)| for_ms).sum(),
            containers: vec![Container::default(); pod.containers.len()],
            teardown: None,
            deletions: 0,
            deletions_known: 0,
            node_died: false,
            shim_died: false,
            shim_up: false,
            released: false,
            now: Time::default(),
            violations: Vec::new(),
        };
        for (time, happened) in &life.trace {
            oracle.now = *time;
            oracle.read(happened);
        }
        oracle.finish(life);
        oracle.violations
    }

    fn deny(&mut self, wrong: bool, invariant: &'static str, what: impl FnOnce() -> String) {
        if wrong {
            self.violations.push(Violation {
                invariant,
                what: what(),
                at: self.now,
            });
        }
    }

    fn name(&self, slot: Slot) -> &str {
        &self.pod[slot].name.0
    }

    fn read(&mut self, happened: &Happened) {
        let late = self.released
            && !matches!(
                happened,
                Happened::DeletionAsked
                    | Happened::Updated
                    | Happened::NodeDied
                    | Happened::NodeBack
            );
        self.deny(
            late && !matches!(happened, Happened::HookEnded(..) | Happened::Released),
            "INV-08",
            || format!("{happened:?} after the Pod's end"),
        );
        match happened {
            // What is asked of a dead shim comes to nothing.
            Happened::StartAsked(..) if !self.shim_up => {}
            Happened::StartAsked(slot, attempt) => self.start_asked(*slot, *attempt),
            Happened::Started(slot, attempt) => self.started(*slot, *attempt),
            Happened::Exited(slot, attempt, code, _) => self.exited(*slot, *attempt, *code),
            Happened::OutOfMemory(slot, _) => self.containers[slot.0].oom = true,
            Happened::NotCreated(slot, _) => {
                let container = &mut self.containers[slot.0];
                container.retrying = true;
                container.asked = false;
                container.redefined |= container.asked_anew;
            }
            Happened::StopBegan(slot, _, for_probe, grace_ms) => {
                let container = &mut self.containers[slot.0];
                container.stop = Some((self.now, *grace_ms, *for_probe));
                // The process may be gone already while the news of it is on its way.
                container.probe_killed |= *for_probe && !container.alive;
            }
            Happened::Signalled(slot, _) => self.signalled(*slot),
            Happened::Killed(slot, _) => self.killed(*slot),
            Happened::HookBegan(slot, _, hook) => self.hook_began(*slot, *hook),
            Happened::HookEnded(slot, attempt, hook, good) => {
                let container = &mut self.containers[slot.0];
                if container.attempt == Some(*attempt) {
                    container.hook_ended(*hook, *good);
                    container.note_up(&self.pod[*slot]);
                }
            }
            Happened::ProbeBegan(slot, attempt, kind) => self.probe_began(*slot, *attempt, *kind),
            Happened::ProbeEnded(slot, attempt, kind, good) => {
                let container = &mut self.containers[slot.0];
                if container.attempt == Some(*attempt) {
                    container.probe_ended(*kind, *good);
                    container.note_up(&self.pod[*slot]);
                }
            }
            of_the_pod => self.read_of_the_pod(of_the_pod),
        }
    }

    fn read_of_the_pod(&mut self, happened: &Happened) {
        match happened {
            Happened::SandboxMade => self.shim_up = true,
            Happened::Updated => self.update(),
            // A node that was killed does not hear the answers to the requests that it had sent.
            Happened::NodeBack => {
                for (container, declared) in self.containers.iter_mut().zip(&self.pod.containers) {
                    container.pre_stop_runs &=
                        !matches!(declared.lifecycle.pre_stop, Some(HookAction::HttpGet(_)));
                }
            }
            Happened::ShimDied => {
                self.shim_died = true;
                self.shim_up = false;
                self.new_epoch();
            }
            Happened::ResetDone => {
                self.new_epoch();
                for container in &mut self.containers {
                    container.reset = true;
                }
            }
            Happened::DeletionAsked => self.deletions += 1,
            Happened::NodeDied => self.node_died = true,
            Happened::TeardownBegan(grace_ms, deleted) => {
                let again = self.teardown.is_some();
                self.deny(again, "INV-20", || "the Pod's end began twice".to_owned());
                self.teardown = Some((self.now, *grace_ms));
                self.deletions_known = u32::from(*deleted);
            }
            Happened::Released => {
                let alive = self.containers.iter().any(|container| container.alive);
                self.deny(alive, "INV-31", || {
                    "released while a process lives".to_owned()
                });
                self.released = true;
            }
            _ => {}
        }
    }

    /// A container whose image or resources were changed may run again whatever its policy, and its
    /// back-off begins anew.
    fn update(&mut self) {
        let Some((next, rest)) = self.updates.split_first() else {
            return;
        };
        for ((old, new), container) in self
            .pod
            .containers
            .iter()
            .zip(&next.containers)
            .zip(&mut self.containers)
        {
            if (&old.spec.image, &old.spec.resources) != (&new.spec.image, &new.spec.resources) {
                container.redefined = true;
                container.unsure = true;
            }
        }
        self.containers
            .resize_with(next.containers.len(), Container::default);
        (self.pod, self.updates) = (next, rest);
    }

    /// After the loss of the sandbox or a reset, init containers run again.
    fn new_epoch(&mut self) {
        for container in &mut self.containers {
            container.done = false;
            container.up_once = false;
            container.asked = false;
        }
    }

    /// INV-40: a Pod that is over stays as it is, and one that runs is Pending again only in a new
    /// sandbox or after a restart of all containers.
    fn phases(&mut self, life: &Life) {
        let reset = |(_, happened): &(Time, Happened)| *happened == Happened::ResetDone;
        let again = self.shim_died || life.trace.iter().any(reset);
        for pair in life.statuses.windows(2) {
            let (before, after) = (pair[0].2.phase, pair[1].2.phase);
            let wrong = match (before, after) {
                (Phase::Succeeded | Phase::Failed, _) => before != after,
                (Phase::Running, Phase::Pending) => !again,
                (Phase::Running | Phase::Pending, _) => false,
            };
            self.now = pair[1].1;
            self.deny(wrong, "INV-40", || format!("{after:?} after {before:?}"));
        }
    }

    fn finish(&mut self, life: &Life) {
        self.phases(life);
        let settled = life.settled;
        self.deny(settled != Settled::Released, "INV-63", || {
            format!("the life settled as {settled:?}")
        });
        let all_zero = self.pod.of_kind(Kind::Main).all(|(slot, _)| {
            self.containers[slot.0].last_code == Some(0) && !self.containers[slot.0].retrying
        });
        let phase = life.status.phase;
        let wrong = settled == Settled::Released && phase == Phase::Succeeded && !all_zero;
        self.deny(wrong, "INV-41", || {
            "Succeeded though a main did not exit 0".to_owned()
        });
        let whole = self.pod.active_deadline_s.is_none() && !self.shim_died;
        let inits_done = self
            .pod
            .of_kind(Kind::Init)
            .all(|(slot, _)| self.containers[slot.0].done);
        let wrong =
            phase == Phase::Failed && all_zero && whole && inits_done && self.deletions == 0;
        self.deny(wrong, "INV-41", || {
            "Failed though every main exited 0".to_owned()
        });
    }
}
