//! What must hold of every plan, whatever was seen. Checked after each plan in debug builds; the
//! simulator has an oracle of its own over what really happened.

use outrigger_pod::{Kind, Slot};

use crate::plan::{Plan, View};
use crate::{Life, Phase, Sandbox, Step, init_order};

/// Checks a plan. Numbers are those of the project's list of invariants.
pub(crate) fn check(view: &View<'_>, plan: &Plan) {
    if !cfg!(debug_assertions) {
        return;
    }
    for (step, _) in &plan.steps {
        match step {
            Step::Start { slot, .. } => check_start(view, *slot),
            Step::Signal { slot, .. } => {
                let stop = view
                    .seen
                    .history(*slot)
                    .current
                    .as_ref()
                    .and_then(|i| i.stop.as_ref());
                debug_assert!(
                    stop.is_some_and(|s| s.signalled.is_none()),
                    "INV-22: one signal, after a stop"
                );
            }
            Step::Kill { slot, .. } => {
                let stop = view
                    .seen
                    .history(*slot)
                    .current
                    .as_ref()
                    .and_then(|i| i.stop.as_ref());
                let due = stop.is_some_and(|s| s.signalled.is_some() && s.deadline <= view.now);
                debug_assert!(due, "INV-24: no kill before the grace period is over");
            }
            Step::ReleaseSandbox => {
                debug_assert!(
                    !view.seen.anything_lives(),
                    "INV-31: release only when nothing lives"
                );
            }
            _ => {}
        }
    }
    let terminal = matches!(plan.status.phase, Phase::Succeeded | Phase::Failed);
    debug_assert!(
        !terminal || plan.steps.is_empty(),
        "INV-08: nothing happens to a finished Pod"
    );
}

fn check_start(view: &View<'_>, slot: Slot) {
    let seen = view.seen;
    debug_assert!(
        matches!(seen.sandbox, Sandbox::Ready { .. }),
        "INV-06: no start without a sandbox"
    );
    debug_assert!(
        seen.teardown.is_none() && seen.deletion.is_none(),
        "INV-20: no start in a teardown"
    );
    debug_assert!(!seen.history(slot).is_live(), "INV-11: one live instance");
    if view.pod[slot].kind == Kind::Ephemeral {
        let again = seen.history(slot).current.is_some();
        debug_assert!(!again, "an ephemeral container is started once");
        return;
    }
    let before = view.pod.slots().take_while(|(other, _)| *other < slot);
    for (other, container) in before {
        let history = seen.history(other);
        match container.kind {
            Kind::Init => {
                debug_assert!(
                    init_order::has_passed(history),
                    "INV-01, INV-02: inits before it exited 0"
                );
            }
            Kind::Sidecar => {
                let once_up = history.current.is_some() || history.previous.is_some();
                debug_assert!(once_up, "INV-02: sidecars before it have been started");
            }
            Kind::Ephemeral => debug_assert!(false, "ephemeral containers stand last"),
            Kind::Main => {
                let starting = history
                    .current
                    .as_ref()
                    .is_some_and(|instance| instance.life == Life::Starting);
                debug_assert!(!starting, "INV-05: mains start one after the other");
            }
        }
    }
}
