//! The node of the model: it records steps, carries them out, dies between the one and the other,
//! and takes up again what was open.

use outrigger_lifecycle::{
    Because, Ending, Fact, HookKind, Sandbox, Status, Step, StopCause, Time, open_steps,
};
use outrigger_pod::{HookAction, Pod, Slot};

use super::Node;
use crate::world::{Coming, Keeper};
use crate::{Happened, Order, World};

impl Node {
    pub(super) fn pod(&self) -> &Pod {
        &self.pods[self.pods.len() - 1]
    }

    pub(super) fn observe(&mut self, at: Time, fact: Fact) {
        let pod = &self.pods[self.pods.len() - 1];
        self.seen.observe(pod, at, &fact);
        self.record.push((at, fact));
    }

    pub(super) fn show(&mut self, now: Time, status: Status) {
        let same = self.statuses.last().is_some_and(|last| last.2 == status);
        if !same {
            self.statuses.push((self.record.len(), now, status));
        }
    }

    /// Records a step and carries it out. Answers whether the node is still there.
    pub(super) fn take_up(&mut self, world: &mut World, step: Step, because: Because) -> bool {
        let kill = self.kill_due(&step);
        self.observe(world.now, Fact::Began(step.clone(), because));
        note(world, &step);
        if let Some((true, down_ms)) = kill {
            self.die(world, down_ms);
            return false;
        }
        self.perform(world, &step);
        if let Some((false, down_ms)) = kill {
            self.die(world, down_ms);
            return false;
        }
        true
    }

    /// Whether the node is killed at this step: before it is carried out or after, and for how long.
    fn kill_due(&mut self, step: &Step) -> Option<(bool, u64)> {
        let index = self.steps;
        self.steps += 1;
        let kills = self.step_kills?;
        let due = match kills.at {
            Some(at) => at == index,
            None => !self.killed_at.contains(step),
        };
        if due && matches!(step, Step::Probe { .. }) {
            self.killed_at.push(step.clone());
        }
        due.then_some((kills.before, kills.down_ms))
    }

    fn die(&mut self, world: &mut World, down_ms: u64) {
        self.up = false;
        self.held = false;
        self.unanswered.clear();
        world.happened(Happened::NodeDied);
        world.kill_node();
        world.after_ms(down_ms, Coming::NodeBack);
    }

    pub(super) fn take(&mut self, world: &mut World, coming: Coming) {
        let Some(coming) = world.pass(coming) else {
            return;
        };
        match coming {
            Coming::Notice(number) => self.notice(world, number),
            Coming::Speak(number) => self.hear_again(world, number),
            Coming::Start { slot, attempt } => world.start(slot, attempt),
            Coming::End {
                slot,
                attempt,
                code,
                life,
            } => world.end(slot, attempt, code, life),
            Coming::HookEnd {
                slot,
                attempt,
                hook,
                good,
            } => world.hook_end(slot, attempt, hook, good),
            Coming::Report { fact, keeper } => match (self.up, keeper) {
                (true, _) => {
                    self.held &= fact != Fact::SandboxLost;
                    self.observe(world.now, fact);
                }
                (false, Keeper::Shim) => self.ledger.push(fact),
                (false, Keeper::Node) => {}
            },
            Coming::Order(order) => self.obey(world, order),
            Coming::KillNode { back_after_ms } if self.up => self.die(world, back_after_ms),
            Coming::KillNode { .. } => {}
            Coming::NodeBack => self.come_back(world),
        }
    }

    fn obey(&mut self, world: &mut World, order: Order) {
        match order {
            Order::KillShim => {
                if matches!(self.seen.sandbox, Sandbox::Ready { .. }) {
                    // What it was asked for and has not done goes with it.
                    self.unanswered.clear();
                    world.kill_shim();
                    world.report(Fact::SandboxLost, Keeper::Shim);
                }
            }
            Order::Silence(for_ms) => {
                let stands = matches!(self.seen.sandbox, Sandbox::Ready { .. });
                if self.up && stands && !world.is_silent() {
                    world.fall_silent(for_ms);
                }
            }
            order if !self.up => self.asked.push(order),
            Order::Delete(grace_s) => {
                world.happened(Happened::DeletionAsked);
                self.observe(world.now, Fact::DeleteRequested { grace_s });
            }
            Order::ChangeSources => self.observe(world.now, Fact::SourcesChanged),
            Order::Update(pod) => {
                self.pods.push(*pod);
                world.happened(Happened::Updated);
                self.observe(world.now, Fact::Updated);
            }
        }
    }

    /// What the shim's ledger holds is heard first, then whatever is still open is carried out, and
    /// then the node listens again.
    fn come_back(&mut self, world: &mut World) {
        self.up = true;
        world.happened(Happened::NodeBack);
        self.observe(world.now, Fact::NodeRestarted);
        if world.is_silent() {
            self.hold(world);
        } else {
            self.go_on(world);
        }
        for order in std::mem::take(&mut self.asked) {
            self.obey(world, order);
        }
    }

    /// The shim is reached.
    pub(super) fn go_on(&mut self, world: &mut World) {
        if self.seen.silence.is_some() {
            self.observe(world.now, Fact::ShimAnswered);
        }
        for fact in std::mem::take(&mut self.ledger) {
            self.observe(world.now, fact);
        }
        for fact in world.greet() {
            self.observe(world.now, fact);
        }
        for step in open_steps(self.pod(), &self.seen) {
            match step {
                Step::RunHook {
                    slot,
                    attempt,
                    hook,
                } => self.resume_hook(world, slot, attempt, hook),
                other => self.perform(world, &other),
            }
        }
    }

    /// The shim keeps a command; the node goes on with a wait; a request is sent again after a
    /// start, and before an end has failed.
    fn resume_hook(&self, world: &mut World, slot: Slot, attempt: u32, hook: HookKind) {
        match (self.action(slot, hook), hook) {
            (Some(HookAction::Exec { .. }), _) => world.hook(slot, attempt, hook),
            (Some(HookAction::Sleep { .. }), _) => {
                let current = self.seen.history(slot).current.as_ref();
                let began = current.and_then(|instance| instance.hook_began(hook));
                world.go_on_waiting(slot, attempt, hook, began.unwrap_or(world.now));
            }
            (_, HookKind::PostStart) => {
                world.forget_hook(slot, attempt, hook);
                world.hook(slot, attempt, hook);
                world.is_nodes(slot, attempt, hook);
            }
            (_, HookKind::PreStop) => {
                let result = Err("the node was restarted while it ran".to_owned());
                let fact = Fact::HookEnded {
                    slot,
                    attempt,
                    hook,
                    result,
                };
                world.report(fact, Keeper::Node);
            }
        }
    }

    pub(super) fn action(&self, slot: Slot, hook: HookKind) -> Option<&HookAction> {
        let hooks = &self.pod()[slot].lifecycle;
        match hook {
            HookKind::PostStart => hooks.post_start.as_ref(),
            HookKind::PreStop => hooks.pre_stop.as_ref(),
        }
    }

    pub(super) fn perform(&mut self, world: &mut World, step: &Step) {
        if world.is_silent() && self.is_for_the_shim(step) {
            if let Step::Start { slot, attempt } = *step {
                world.ask_for_start(slot, attempt);
            }
            return self.unanswered.push(step.clone());
        }
        match *step {
            Step::PrepareSandbox if self.sandbox_failures > 0 => {
                self.sandbox_failures -= 1;
                let (reason, message) = ("FailedMount".to_owned(), "scripted".to_owned());
                world.report(Fact::SandboxFailed { reason, message }, Keeper::Node);
            }
            Step::PrepareSandbox => world.make_sandbox(),
            Step::Start { slot, attempt } => {
                world.ask_for_start(slot, attempt);
                world.after_ms(1, Coming::Start { slot, attempt });
            }
            Step::RunHook {
                slot,
                attempt,
                hook,
            } => {
                world.hook(slot, attempt, hook);
                if !matches!(self.action(slot, hook), Some(HookAction::Exec { .. })) {
                    world.is_nodes(slot, attempt, hook);
                }
            }
            Step::Probe {
                slot,
                attempt,
                kind,
            } => world.probe(slot, attempt, kind),
            Step::Resize { slot, attempt } => world.resize(slot, attempt),
            Step::Signal { slot, attempt, .. } => world.signal(slot, attempt),
            Step::Kill { slot, attempt } => world.kill(slot, attempt),
            Step::KillShim => self.end_the_shim(world),
            Step::ReleaseSandbox => world.release(),
            Step::Stop { .. }
            | Step::BeginTeardown { .. }
            | Step::BeginReset { .. }
            | Step::FinishReset => {}
        }
    }
}

/// What is done already when it is recorded.
fn note(world: &mut World, step: &Step) {
    match step {
        Step::Stop {
            slot,
            attempt,
            cause,
            grace_ms,
        } => {
            let for_probe = matches!(cause, StopCause::Probe(_));
            world.happened(Happened::StopBegan(*slot, *attempt, for_probe, *grace_ms));
        }
        Step::BeginTeardown { grace_ms, ending } => {
            world.happened(Happened::TeardownBegan(
                *grace_ms,
                *ending == Ending::Deleted,
            ));
        }
        Step::FinishReset => world.happened(Happened::ResetDone),
        _ => {}
    }
}
