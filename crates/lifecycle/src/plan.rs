//! One Pod: what to do now, when to ask again, and how it stands. Reads as a table of contents.

use outrigger_pod::{ContainerName, Kind, Pod, Slot};

use crate::status::Status;
use crate::{
    Because, Sandbox, Seen, Step, StopCause, Time, ephemerals, hooks, init_order, invariants,
    mains, probes, resize, restarts, silence, stops, teardown,
};

/// What to do now.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The steps to take now, in this order. Empty if there is nothing to do but wait.
    pub steps: Vec<(Step, Because)>,
    /// When to plan again if nothing is observed before.
    pub wake: Option<Time>,
    /// How the Pod stands.
    pub status: Status,
}

/// Decides what happens next to `pod`, of which `seen` is known, at `now`.
///
/// Whoever carries the steps out observes each as [`crate::Fact::Began`] first and then plans
/// again, until a plan has no steps.
#[must_use]
pub fn plan(pod: &Pod, seen: &Seen, now: Time) -> Plan {
    let view = View { pod, seen, now };
    let mut draft = Draft {
        now,
        steps: Vec::new(),
        wake: None,
    };
    silence::end(&view, &mut draft);
    match (&seen.sandbox, &seen.teardown) {
        (Sandbox::Releasing { .. } | Sandbox::Released { .. }, _) => {}
        (_, Some(_)) => teardown::go_on(&view, &mut draft),
        (_, None) => match teardown::ending(&view, &mut draft) {
            Some(ending) => {
                let step = Step::BeginTeardown {
                    ending,
                    grace_ms: teardown::grace_ms(&view, ending),
                };
                draft.step(step, Because::Ending(ending));
            }
            None => live(&view, &mut draft),
        },
    }
    let plan = Plan {
        steps: draft.steps,
        wake: draft.wake,
        status: Status::of(pod, seen, now),
    };
    invariants::check(&view, &plan);
    plan
}

/// A Pod that is not ending.
fn live(view: &View<'_>, draft: &mut Draft) {
    match &view.seen.sandbox {
        Sandbox::Absent { failures, last } => {
            sandbox(view, *failures, last.as_ref().map(|last| last.0), draft)
        }
        Sandbox::Ready { .. } if view.seen.reset.is_some() => reset(view, draft),
        Sandbox::Ready { .. } => match reset_asked_for(view) {
            Some((source, code)) => {
                draft.step(Step::BeginReset { source }, Because::ExitRule { code })
            }
            None => {
                ephemerals::start(view, draft);
                stops::begin_failed(view, draft);
                resize::run(view, draft);
                if init_order::start(view, draft) {
                    mains::start(view, draft);
                }
                hooks::post_start(view, draft);
                probes::run(view, draft);
            }
        },
        Sandbox::Preparing { .. } | Sandbox::Releasing { .. } | Sandbox::Released { .. } => {}
    }
    stops::go_on(view, draft);
}

/// A sandbox that could not be made is tried again after 0.5 s, 1 s, 2 s … 2 min; after 0.5 s if what it
/// may have lacked has changed.
fn sandbox(view: &View<'_>, failures: u32, last: Option<Time>, draft: &mut Draft) {
    const CAP_MS: u64 = 120_000;
    let doublings = match view.seen.sources_changed {
        true => 0,
        false => failures.saturating_sub(1).min(10),
    };
    let wait_ms = restarts::RETRY_SOON_MS
        .saturating_mul(1 << doublings)
        .min(CAP_MS);
    match last {
        None if view.seen.anything_has_been() => {
            draft.step(Step::PrepareSandbox, Because::SandboxMissing)
        }
        None => draft.step(Step::PrepareSandbox, Because::PodAccepted),
        Some(last) if draft.due(last.plus_ms(wait_ms)) => {
            draft.step(Step::PrepareSandbox, Because::SandboxMissing);
        }
        Some(_) => {}
    }
}

/// The container whose exit asks for a restart of all, and its exit code.
fn reset_asked_for(view: &View<'_>) -> Option<(Slot, i32)> {
    view.pod.slots().find_map(|(slot, container)| {
        let code = view.seen.history(slot).exit()?.code;
        restarts::restarts_all(container, code).then_some((slot, code))
    })
}

/// All containers down, without their preStop hooks and with the least grace, then all anew;
/// ephemeral ones go on.
fn reset(view: &View<'_>, draft: &mut Draft) {
    let own = |slot: Slot| view.pod[slot].kind != Kind::Ephemeral;
    let lives = view
        .pod
        .slots()
        .any(|(slot, _)| own(slot) && view.seen.history(slot).is_live());
    if lives {
        stops::begin_all(view, draft, |slot, _| {
            own(slot).then_some((StopCause::Reset, 0))
        });
    } else {
        draft.step(Step::FinishReset, Because::NothingRuns);
    }
}

/// What the rules look at.
pub(crate) struct View<'a> {
    pub(crate) pod: &'a Pod,
    pub(crate) seen: &'a Seen,
    pub(crate) now: Time,
}

impl View<'_> {
    pub(crate) fn name(&self, slot: Slot) -> ContainerName {
        self.pod[slot].name.clone()
    }
}

/// What the rules write to.
pub(crate) struct Draft {
    now: Time,
    pub(crate) steps: Vec<(Step, Because)>,
    wake: Option<Time>,
}

impl Draft {
    pub(crate) fn step(&mut self, step: Step, because: Because) {
        self.steps.push((step, because));
    }

    /// Whether `at` has come; if not, the Pod is planned again then.
    pub(crate) fn due(&mut self, at: Time) -> bool {
        if at <= self.now {
            return true;
        }
        self.wake = Some(self.wake.map_or(at, |wake| wake.min(at)));
        false
    }
}
