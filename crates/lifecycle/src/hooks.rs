//! When a hook runs: postStart right after the start, beside the container's own process;
//! preStop once, before the stop signal, and only in a stop that has a grace period.

use crate::plan::{Draft, View};
use crate::{Because, HookKind, Instance, Life, PostStart, PreStop, Step, Stop, stops};
use outrigger_pod::Slot;

/// Runs the postStart hooks of containers that have just come up.
pub(crate) fn post_start(view: &View<'_>, draft: &mut Draft) {
    for (slot, container) in view.pod.slots() {
        let Some(instance) = &view.seen.history(slot).current else {
            continue;
        };
        let Life::Running {
            post_start: PostStart::Waiting,
            ..
        } = instance.life
        else {
            continue;
        };
        if container.lifecycle.post_start.is_some()
            && instance.stop.is_none()
            && stops::failed(view, slot, instance).is_none()
        {
            let step = Step::RunHook {
                slot,
                attempt: instance.attempt,
                hook: HookKind::PostStart,
            };
            draft.step(step, Because::HookDeclared);
        }
    }
}

/// Whether the preStop hook of an instance that is being stopped is over; begins it if it has not
/// run. All hooks of a Pod run at once, and the grace period does not wait for them: when it is
/// over, so is the waiting, though not the hook.
pub(crate) fn pre_stop_over(
    view: &View<'_>,
    draft: &mut Draft,
    slot: Slot,
    instance: &Instance,
    stop: &Stop,
) -> bool {
    let declared = view.pod[slot].lifecycle.pre_stop.is_some();
    match stop.pre_stop {
        PreStop::Ended(_) => true,
        PreStop::Running { .. } => draft.due(stop.deadline),
        PreStop::Waiting if declared && stop.deadline > view.now => {
            let step = Step::RunHook {
                slot,
                attempt: instance.attempt,
                hook: HookKind::PreStop,
            };
            draft.step(step, Because::Stopping(stop.cause));
            false
        }
        PreStop::Waiting => true,
    }
}
