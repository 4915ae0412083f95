//! When a Pod ends, and in which order its containers go.
//!
//! All preStop hooks start at once. Mains and a running init container get their stop signal
//! right after it; a sidecar when all mains and all later sidecars are gone, so they go last
//! listed first. The grace period is one budget for all of it: when it is over, whoever is left
//! is signalled at once, with two seconds.

use outrigger_pod::{Container, Kind, RestartPolicy, Slot};

use crate::plan::{Draft, View};
use crate::{
    Because, Ending, ExitReason, Life, Sandbox, Step, StopCause, Time, init_order, probes,
    restarts, stops,
};

/// The least grace period of a Pod that somebody ends, in seconds: asked for 0, it gets 1, so
/// that its preStop hooks at least begin (kubelet: the Pod worker's minimum).
pub(crate) const LEAST_S: u64 = 1;

/// Whether the Pod has to end now, and why.
pub(crate) fn ending(view: &View<'_>, draft: &mut Draft) -> Option<Ending> {
    if view.seen.deletion.is_some() {
        return Some(Ending::Deleted);
    }
    let deadline = view
        .pod
        .active_deadline_s
        .map(|s| view.seen.accepted.plus_ms(s.saturating_mul(1_000)));
    if deadline.is_some_and(|deadline| draft.due(deadline)) {
        return Some(Ending::DeadlineExceeded);
    }
    if view.seen.reset.is_some() {
        return None;
    }
    if let Some((slot, _)) = view
        .pod
        .of_kind(Kind::Init)
        .find(|(slot, c)| init_failed(view, *slot, c))
    {
        return Some(Ending::InitFailed(slot));
    }
    let lost = matches!(view.seen.sandbox, Sandbox::Absent { .. })
        && view.pod.restart_policy == RestartPolicy::Never
        && view.seen.anything_has_been();
    let mut mains = view.pod.of_kind(Kind::Main).peekable();
    if mains.peek().is_some() && mains.all(|(slot, c)| main_over(view, slot, c)) {
        let unknown = |(slot, _)| {
            let exit = view.seen.history(slot).exit();
            exit.is_some_and(|exit| exit.reason == ExitReason::ContainerStatusUnknown)
        };
        return if lost && view.pod.of_kind(Kind::Main).any(unknown) {
            Some(Ending::SandboxLost)
        } else {
            Some(Ending::MainsDone)
        };
    }
    lost.then_some(Ending::SandboxLost)
}

fn init_failed(view: &View<'_>, slot: Slot, container: &Container) -> bool {
    let history = view.seen.history(slot);
    !init_order::has_passed(history)
        && history.exit().is_some_and(|exit| {
            !restarts::restarts_all(container, exit.code)
                && !restarts::wanted(view.pod, container, exit, None)
        })
}

/// A main is over when it has ended and will not run again, or when a probe has condemned it and
/// its policy is Never: nothing can come of it any more, so the Pod need not wait for its end.
fn main_over(view: &View<'_>, slot: Slot, container: &Container) -> bool {
    let history = view.seen.history(slot);
    let Some(instance) = &history.current else {
        return false;
    };
    match &instance.life {
        Life::Starting => false,
        Life::Running { .. } => {
            stops::failed_probe(instance).is_some()
                && restarts::policy(view.pod, container) == RestartPolicy::Never
                && container.restart_rules.is_empty()
        }
        Life::Exited { exit, .. } => {
            !restarts::restarts_all(container, exit.code)
                && !restarts::wanted(view.pod, container, exit, restarts::stopped_for(history))
        }
    }
}

/// The grace period of a teardown that begins now.
pub(crate) fn grace_ms(view: &View<'_>, ending: Ending) -> u64 {
    match (ending, view.seen.deletion) {
        (Ending::Deleted, Some(deletion)) => deletion.deadline.since_ms(view.now),
        // The end that a Pod reaches by itself takes the period as it is written.
        (Ending::MainsDone, _) => view.pod.grace_s.saturating_mul(1_000),
        _ => view.pod.grace_s.max(LEAST_S).saturating_mul(1_000),
    }
}

/// A Pod that is ending.
pub(crate) fn go_on(view: &View<'_>, draft: &mut Draft) {
    if !view.seen.anything_lives() {
        if !matches!(view.seen.sandbox, Sandbox::Preparing { .. }) {
            draft.step(Step::ReleaseSandbox, Because::NothingRuns);
        }
        return;
    }
    let left_ms = deadline(view).since_ms(view.now);
    stops::begin_all(view, draft, |slot, instance| {
        match stops::failed(view, slot, instance) {
            // Condemned by a probe before the end began: the probe's own grace period holds, unless
            // the Pod is being deleted (INV-27).
            Some((cause @ StopCause::Probe(_), grace_ms)) if view.seen.deletion.is_none() => {
                Some((cause, grace_ms))
            }
            _ => Some((StopCause::Teardown, left_ms)),
        }
    });
    probes::run(view, draft);
    stops::go_on(view, draft);
}

/// When the grace period of the whole teardown is over.
fn deadline(view: &View<'_>) -> Time {
    let own = view.seen.teardown.map_or(view.now, |teardown| {
        teardown.began.plus_ms(teardown.grace_ms)
    });
    view.seen
        .deletion
        .map_or(own, |deletion| own.min(deletion.deadline))
}
