//! How one instance is stopped: preStop hook, its turn, stop signal, and SIGKILL when the grace
//! period is over, all out of one budget.

use outrigger_pod::{Kind, ProbeKind, Slot};

use crate::plan::{Draft, View};
use crate::{Because, Instance, Life, PostStart, Step, Stop, StopCause, Time, resize, sidecars};

/// However long hook and waiting took, the process gets this long after its stop signal
/// (kubelet: `minimumGracePeriodInSeconds`).
const LEAST_MS: u64 = 2_000;

/// Begins to stop what has failed (a postStart hook, a startup or liveness probe) and what is to be
/// replaced (another image, a resize that needs a restart).
pub(crate) fn begin_failed(view: &View<'_>, draft: &mut Draft) {
    for (slot, _) in view.pod.slots() {
        let Some(instance) = &view.seen.history(slot).current else {
            continue;
        };
        if let Some((cause, grace_ms)) = failed(view, slot, instance) {
            begin(draft, slot, instance, cause, grace_ms);
        }
    }
}

/// Begins to stop everything that runs and is not being stopped, each for the cause and with the
/// grace period in milliseconds that `how` gives, if it gives one.
pub(crate) fn begin_all(
    view: &View<'_>,
    draft: &mut Draft,
    how: impl Fn(Slot, &Instance) -> Option<(StopCause, u64)>,
) {
    for (slot, _) in view.pod.slots() {
        let Some(instance) = &view.seen.history(slot).current else {
            continue;
        };
        if matches!(instance.life, Life::Running { .. })
            && instance.stop.is_none()
            && let Some((cause, grace_ms)) = how(slot, instance)
        {
            begin(draft, slot, instance, cause, grace_ms);
        }
    }
}

/// Why a running instance must be stopped though its Pod lives on, and its grace period.
pub(crate) fn failed(view: &View<'_>, slot: Slot, instance: &Instance) -> Option<(StopCause, u64)> {
    let Life::Running { post_start, .. } = &instance.life else {
        return None;
    };
    if instance.stop.is_some() {
        return None;
    }
    let pod_grace_ms = view.pod.grace_s.saturating_mul(1_000);
    if matches!(post_start, PostStart::Failed(_)) {
        return Some((StopCause::PostStartFailed, pod_grace_ms));
    }
    if replaced(view, slot, instance) {
        return Some((StopCause::DefinitionChanged, pod_grace_ms));
    }
    let Some(kind) = failed_probe(instance) else {
        let resized = resize::needs_restart(&view.pod[slot], view.seen.history(slot));
        return resized.then_some((StopCause::Resize, pod_grace_ms));
    };
    let own = view.pod[slot]
        .probes
        .get(kind)
        .and_then(|probe| probe.grace_s);
    Some((
        StopCause::Probe(kind),
        own.map_or(pod_grace_ms, |grace_s| grace_s.saturating_mul(1_000)),
    ))
}

/// Whether the image was changed of a container that is hash-checked: mains, and sidecars that are
/// up. A plain init container is let alone: it is over soon enough, and what it did is done.
fn replaced(view: &View<'_>, slot: Slot, instance: &Instance) -> bool {
    let container = &view.pod[slot];
    let checked = match container.kind {
        Kind::Main => true,
        Kind::Sidecar => sidecars::is_up(view.pod, slot, instance),
        Kind::Init | Kind::Ephemeral => false,
    };
    let made_from = view.seen.history(slot).definition.as_ref();
    let image = container.spec.image.as_deref().unwrap_or_default();
    checked && made_from.is_some_and(|definition| definition.image != image)
}

/// The startup or liveness probe that has reached its failure threshold.
pub(crate) fn failed_probe(instance: &Instance) -> Option<ProbeKind> {
    [ProbeKind::Startup, ProbeKind::Liveness]
        .into_iter()
        .find(|kind| instance.probe(*kind).verdict == Some(false))
}

fn begin(draft: &mut Draft, slot: Slot, instance: &Instance, cause: StopCause, grace_ms: u64) {
    let step = Step::Stop {
        slot,
        attempt: instance.attempt,
        cause,
        grace_ms,
    };
    draft.step(step, Because::Stopping(cause));
}

/// Takes every stop that is under way one step on.
pub(crate) fn go_on(view: &View<'_>, draft: &mut Draft) {
    for (slot, _) in view.pod.slots() {
        let Some(instance) = &view.seen.history(slot).current else {
            continue;
        };
        let (Life::Running { .. }, Some(stop)) = (&instance.life, &instance.stop) else {
            continue;
        };
        match (stop.signalled, stop.killed) {
            (None, _) => signal(view, draft, slot, instance, stop),
            (Some(signalled), None) => {
                if draft.due(kill_due(stop, signalled)) {
                    let step = Step::Kill {
                        slot,
                        attempt: instance.attempt,
                    };
                    draft.step(step, Because::GraceOver);
                }
            }
            (Some(_), Some(_)) => {}
        }
    }
}

fn signal(view: &View<'_>, draft: &mut Draft, slot: Slot, instance: &Instance, stop: &Stop) {
    if !crate::hooks::pre_stop_over(view, draft, slot, instance, stop) {
        return;
    }
    let ordered = stop.cause == StopCause::Teardown;
    let waits = ordered && sidecars::goes_before(view.pod, view.seen, slot).is_some();
    if waits && !draft.due(stop.deadline) {
        return;
    }
    let because = match sidecars::waited_for(view.pod, view.seen, slot) {
        _ if waits => Because::GraceOver,
        Some(gone) if ordered => Because::Gone(view.name(gone)),
        _ if view.pod[slot].kind == Kind::Sidecar && ordered => Because::TurnToStop,
        _ => Because::Stopping(stop.cause),
    };
    let left_ms = kill_due(stop, view.now).since_ms(view.now);
    draft.step(
        Step::Signal {
            slot,
            attempt: instance.attempt,
            left_ms,
        },
        because,
    );
}

/// When SIGKILL is due for an instance that was signalled at `signalled`.
pub(crate) fn kill_due(stop: &Stop, signalled: Time) -> Time {
    stop.deadline.max(signalled.plus_ms(LEAST_MS))
}
