//! Which main container starts: all of them, in the order of the manifest, the next when the
//! start of the one before it is over, its postStart hook included (INV-05).

use outrigger_pod::{Kind, Slot};

use crate::plan::{Draft, View};
use crate::{Instance, Life, PostStart, init_order, restarts};

/// Starts the mains that are due, in an initialized Pod.
pub(crate) fn start(view: &View<'_>, draft: &mut Draft) {
    let mut before = view
        .pod
        .slots()
        .filter(|(_, c)| matches!(c.kind, Kind::Init | Kind::Sidecar))
        .map(|(slot, _)| slot)
        .next_back();
    for (slot, container) in view.pod.of_kind(Kind::Main) {
        let history = view.seen.history(slot);
        match &history.current {
            Some(instance) if is_starting(view, slot, instance) => return,
            Some(instance) if instance.is_live() => {}
            _ => {
                let wanted = history.exit().is_none_or(|exit| {
                    restarts::wanted(view.pod, container, exit, restarts::stopped_for(history))
                });
                let steps = draft.steps.len();
                if wanted {
                    init_order::start_one(view, draft, slot, before);
                }
                if draft.steps.len() > steps {
                    return;
                }
            }
        }
        before = Some(slot);
    }
}

/// Whether an instance's start is still going on.
fn is_starting(view: &View<'_>, slot: Slot, instance: &Instance) -> bool {
    match &instance.life {
        Life::Starting => true,
        Life::Running {
            post_start: PostStart::Running { .. },
            ..
        } => instance.stop.is_none(),
        Life::Running {
            post_start: PostStart::Waiting,
            ..
        } => view.pod[slot].lifecycle.post_start.is_some() && instance.stop.is_none(),
        Life::Running {
            post_start: PostStart::Done | PostStart::Failed(_),
            ..
        }
        | Life::Exited { .. } => false,
    }
}
