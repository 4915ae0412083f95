//! The model runtime: containers that live by their scripts, and what comes of what the node asks
//! of them.

mod answers;
mod hooks;
mod silence;

use std::collections::{BTreeMap, BTreeSet};

use outrigger_lifecycle::{Exit, ExitReason, Fact, HookKind, StartFailure, Time};
use outrigger_pod::Slot;

use crate::{Faults, Happened, OnSignal, Order, Random, Run, Scripts, Trace};
use hooks::Hook;
use silence::Silence;

/// Who keeps a report until the node takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeper {
    /// The shim's ledger: it survives the node.
    Shim,
    /// The node's own memory: lost when it is killed.
    Node,
}

/// Something that will happen.
#[derive(Debug, Clone)]
pub(crate) enum Coming {
    Start {
        slot: Slot,
        attempt: u32,
    },
    End {
        slot: Slot,
        attempt: u32,
        code: i32,
        life: u64,
    },
    HookEnd {
        slot: Slot,
        attempt: u32,
        hook: HookKind,
        good: bool,
    },
    Report {
        fact: Fact,
        keeper: Keeper,
    },
    Order(Order),
    /// The node has been waiting for the shim's word for too long.
    Notice(u64),
    /// The shim goes on.
    Speak(u64),
    KillNode {
        back_after_ms: u64,
    },
    NodeBack,
}

struct Process {
    attempt: u32,
    run: Run,
    started: Time,
    /// Which of all processes of this world it is.
    life: u64,
}

/// The model runtime of one Pod.
pub struct World {
    /// The time.
    pub now: Time,
    /// What happened.
    pub trace: Trace,
    scripts: Scripts,
    random: Random,
    delay_ms: u64,
    /// Whether there is a shim to ask; requests to a dead one come to nothing.
    shim_up: bool,
    silence: Silence,
    processes: BTreeMap<Slot, Process>,
    /// The instances whose start was asked for, and those that the shim has started, signalled and
    /// killed: it does nothing twice.
    asked: BTreeSet<(Slot, u32)>,
    known: BTreeSet<(Slot, u32)>,
    signalled: BTreeSet<(Slot, u32)>,
    killed: BTreeSet<(Slot, u32)>,
    hooks: BTreeMap<(Slot, u32, HookKind), Hook>,
    released: bool,
    resize_failures: u32,
    upon: Vec<(Happened, u64, Order)>,
    lives: u64,
    coming: BTreeMap<(Time, u64), Coming>,
    order: u64,
}

impl World {
    pub(crate) fn new(scripts: Scripts, seed: u64, faults: &Faults) -> World {
        World {
            now: Time::from_ms(1_000),
            trace: Vec::new(),
            scripts,
            random: Random::new(seed),
            delay_ms: faults.delay_ms,
            shim_up: false,
            silence: Silence::default(),
            processes: BTreeMap::new(),
            asked: BTreeSet::new(),
            known: BTreeSet::new(),
            signalled: BTreeSet::new(),
            killed: BTreeSet::new(),
            hooks: BTreeMap::new(),
            released: false,
            resize_failures: faults.resize_failures,
            upon: faults.upon.clone(),
            lives: 0,
            coming: BTreeMap::new(),
            order: 0,
        }
    }

    pub(crate) fn happened(&mut self, what: Happened) {
        if let Some(index) = self.upon.iter().position(|(upon, ..)| *upon == what) {
            let (_, after_ms, order) = self.upon.remove(index);
            self.after_ms(after_ms, Coming::Order(order));
        }
        self.trace.push((self.now, what));
    }

    pub(crate) fn at(&mut self, time: Time, coming: Coming) {
        self.order += 1;
        self.coming.insert((time, self.order), coming);
    }

    pub(crate) fn after_ms(&mut self, ms: u64, coming: Coming) {
        self.at(self.now.plus_ms(ms), coming);
    }

    /// The next thing to come, if it comes not after `limit`; the clock goes there.
    pub(crate) fn next(&mut self, limit: Option<Time>) -> Option<Coming> {
        let (time, _) = *self.coming.first_key_value()?.0;
        if limit.is_some_and(|limit| limit < time) {
            return None;
        }
        self.now = self.now.max(time);
        self.coming.pop_first().map(|(_, coming)| coming)
    }

    /// Tells the node something a little later. What the shim tells stays in order.
    pub(crate) fn report(&mut self, fact: Fact, keeper: Keeper) {
        let delay_ms = match keeper {
            Keeper::Shim => self.delay_ms,
            Keeper::Node => self.random.below(self.delay_ms + 1),
        };
        self.after_ms(delay_ms, Coming::Report { fact, keeper });
    }

    /// What the node had in flight by itself is lost.
    pub(crate) fn kill_node(&mut self) {
        self.silence.lose_the_node();
        let hooks = &self.hooks;
        self.coming.retain(|_, coming| match coming {
            Coming::Report { keeper, .. } => *keeper == Keeper::Shim,
            Coming::HookEnd {
                slot,
                attempt,
                hook,
                ..
            } => hooks
                .get(&(*slot, *attempt, *hook))
                .is_none_or(|hook| !hook.is_nodes),
            _ => true,
        });
    }

    /// A node that is back hears all that the shim has to tell, and from then on nothing is carried
    /// out that an earlier connection asked for.
    pub(crate) fn greet(&mut self) -> Vec<Fact> {
        let coming = std::mem::take(&mut self.coming);
        let mut told = Vec::new();
        for (when, coming) in coming {
            match coming {
                Coming::Start { .. } => {}
                Coming::Report {
                    fact,
                    keeper: Keeper::Shim,
                } => told.push(fact),
                other => {
                    self.coming.insert(when, other);
                }
            }
        }
        told
    }

    /// Everything that the shim held dies with it.
    pub(crate) fn kill_shim(&mut self) {
        self.happened(Happened::ShimDied);
        self.shim_up = false;
        self.break_silence(
            |coming| matches!(coming, Coming::Report { keeper, .. } if *keeper == Keeper::Shim),
        );
        self.hooks.clear();
        for (slot, process) in std::mem::take(&mut self.processes) {
            self.happened(Happened::Exited(slot, process.attempt, 137, true));
        }
        self.coming.retain(|_, coming| {
            !matches!(
                coming,
                Coming::Start { .. } | Coming::End { .. } | Coming::HookEnd { .. }
            )
        });
    }

    pub(crate) fn make_sandbox(&mut self) {
        if !self.shim_up {
            self.happened(Happened::SandboxMade);
            self.shim_up = true;
        }
        self.report(Fact::SandboxReady, Keeper::Node);
    }

    pub(crate) fn release(&mut self) {
        self.break_silence(|_| false);
        if !self.released {
            self.released = true;
            self.happened(Happened::Released);
        }
        self.report(Fact::SandboxReleased, Keeper::Node);
    }

    pub(crate) fn ask_for_start(&mut self, slot: Slot, attempt: u32) {
        if self.asked.insert((slot, attempt)) {
            self.happened(Happened::StartAsked(slot, attempt));
        }
    }

    pub(crate) fn start(&mut self, slot: Slot, attempt: u32) {
        if !self.shim_up || !self.known.insert((slot, attempt)) {
            return;
        }
        let run = self.scripts.run(slot, attempt);
        let (can_be_created, can_be_executed) = run.creation;
        if !can_be_created || !can_be_executed {
            self.happened(match can_be_created {
                true => Happened::Exited(slot, attempt, 128, false),
                false => Happened::NotCreated(slot, attempt),
            });
            if !can_be_created {
                self.asked.remove(&(slot, attempt));
                self.known.remove(&(slot, attempt));
            }
            let failure = StartFailure {
                reason: "CreateContainerError".to_owned(),
                message: "scripted".to_owned(),
                created: can_be_created,
            };
            self.report(
                Fact::StartFailed {
                    slot,
                    attempt,
                    failure,
                },
                Keeper::Shim,
            );
            return;
        }
        self.happened(Happened::Started(slot, attempt));
        self.lives += 1;
        let life = self.lives;
        self.processes.insert(
            slot,
            Process {
                attempt,
                run,
                started: self.now,
                life,
            },
        );
        self.report(Fact::Started { slot, attempt }, Keeper::Shim);
        if let Some((after_ms, code)) = run.ends {
            self.after_ms(
                after_ms,
                Coming::End {
                    slot,
                    attempt,
                    code,
                    life,
                },
            );
        }
    }

    pub(crate) fn end(&mut self, slot: Slot, attempt: u32, code: i32, life: u64) {
        if self
            .processes
            .get(&slot)
            .is_some_and(|process| process.life == life)
        {
            self.exit(slot, attempt, code, false);
        }
    }

    fn exit(&mut self, slot: Slot, attempt: u32, code: i32, killed: bool) {
        let process = self.processes.remove(&slot);
        if process.as_ref().is_some_and(|process| process.run.oom) {
            self.happened(Happened::OutOfMemory(slot, attempt));
        }
        self.happened(Happened::Exited(slot, attempt, code, killed));
        let reason = match process {
            Some(process) if process.run.oom => ExitReason::OomKilled,
            _ if code == 0 => ExitReason::Completed,
            _ => ExitReason::Error,
        };
        let exit = Exit {
            at: self.now,
            code,
            reason,
            message: String::new(),
        };
        self.report(
            Fact::Exited {
                slot,
                attempt,
                exit,
            },
            Keeper::Shim,
        );
    }

    pub(crate) fn signal(&mut self, slot: Slot, attempt: u32) {
        if !self.signalled.insert((slot, attempt)) {
            return;
        }
        self.happened(Happened::Signalled(slot, attempt));
        let Some(process) = self
            .processes
            .get(&slot)
            .filter(|process| process.attempt == attempt)
        else {
            return;
        };
        let life = process.life;
        if let OnSignal::Ends(after_ms, code) = process.run.on_signal {
            self.after_ms(
                after_ms,
                Coming::End {
                    slot,
                    attempt,
                    code,
                    life,
                },
            );
        }
    }

    pub(crate) fn kill(&mut self, slot: Slot, attempt: u32) {
        if !self.killed.insert((slot, attempt)) {
            return;
        }
        self.happened(Happened::Killed(slot, attempt));
        if self
            .processes
            .get(&slot)
            .is_some_and(|process| process.attempt == attempt)
        {
            self.exit(slot, attempt, 137, true);
        }
    }
}
