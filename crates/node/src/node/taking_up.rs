//! How does a node go on with a life that an earlier one began? Everything that was open is asked
//! for again, which does no harm where it was done, and then it plans as always.

use std::sync::Arc;

use outrigger_lifecycle::{
    Exit, ExitReason, Fact, HookKind, Life as Stage, Sandbox, Step, open_steps,
};
use outrigger_pod::{HookAction, Pod, PodUid, Slot};

use crate::adopt::{self, Found, Known, Left, Missed, Reach};
use crate::clock::now;
use crate::ends;
use crate::node::life::Life;
use crate::node::{Node, Observer, Remark};

impl Node {
    pub(super) fn take_up(&mut self, known: Known) -> Arc<Pod> {
        let Known {
            hands,
            seen,
            conditions,
            wall,
            reach,
            this_boot,
        } = known;
        let over = matches!(seen.sandbox, Sandbox::Released { .. });
        let mut life = Life::new(hands, seen, conditions, wall);
        let observer = &mut *self.observer;
        if !this_boot {
            life.rewrite_record();
        }
        if !over {
            life.observe(observer, (now(), None), &Fact::NodeRestarted);
        }
        life.go_on(observer, reach);
        let pod = Arc::clone(&life.pod);
        self.insert(life);
        pod
    }

    /// A shim that was silent has been reached, or is gone.
    pub(super) fn reached(&mut self, uid: &PodUid, reach: Reach) {
        if let Reach::Stranger(problem) = reach {
            return self.leave(uid.clone(), Left::for_long(problem));
        }
        self.watch();
        if let Some(life) = self.lives.get_mut(uid) {
            life.held = false;
            life.go_on(&mut *self.observer, Some(reach));
        }
    }
}

impl Life {
    /// Goes on from what became of the search for the shim.
    fn go_on(&mut self, observer: &mut dyn Observer, reach: Option<Reach>) {
        let mut containers = Vec::new();
        match reach {
            // Such a Pod is not taken up.
            None | Some(Reach::Stranger(_)) => {}
            Some(Reach::Silent) => {
                let text = "the pod's shim does not answer; it is left as it is until it does";
                self.remark(observer, Remark::Warning(text.to_owned()));
                self.held = true;
                tokio::spawn(adopt::reach_at_last(Arc::clone(&self.hands)));
                if open_steps(&self.pod, &self.seen).contains(&Step::KillShim) {
                    self.hands.perform(&Step::KillShim, &self.seen);
                }
                return self.hear_silence(observer);
            }
            Some(Reach::Found(found)) => {
                containers = self.catch_up(observer, *found);
                if self.seen.silence.is_some() {
                    self.observe(observer, (now(), None), &Fact::ShimAnswered);
                }
            }
            Some(Reach::Lost(unheard)) => self.lose(observer, unheard),
        }
        self.clear_ended(&containers);
        for step in open_steps(&self.pod, &self.seen) {
            self.perform_again(&step, &containers);
        }
        self.turn(observer);
    }

    /// Takes in what the shim saw while there was no node; gives the containers that it has.
    fn catch_up(&mut self, observer: &mut dyn Observer, found: Found) -> Vec<String> {
        let Found {
            shim,
            containers,
            missed,
            events,
        } = found;
        self.hands.set_shim(Some(Arc::clone(&shim)));
        self.hear(observer, missed);
        self.miss(observer, &containers);
        tokio::spawn(ends::follow(Arc::clone(&self.hands), shim, events));
        self.hands.refresh_volumes();
        containers
    }

    fn hear(&mut self, observer: &mut dyn Observer, missed: Vec<Missed>) {
        for (seq, at, fact) in missed {
            let now = now();
            let at = at.map_or(now, |at| at.min(now));
            self.observe(observer, (at, Some(seq)), &fact);
        }
    }

    /// An instance that ran and that its shim does not have has ended, and nobody can tell how: what the
    /// shim knew of it has been lost.
    fn miss(&mut self, observer: &mut dyn Observer, containers: &[String]) {
        for (slot, _) in Arc::clone(&self.pod).slots() {
            let Some(current) = &self.seen.history(slot).current else {
                continue;
            };
            let (attempt, runs) = (
                current.attempt,
                matches!(current.life, Stage::Running { .. }),
            );
            let known = self.hands.instance(slot, attempt);
            let has = |(id, _): (String, _)| containers.contains(&id);
            if runs && !known.is_some_and(has) {
                let exit = Exit {
                    at: now(),
                    code: 137,
                    reason: ExitReason::ContainerStatusUnknown,
                    message: "The container could not be located when the daemon was restarted"
                        .to_owned(),
                };
                let gone = Fact::Exited {
                    slot,
                    attempt,
                    exit,
                };
                self.observe(observer, (now(), None), &gone);
            }
        }
    }

    /// Clears away what instances left that were lost with their sandbox.
    pub(super) fn clear_lost(&self) {
        self.clear_ended(&[]);
    }

    fn lose(&mut self, observer: &mut dyn Observer, unheard: Vec<Missed>) {
        self.hear(observer, unheard);
        // Without its directory there is nothing left that another shim could take over.
        if self.hands.dirs.state.is_dir() {
            self.hands.lose_shim();
        }
        self.observe(observer, (now(), None), &Fact::SandboxLost);
    }

    /// Clears away instances that ended before somebody could.
    fn clear_ended(&self, containers: &[String]) {
        let instances = {
            let known = self.hands.instances.lock();
            let known = known.unwrap_or_else(std::sync::PoisonError::into_inner);
            let all = known.entries();
            all.map(|(slot, attempt, instance)| (slot, attempt, containers.contains(&instance.id)))
                .collect::<Vec<(Slot, u32, bool)>>()
        };
        for (slot, attempt, held) in instances {
            let current = self.seen.history(slot).current.as_ref();
            let lives =
                current.is_some_and(|current| current.attempt == attempt && current.is_live());
            if lives {
                self.note_run(slot, attempt, held);
            } else if attempt < self.seen.history(slot).next_attempt {
                // One that could not be created gives its number to the next, which clears away itself.
                self.hands.clear_leftovers(slot, attempt, held);
            }
        }
    }

    /// Carries a step out again that may have been carried out, in part or whole.
    fn perform_again(&self, step: &Step, containers: &[String]) {
        match *step {
            Step::Start { slot, attempt } => {
                let known = self.hands.instance(slot, attempt);
                let started = known.is_some_and(|(id, _)| containers.contains(&id));
                if !started {
                    self.hands.perform(step, &self.seen);
                }
            }
            Step::RunHook {
                slot,
                attempt,
                hook,
            } => self.run_hook_again(slot, attempt, hook),
            _ => self.hands.perform(step, &self.seen),
        }
    }

    /// A command is joined, a sleep goes on, and a request is made again after the start of a
    /// container (at least once, as Kubernetes promises) and not before its end (at most once).
    fn run_hook_again(&self, slot: Slot, attempt: u32, hook: HookKind) {
        let current = self.seen.history(slot).current.as_ref();
        let began = current.and_then(|instance| instance.hook_began(hook));
        let asks = matches!(
            self.pod[slot].lifecycle.pre_stop,
            Some(HookAction::HttpGet(_))
        );
        if hook == HookKind::PreStop && asks {
            let result = Err("the node was restarted while it ran".to_owned());
            self.hands.report(Fact::HookEnded {
                slot,
                attempt,
                hook,
                result,
            });
        } else if current.is_some_and(|instance| !matches!(instance.life, Stage::Exited { .. })) {
            self.hands.run_hook(slot, attempt, hook, began);
        }
    }
}
