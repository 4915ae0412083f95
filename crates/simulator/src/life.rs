//! One life: the planner, the model runtime and the faults, from acceptance to the last trace.

use outrigger_lifecycle::{Ending, Fact, Sandbox, Seen, Status, Step, StopCause, Time, plan};
use outrigger_pod::Pod;

use crate::world::{Coming, Keeper};
use crate::{Faults, Happened, Scripts, Trace, World};

/// How long a Pod may go on before it is deleted, in milliseconds.
const HORIZON_MS: u64 = 30 * 60_000;
/// How many facts one instant may bring; more is a hot loop.
const MAX_FACTS_AT_ONCE: usize = 500;

/// How a life settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// The Pod ended and everything was released.
    Released,
    /// Nothing more was to come and the Pod had not ended.
    Stuck,
    /// It did more in one instant than any life should.
    Endless,
}

/// A life that was lived.
#[derive(Debug)]
pub struct Life {
    /// What really happened.
    pub trace: Trace,
    /// What the node did and saw: the Pod's record.
    pub record: Vec<(Time, Fact)>,
    /// The last status.
    pub status: Status,
    /// Each status that differs from the one before: how many facts of the record it reckons
    /// with, since when, and what it says.
    pub statuses: Vec<(usize, Time, Status)>,
    /// How it settled.
    pub settled: Settled,
}

struct Node<'a> {
    pod: &'a Pod,
    seen: Seen,
    up: bool,
    /// What the shim's ledger holds for a node that is down.
    ledger: Vec<Fact>,
    record: Vec<(Time, Fact)>,
    statuses: Vec<(usize, Time, Status)>,
    sandbox_failures: u32,
}

/// Lives one life of `pod`. The same arguments give the same life.
#[must_use]
pub fn live(pod: &Pod, scripts: Scripts, faults: &Faults, seed: u64) -> Life {
    let mut world = World::new(scripts, seed, faults.delay_ms);
    let start = world.now;
    for (ms, grace_s) in &faults.deletions {
        world.at(start.plus_ms(*ms), Coming::Delete { grace_s: *grace_s });
    }
    for (ms, back_after_ms) in &faults.node_kills {
        world.at(
            start.plus_ms(*ms),
            Coming::KillNode {
                back_after_ms: *back_after_ms,
            },
        );
    }
    for ms in &faults.shim_kills {
        world.at(start.plus_ms(*ms), Coming::KillShim);
    }
    world.at(start.plus_ms(HORIZON_MS), Coming::Delete { grace_s: None });
    let mut node = Node {
        pod,
        seen: Seen::new(pod, start),
        up: true,
        ledger: Vec::new(),
        record: Vec::new(),
        statuses: Vec::new(),
        sandbox_failures: faults.sandbox_failures,
    };
    let settled = run(&mut node, &mut world);
    let status = plan(pod, &node.seen, world.now).status;
    Life {
        trace: world.trace,
        record: node.record,
        status,
        statuses: node.statuses,
        settled,
    }
}

fn run(node: &mut Node<'_>, world: &mut World) -> Settled {
    loop {
        let mut wake = None;
        while node.up {
            let plan = plan(node.pod, &node.seen, world.now);
            wake = plan.wake;
            if plan.steps.is_empty() {
                node.show(world.now, plan.status);
                break;
            }
            for (step, because) in plan.steps {
                node.observe(world.now, Fact::Began(step.clone(), because));
                node.perform(world, &step);
            }
            let busy = node.record.len().checked_sub(MAX_FACTS_AT_ONCE);
            if busy.is_some_and(|index| node.record[index].0 == world.now) {
                return Settled::Endless;
            }
        }
        if matches!(node.seen.sandbox, Sandbox::Released { .. }) {
            return Settled::Released;
        }
        match (world.next(wake), wake) {
            (Some(coming), _) => node.take(world, coming),
            (None, Some(wake)) => world.now = wake,
            (None, None) => return Settled::Stuck,
        }
    }
}

impl Node<'_> {
    fn observe(&mut self, at: Time, fact: Fact) {
        self.seen.observe(self.pod, at, &fact);
        self.record.push((at, fact));
    }

    fn show(&mut self, now: Time, status: Status) {
        let same = self.statuses.last().is_some_and(|last| last.2 == status);
        if !same {
            self.statuses.push((self.record.len(), now, status));
        }
    }

    fn take(&mut self, world: &mut World, coming: Coming) {
        match coming {
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
                (true, _) => self.observe(world.now, fact),
                (false, Keeper::Shim) => self.ledger.push(fact),
                (false, Keeper::Node) => {}
            },
            Coming::Delete { grace_s } => {
                world.happened(Happened::DeletionAsked);
                if self.up {
                    self.observe(world.now, Fact::DeleteRequested { grace_s });
                } else {
                    world.after_ms(1_000, Coming::Delete { grace_s });
                }
            }
            Coming::KillNode { back_after_ms } if self.up => {
                self.up = false;
                world.happened(Happened::NodeDied);
                world.kill_node();
                world.after_ms(back_after_ms, Coming::NodeBack);
            }
            Coming::KillNode { .. } => {}
            Coming::NodeBack => {
                self.up = true;
                world.happened(Happened::NodeBack);
                self.observe(world.now, Fact::NodeRestarted);
                for fact in std::mem::take(&mut self.ledger) {
                    self.observe(world.now, fact);
                }
            }
            Coming::KillShim => {
                if matches!(self.seen.sandbox, Sandbox::Ready { .. }) {
                    world.kill_shim();
                    world.report(Fact::SandboxLost, Keeper::Shim);
                }
            }
        }
    }

    fn perform(&mut self, world: &mut World, step: &Step) {
        match step {
            Step::PrepareSandbox if self.sandbox_failures > 0 => {
                self.sandbox_failures -= 1;
                let (reason, message) = ("FailedMount".to_owned(), "scripted".to_owned());
                world.report(Fact::SandboxFailed { reason, message }, Keeper::Node);
            }
            Step::PrepareSandbox => world.make_sandbox(),
            Step::Start { slot, attempt } => {
                world.happened(Happened::StartAsked(*slot, *attempt));
                world.after_ms(
                    1,
                    Coming::Start {
                        slot: *slot,
                        attempt: *attempt,
                    },
                );
            }
            Step::RunHook {
                slot,
                attempt,
                hook,
            } => world.hook(*slot, *attempt, *hook),
            Step::Probe {
                slot,
                attempt,
                kind,
            } => world.probe(*slot, *attempt, *kind),
            Step::Stop {
                slot,
                attempt,
                cause,
                grace_ms,
            } => {
                let for_probe = matches!(cause, StopCause::Probe(_));
                world.happened(Happened::StopBegan(*slot, *attempt, for_probe, *grace_ms));
            }
            Step::Signal { slot, attempt, .. } => world.signal(*slot, *attempt),
            Step::Kill { slot, attempt } => world.kill(*slot, *attempt),
            Step::BeginTeardown { grace_ms, ending } => {
                world.happened(Happened::TeardownBegan(
                    *grace_ms,
                    *ending == Ending::Deleted,
                ));
            }
            Step::BeginReset { .. } => {}
            Step::FinishReset => world.happened(Happened::ResetDone),
            Step::ReleaseSandbox => {
                world.happened(Happened::Released);
                world.report(Fact::SandboxReleased, Keeper::Node);
            }
        }
    }
}
