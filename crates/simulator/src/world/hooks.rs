//! Hooks in the model: a command is the shim's and goes on without the node, which may ask for its
//! end as often as it likes; a wait or a request is the node's own.

use outrigger_lifecycle::{Fact, HookKind, Time};
use outrigger_pod::Slot;

use super::{Coming, Keeper};
use crate::{Happened, World};

/// One hook of one instance.
#[derive(Debug, Default)]
pub(super) struct Hook {
    /// Whether the node carries it out and it dies with the node.
    pub(super) is_nodes: bool,
    /// How it ended, if it has.
    ended: Option<bool>,
}

impl World {
    /// Begins a hook, or joins it if it has begun.
    pub(crate) fn hook(&mut self, slot: Slot, attempt: u32, hook: HookKind) {
        if let Some(known) = self.hooks.get(&(slot, attempt, hook)) {
            if let Some(good) = known.ended {
                self.tell_hook(slot, attempt, hook, good);
            }
            return;
        }
        self.begin_hook(slot, attempt, hook, self.now);
    }

    /// A wait that began at `began` goes on for what is left of it.
    pub(crate) fn go_on_waiting(&mut self, slot: Slot, attempt: u32, hook: HookKind, began: Time) {
        match self
            .hooks
            .get(&(slot, attempt, hook))
            .map(|known| known.ended)
        {
            Some(Some(good)) => self.tell_hook(slot, attempt, hook, good),
            Some(None) => self.schedule(slot, attempt, hook, began),
            None => {
                self.begin_hook(slot, attempt, hook, began);
                self.is_nodes(slot, attempt, hook);
            }
        }
    }

    /// Marks a hook as one that the node carries out itself.
    pub(crate) fn is_nodes(&mut self, slot: Slot, attempt: u32, hook: HookKind) {
        if let Some(hook) = self.hooks.get_mut(&(slot, attempt, hook)) {
            hook.is_nodes = true;
        }
    }

    /// Makes room for running a hook again.
    pub(crate) fn forget_hook(&mut self, slot: Slot, attempt: u32, hook: HookKind) {
        self.hooks.remove(&(slot, attempt, hook));
    }

    fn begin_hook(&mut self, slot: Slot, attempt: u32, hook: HookKind, began: Time) {
        self.happened(Happened::HookBegan(slot, attempt, hook));
        self.hooks.insert((slot, attempt, hook), Hook::default());
        self.schedule(slot, attempt, hook, began);
    }

    fn schedule(&mut self, slot: Slot, attempt: u32, hook: HookKind, began: Time) {
        let run = self.scripts.run(slot, attempt);
        let (ms, good) = match hook {
            HookKind::PostStart => run.post_start,
            HookKind::PreStop => run.pre_stop,
        };
        let end = Coming::HookEnd {
            slot,
            attempt,
            hook,
            good,
        };
        self.at(began.plus_ms(ms), end);
    }

    pub(crate) fn hook_end(&mut self, slot: Slot, attempt: u32, hook: HookKind, good: bool) {
        let lives = self
            .processes
            .get(&slot)
            .is_some_and(|process| process.attempt == attempt);
        let good = good && lives;
        self.happened(Happened::HookEnded(slot, attempt, hook, good));
        if let Some(hook) = self.hooks.get_mut(&(slot, attempt, hook)) {
            hook.ended = Some(good);
        }
        self.tell_hook(slot, attempt, hook, good);
    }

    fn tell_hook(&mut self, slot: Slot, attempt: u32, hook: HookKind, good: bool) {
        let result = if good {
            Ok(())
        } else {
            Err("scripted".to_owned())
        };
        let fact = Fact::HookEnded {
            slot,
            attempt,
            hook,
            result,
        };
        self.report(fact, Keeper::Node);
    }
}
