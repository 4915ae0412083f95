//! One life: the planner, the model runtime and the faults, from acceptance to the last trace.

mod node;
mod silence;

use outrigger_lifecycle::{Fact, Sandbox, Seen, Status, Step, Time, plan};
use outrigger_pod::Pod;

use crate::world::Coming;
use crate::{Faults, Order, Scripts, StepKills, Trace, World};

/// How long a Pod may go on before it is deleted, in milliseconds.
const HORIZON_MS: u64 = 30 * 60_000;
/// How many facts one instant may bring; more is a hot loop.
const MAX_FACTS_AT_ONCE: usize = 500;
/// How often a life may go round; more is a hot loop that goes slowly.
const MAX_ROUNDS: usize = 200_000;

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
    /// The Pod, and the versions that replaced it, in order.
    pub pods: Vec<Pod>,
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

impl Life {
    /// The newest version of the Pod.
    ///
    /// # Panics
    /// Never: a life has a Pod.
    #[must_use]
    pub fn pod(&self) -> &Pod {
        &self.pods[self.pods.len() - 1]
    }
}

struct Node {
    /// The Pod, in all its versions.
    pods: Vec<Pod>,
    seen: Seen,
    up: bool,
    /// Whether it has not reached the shim yet since it came back.
    held: bool,
    /// What it asked of a shim that does not answer.
    unanswered: Vec<Step>,
    /// What the shim's ledger holds for a node that is down.
    ledger: Vec<Fact>,
    record: Vec<(Time, Fact)>,
    statuses: Vec<(usize, Time, Status)>,
    /// What is asked of a node that is down, by somebody who asks until it listens.
    asked: Vec<Order>,
    sandbox_failures: u32,
    /// At which steps it is killed, how many it has taken up, and at which probes it was killed.
    step_kills: Option<StepKills>,
    steps: usize,
    killed_at: Vec<Step>,
}

/// Lives one life of `pod`. The same arguments give the same life.
#[must_use]
pub fn live(pod: &Pod, scripts: Scripts, faults: &Faults, seed: u64) -> Life {
    let mut world = World::new(scripts, seed, faults);
    let start = world.now;
    for (ms, grace_s) in &faults.deletions {
        world.at(start.plus_ms(*ms), Coming::Order(Order::Delete(*grace_s)));
    }
    for (ms, pod) in &faults.updates {
        let order = Order::Update(Box::new(pod.clone()));
        world.at(start.plus_ms(*ms), Coming::Order(order));
    }
    for ms in &faults.source_changes {
        world.at(start.plus_ms(*ms), Coming::Order(Order::ChangeSources));
    }
    for (ms, back_after_ms) in &faults.node_kills {
        world.at(
            start.plus_ms(*ms),
            Coming::KillNode {
                back_after_ms: *back_after_ms,
            },
        );
    }
    for (ms, for_ms) in &faults.silences {
        world.at(start.plus_ms(*ms), Coming::Order(Order::Silence(*for_ms)));
    }
    for ms in &faults.shim_kills {
        world.at(start.plus_ms(*ms), Coming::Order(Order::KillShim));
    }
    world.at(
        start.plus_ms(HORIZON_MS),
        Coming::Order(Order::Delete(None)),
    );
    let mut node = Node {
        pods: vec![pod.clone()],
        seen: Seen::new(pod, start),
        up: true,
        held: false,
        unanswered: Vec::new(),
        ledger: Vec::new(),
        record: Vec::new(),
        statuses: Vec::new(),
        asked: Vec::new(),
        sandbox_failures: faults.sandbox_failures,
        step_kills: faults.step_kills,
        steps: 0,
        killed_at: Vec::new(),
    };
    let settled = run(&mut node, &mut world);
    let status = plan(node.pod(), &node.seen, world.now).status;
    Life {
        pods: node.pods,
        trace: world.trace,
        record: node.record,
        status,
        statuses: node.statuses,
        settled,
    }
}

fn run(node: &mut Node, world: &mut World) -> Settled {
    for _ in 0..MAX_ROUNDS {
        let mut wake = None;
        while node.up {
            let mut plan = plan(node.pod(), &node.seen, world.now);
            // Nothing is done to a Pod whose shim was not reached but to end that.
            plan.steps
                .retain(|(step, _)| !node.held || *step == Step::KillShim);
            wake = plan.wake;
            if plan.steps.is_empty() {
                node.show(world.now, plan.status);
                break;
            }
            for (step, because) in plan.steps {
                if !node.take_up(world, step, because) {
                    wake = None;
                    break;
                }
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
    Settled::Endless
}
