//! How does the node of the model live with a shim that does not answer?

use outrigger_lifecycle::{Fact, Step, open_steps};
use outrigger_pod::HookAction;

use super::Node;
use crate::World;
use crate::world::Keeper;

impl Node {
    /// It has waited for the shim's word for too long.
    pub(super) fn notice(&mut self, world: &World, number: u64) {
        if self.up && world.is_the_silence(number) {
            self.observe(world.now, Fact::ShimSilent);
        }
    }

    /// The shim goes on, and does in order what it was asked for.
    pub(super) fn hear_again(&mut self, world: &mut World, number: u64) {
        if !world.is_the_silence(number) {
            return;
        }
        world.break_silence(|_| true);
        for step in std::mem::take(&mut self.unanswered) {
            self.perform(world, &step);
        }
        if std::mem::take(&mut self.held) {
            self.go_on(world);
        } else if self.up && self.seen.silence.is_some() {
            self.observe(world.now, Fact::ShimAnswered);
        }
    }

    /// It is back and does not reach the shim.
    pub(super) fn hold(&mut self, world: &mut World) {
        self.held = true;
        let open = open_steps(self.pod(), &self.seen).contains(&Step::KillShim);
        self.observe(world.now, Fact::ShimSilent);
        if open {
            self.perform(world, &Step::KillShim);
        }
    }

    /// The shim is killed for its silence.
    pub(super) fn end_the_shim(&mut self, world: &mut World) {
        if !world.is_silent() {
            return;
        }
        self.unanswered.clear();
        world.kill_shim();
        world.report(Fact::SandboxLost, Keeper::Shim);
    }

    /// Whether a step is carried out by the shim.
    pub(super) fn is_for_the_shim(&self, step: &Step) -> bool {
        match step {
            Step::RunHook { slot, hook, .. } => {
                !matches!(self.action(*slot, *hook), Some(HookAction::Sleep { .. }))
            }
            Step::Start { .. }
            | Step::Probe { .. }
            | Step::Resize { .. }
            | Step::Signal { .. }
            | Step::Kill { .. } => true,
            _ => false,
        }
    }
}
