//! The model runtime: containers that live by their scripts, and what comes of what the node asks
//! of them.

use std::collections::BTreeMap;

use outrigger_lifecycle::{Exit, ExitReason, Fact, HookKind, Outcome, StartFailure, Time};
use outrigger_pod::{ProbeKind, Slot};

use crate::{Happened, OnSignal, Probing, Random, Run, Scripts, Trace};

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
    Delete {
        grace_s: Option<u64>,
    },
    KillNode {
        back_after_ms: u64,
    },
    NodeBack,
    KillShim,
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
    processes: BTreeMap<Slot, Process>,
    lives: u64,
    coming: BTreeMap<(Time, u64), Coming>,
    order: u64,
}

impl World {
    pub(crate) fn new(scripts: Scripts, seed: u64, delay_ms: u64) -> World {
        World {
            now: Time::from_ms(1_000),
            trace: Vec::new(),
            scripts,
            random: Random::new(seed),
            delay_ms,
            shim_up: false,
            processes: BTreeMap::new(),
            lives: 0,
            coming: BTreeMap::new(),
            order: 0,
        }
    }

    pub(crate) fn happened(&mut self, what: Happened) {
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
        self.coming.retain(|_, coming| {
            !matches!(
                coming,
                Coming::Report {
                    keeper: Keeper::Node,
                    ..
                }
            )
        });
    }

    /// Everything that the shim held dies with it.
    pub(crate) fn kill_shim(&mut self) {
        self.happened(Happened::ShimDied);
        self.shim_up = false;
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
        self.happened(Happened::SandboxMade);
        self.shim_up = true;
        self.report(Fact::SandboxReady, Keeper::Node);
    }

    pub(crate) fn start(&mut self, slot: Slot, attempt: u32) {
        if !self.shim_up {
            return;
        }
        let run = self.scripts.run(slot, attempt);
        let (can_be_created, can_be_executed) = run.creation;
        if !can_be_created || !can_be_executed {
            self.happened(match can_be_created {
                true => Happened::Exited(slot, attempt, 128, false),
                false => Happened::NotCreated(slot, attempt),
            });
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
        self.happened(Happened::Killed(slot, attempt));
        if self
            .processes
            .get(&slot)
            .is_some_and(|process| process.attempt == attempt)
        {
            self.exit(slot, attempt, 137, true);
        }
    }

    pub(crate) fn hook(&mut self, slot: Slot, attempt: u32, hook: HookKind) {
        self.happened(Happened::HookBegan(slot, attempt, hook));
        let run = self.scripts.run(slot, attempt);
        let (ms, good) = match hook {
            HookKind::PostStart => run.post_start,
            HookKind::PreStop => run.pre_stop,
        };
        self.after_ms(
            ms,
            Coming::HookEnd {
                slot,
                attempt,
                hook,
                good,
            },
        );
    }

    pub(crate) fn hook_end(&mut self, slot: Slot, attempt: u32, hook: HookKind, good: bool) {
        let lives = self
            .processes
            .get(&slot)
            .is_some_and(|process| process.attempt == attempt);
        let good = good && lives;
        self.happened(Happened::HookEnded(slot, attempt, hook, good));
        let result = if good {
            Ok(())
        } else {
            Err("scripted".to_owned())
        };
        self.report(
            Fact::HookEnded {
                slot,
                attempt,
                hook,
                result,
            },
            Keeper::Node,
        );
    }

    pub(crate) fn probe(&mut self, slot: Slot, attempt: u32, kind: ProbeKind) {
        self.happened(Happened::ProbeBegan(slot, attempt, kind));
        let outcome = match self
            .processes
            .get(&slot)
            .filter(|process| process.attempt == attempt)
        {
            None => Outcome::Error("no such process".to_owned()),
            Some(process) => {
                let age_ms = self.now.since_ms(process.started);
                let good = match (kind, process.run.probing) {
                    (ProbeKind::Startup, _) => {
                        process.run.up_after_ms.is_some_and(|up| age_ms >= up)
                    }
                    (_, Probing::Good) => true,
                    (_, Probing::FailsFrom(from_ms)) => age_ms < from_ms,
                    (_, Probing::GoodFrom(from_ms)) => age_ms >= from_ms,
                    (_, Probing::Shaky) => self.random.chance(50),
                };
                if good {
                    Outcome::Success
                } else {
                    Outcome::Failure("scripted".to_owned())
                }
            }
        };
        let good = outcome == Outcome::Success;
        self.happened(Happened::ProbeEnded(slot, attempt, kind, good));
        self.report(
            Fact::Probed {
                slot,
                attempt,
                kind,
                outcome,
            },
            Keeper::Node,
        );
    }
}
