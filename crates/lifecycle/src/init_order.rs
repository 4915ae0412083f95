//! Which init container starts next: strictly in the order of the manifest, each when the one
//! before it has passed (an init exited 0, a sidecar is up). Sidecars that ended are restarted
//! on the way, wherever they stand.

use outrigger_pod::{Kind, Slot};

use crate::plan::{Draft, View};
use crate::{Because, ExitReason, History, Life, Step, restarts, sidecars};

/// Starts what is due. Answers whether the Pod is initialized, so that mains may start.
///
/// A sidecar holds up the next container only until that one has come to be: crashing later, it
/// is restarted beside the others. For the last entry the mains are the next container, and a
/// main that has ended does not count (it may be of an older sandbox).
pub(crate) fn start(view: &View<'_>, draft: &mut Draft) -> bool {
    let mut before = None;
    for (slot, container) in view
        .pod
        .slots()
        .filter(|(_, container)| matches!(container.kind, Kind::Init | Kind::Sidecar))
    {
        let history = view.seen.history(slot);
        let passed = match container.kind {
            Kind::Sidecar => {
                let up = history
                    .current
                    .as_ref()
                    .is_some_and(|i| sidecars::is_up(view.pod, slot, i));
                if !history.is_live() {
                    start_one(view, draft, slot, before);
                }
                up || reached_after(view, slot)
            }
            Kind::Init | Kind::Main | Kind::Ephemeral => {
                let passed = has_passed(history);
                if !passed && !history.is_live() {
                    start_one(view, draft, slot, before);
                }
                passed
            }
        };
        if !passed {
            return false;
        }
        before = Some(slot);
    }
    true
}

/// Whether a plain init container is done for good.
pub(crate) fn has_passed(history: &History) -> bool {
    history
        .exit()
        .is_some_and(|exit| exit.code == 0 && exit.reason != ExitReason::OomKilled)
}

/// Starts a container that does not live when its time has come.
pub(crate) fn start_one(view: &View<'_>, draft: &mut Draft, slot: Slot, before: Option<Slot>) {
    let history = view.seen.history(slot);
    if !draft.due(restarts::due(history)) {
        return;
    }
    let because = match (history.exit(), before) {
        _ if history.failure.is_some() => Because::RetryStart,
        (Some(exit), _) => Because::Restart {
            code: exit.code,
            waited_ms: view.now.since_ms(exit.at),
        },
        (None, Some(before)) if view.pod[before].kind == Kind::Main => {
            Because::MainStarted(view.name(before))
        }
        (None, Some(before)) => Because::Passed(view.name(before)),
        (None, None) => Because::SandboxReady,
    };
    draft.step(
        Step::Start {
            slot,
            attempt: history.next_attempt,
        },
        because,
    );
}

/// Whether a container behind this one has come to be.
fn reached_after(view: &View<'_>, slot: Slot) -> bool {
    view.pod.slots().any(|(other, container)| {
        let history = view.seen.history(other);
        match container.kind {
            Kind::Ephemeral => false,
            Kind::Main => match history.current.as_ref().map(|instance| &instance.life) {
                Some(Life::Starting | Life::Running { .. }) => true,
                Some(Life::Exited { .. }) | None => false,
            },
            Kind::Init | Kind::Sidecar => other > slot && history.current.is_some(),
        }
    })
}
