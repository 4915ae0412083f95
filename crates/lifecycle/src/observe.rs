//! How a fact changes what is known: the fold. It notes and concludes nothing; conclusions are
//! the planner's.

mod manifest;
mod sandbox;

use outrigger_pod::{Kind, Pod, Slot};

use crate::{
    Definition, Deletion, Exit, ExitReason, Fact, History, Instance, Life, PostStart, ProbeSeen,
    Reset, Resizing, Sandbox, Seen, Sizes, StartFailure, Step, Stop, Teardown, Time, probes,
    restarts, seen, teardown,
};

impl Seen {
    /// A Pod that was accepted just now.
    #[must_use]
    pub fn new(pod: &Pod, accepted: Time) -> Seen {
        Seen {
            accepted,
            sandbox: Sandbox::Absent {
                failures: 0,
                last: None,
            },
            containers: vec![History::default(); pod.containers.len()],
            deletion: None,
            teardown: None,
            reset: None,
            sources_changed: false,
            silence: None,
        }
    }

    /// Takes note of a fact that was observed at `at`. Facts about instances that are no longer
    /// the newest of their container are of no consequence.
    pub fn observe(&mut self, pod: &Pod, at: Time, fact: &Fact) {
        match fact {
            Fact::Began(step, _) => self.begin(pod, at, step),
            Fact::SandboxReady => self.stand(at),
            Fact::SandboxFailed { reason, message } => {
                self.fail_sandbox((at, reason.clone(), message.clone()));
            }
            Fact::SandboxLost => self.lose_sandbox(pod, at),
            Fact::SandboxReleased => self.leave(at),
            Fact::ShimSilent => self.fall_silent(at),
            Fact::ShimAnswered => self.silence = None,
            Fact::Started { slot, attempt } => {
                let starting = self
                    .instance(*slot, *attempt)
                    .filter(|i| i.life == Life::Starting);
                if let Some(instance) = starting {
                    instance.life = Life::Running {
                        since: at,
                        post_start: PostStart::Waiting,
                    };
                }
            }
            Fact::StartFailed {
                slot,
                attempt,
                failure,
            } => self.fail_start(*slot, *attempt, at, failure),
            Fact::Exited {
                slot,
                attempt,
                exit,
            } => {
                if let Some(instance) = self.instance(*slot, *attempt) {
                    instance.exit(exit.clone());
                }
            }
            Fact::HookEnded {
                slot,
                attempt,
                hook,
                result,
            } => {
                if let Some(instance) = self.instance(*slot, *attempt) {
                    instance.end_hook(*hook, result);
                }
            }
            Fact::Probed {
                slot,
                attempt,
                kind,
                outcome,
            } => {
                let probe = pod[*slot].probes.get(*kind);
                if let (Some(instance), Some(probe)) = (self.instance(*slot, *attempt), probe) {
                    probes::fold(&mut instance.probes[seen::index(*kind)], probe, at, outcome);
                }
            }
            Fact::Resized {
                slot,
                attempt,
                result,
            } => self.end_resize(*slot, *attempt, at, result),
            Fact::Updated => self.update(pod),
            Fact::SourcesChanged => {
                self.sources_changed = true;
                let histories = self.containers.iter_mut();
                histories.for_each(|history| history.sources_changed = true);
            }
            Fact::NodeRestarted => self.forget_probes(at),
            Fact::DeleteRequested { grace_s } => self.request_deletion(pod, at, *grace_s),
        }
    }

    fn instance(&mut self, slot: Slot, attempt: u32) -> Option<&mut Instance> {
        let current = self.containers.get_mut(slot.0)?.current.as_mut()?;
        (current.attempt == attempt).then_some(current)
    }

    fn begin(&mut self, pod: &Pod, at: Time, step: &Step) {
        match step {
            Step::PrepareSandbox => self.begin_sandbox(at),
            Step::Start { slot, attempt } => self.begin_start(pod, *slot, *attempt, at),
            Step::RunHook {
                slot,
                attempt,
                hook,
            } => {
                if let Some(instance) = self.instance(*slot, *attempt) {
                    instance.begin_hook(*hook, at);
                }
            }
            Step::Probe {
                slot,
                attempt,
                kind,
            } => {
                if let Some(instance) = self.instance(*slot, *attempt) {
                    let probe = &mut instance.probes[seen::index(*kind)];
                    probe.last_began = Some(at);
                    probe.in_flight = true;
                }
            }
            Step::Stop {
                slot,
                attempt,
                cause,
                grace_ms,
            } => {
                if let Some(instance) = self.instance(*slot, *attempt) {
                    instance.stop = Some(Stop::begin(at, *cause, at.plus_ms(*grace_ms)));
                }
            }
            Step::Resize { slot, attempt } => {
                let to = Sizes::of(&pod[*slot]);
                if let Some(instance) = self.instance(*slot, *attempt) {
                    instance.resize = Some(Resizing { to, failed: None });
                }
            }
            Step::Signal { slot, attempt, .. } => {
                if let Some(stop) = self.instance(*slot, *attempt).and_then(|i| i.stop.as_mut()) {
                    stop.signalled = Some(at);
                }
            }
            Step::Kill { slot, attempt } => {
                if let Some(stop) = self.instance(*slot, *attempt).and_then(|i| i.stop.as_mut()) {
                    stop.killed = Some(at);
                }
            }
            Step::BeginTeardown { ending, grace_ms } => {
                self.teardown = Some(Teardown {
                    began: at,
                    ending: *ending,
                    grace_ms: *grace_ms,
                });
                self.reset = None;
            }
            Step::BeginReset { .. } => self.reset = Some(Reset { began: at }),
            Step::FinishReset => self.finish_reset(pod),
            Step::KillShim => self.end_silence(at),
            Step::ReleaseSandbox => self.sandbox = Sandbox::Releasing { since: at },
        }
    }

    fn begin_start(&mut self, pod: &Pod, slot: Slot, attempt: u32, at: Time) {
        let Some(history) = self.containers.get_mut(slot.0) else {
            return;
        };
        restarts::note_start(history, at);
        history.retire();
        history.failure = None;
        history.sources_changed = false;
        // Facts come from a file, which may tell of any number.
        history.next_attempt = attempt.saturating_add(1);
        history.definition = Some(Definition::of(&pod[slot]));
        history.current = Some(Instance {
            attempt,
            began: at,
            life: Life::Starting,
            probes: [
                ProbeSeen::default(),
                ProbeSeen::default(),
                ProbeSeen::default(),
            ],
            stop: None,
            resize: None,
        });
    }

    fn fail_start(&mut self, slot: Slot, attempt: u32, at: Time, failure: &StartFailure) {
        // One that is known to have run was started, whatever became of the answer.
        let Some(instance) = self
            .instance(slot, attempt)
            .filter(|instance| instance.life == Life::Starting)
        else {
            return;
        };
        if failure.created {
            let message = failure.message.clone();
            instance.exit(Exit {
                at,
                code: 128,
                reason: ExitReason::StartError,
                message,
            });
            return;
        }
        let Some(history) = self.containers.get_mut(slot.0) else {
            return;
        };
        history.current = None;
        history.failure = Some((at, failure.clone()));
        history.failures = history.failures.saturating_add(1);
        history.next_attempt = attempt;
    }

    /// A probe that was in flight is tried anew when its turn comes. Whether a stop signal was sent
    /// that had been recorded nobody knows; it is sent now if not, and then the process is to have
    /// its least time from here on.
    fn forget_probes(&mut self, at: Time) {
        for instance in self
            .containers
            .iter_mut()
            .filter_map(|history| history.current.as_mut())
        {
            for probe in &mut instance.probes {
                probe.in_flight = false;
            }
            if let Some(stop) = &mut instance.stop
                && stop.signalled.is_some()
                && stop.killed.is_none()
                && !stop.signalled_anew
            {
                stop.signalled = Some(at);
                stop.signalled_anew = true;
            }
        }
    }

    fn finish_reset(&mut self, pod: &Pod) {
        self.reset = None;
        for (history, _) in self
            .containers
            .iter_mut()
            .zip(&pod.containers)
            .filter(|(_, container)| container.kind != Kind::Ephemeral)
        {
            if let Some(Instance {
                life: Life::Exited { exit, .. },
                ..
            }) = &mut history.current
            {
                exit.code = 137;
                exit.reason = ExitReason::RestartingAllContainers;
            }
            history.retire();
        }
    }

    fn request_deletion(&mut self, pod: &Pod, at: Time, grace_s: Option<u64>) {
        let forced = (grace_s == Some(0)).then_some(at);
        let grace_s = grace_s.unwrap_or(pod.grace_s).max(teardown::LEAST_S);
        let deadline = at.plus_ms(grace_s.saturating_mul(1_000));
        let deletion = self.deletion.get_or_insert(Deletion {
            at,
            deadline,
            forced,
        });
        deletion.forced = deletion.forced.or(forced);
        deletion.deadline = deletion.deadline.min(deadline);
        for stop in self
            .containers
            .iter_mut()
            .filter_map(|h| h.current.as_mut()?.stop.as_mut())
        {
            stop.deadline = stop.deadline.min(deletion.deadline);
        }
    }
}

#[cfg(test)]
mod tests;
