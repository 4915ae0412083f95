//! When a probe runs, and what a row of its results comes to.
//!
//! A startup probe runs until it has come to a verdict; until it has succeeded the other two
//! rest. Liveness and startup stop with the container's stop; readiness goes on to the end.

use outrigger_pod::{Kind, Probe, ProbeKind, Slot};

use crate::plan::{Draft, View};
use crate::{Because, Instance, Life, Outcome, PostStart, ProbeSeen, Step, Time, sidecars, stops};

/// Runs the probes that are due. None is asked for that nobody would carry out now.
pub(crate) fn run(view: &View<'_>, draft: &mut Draft) {
    if view.seen.silence.is_some() {
        return;
    }
    for (slot, container) in view
        .pod
        .slots()
        .filter(|(_, container)| container.kind != Kind::Init)
    {
        let Some(instance) = &view.seen.history(slot).current else {
            continue;
        };
        let Life::Running { since, .. } = instance.life else {
            continue;
        };
        for kind in ProbeKind::ALL {
            let Some(probe) = container.probes.get(kind) else {
                continue;
            };
            let seen = instance.probe(kind);
            if seen.in_flight
                || !applies(view, slot, instance, kind)
                || !draft.due(due(probe, seen, since))
            {
                continue;
            }
            let step = Step::Probe {
                slot,
                attempt: instance.attempt,
                kind,
            };
            draft.step(step, Because::ProbeDue(kind));
        }
    }
}

/// The delay counts from the container's start, the period from the start of one attempt to the
/// start of the next.
fn due(probe: &Probe, seen: &ProbeSeen, since: Time) -> Time {
    let first = since.plus_ms(u64::from(probe.initial_delay_s) * 1_000);
    seen.last_began.map_or(first, |last| {
        last.plus_ms(u64::from(probe.period_s) * 1_000)
    })
}

fn applies(view: &View<'_>, slot: Slot, instance: &Instance, kind: ProbeKind) -> bool {
    let ending = instance.stop.is_some()
        || view.seen.teardown.is_some()
        || stops::failed(view, slot, instance).is_some();
    match kind {
        ProbeKind::Startup => {
            !ending && hook_over(view, slot, instance) && instance.probe(kind).verdict.is_none()
        }
        ProbeKind::Liveness => {
            !ending
                && sidecars::is_up(view.pod, slot, instance)
                && instance.probe(kind).verdict != Some(false)
        }
        ProbeKind::Readiness => sidecars::is_up(view.pod, slot, instance),
    }
}

fn hook_over(view: &View<'_>, slot: Slot, instance: &Instance) -> bool {
    let Life::Running { post_start, .. } = &instance.life else {
        return false;
    };
    match post_start {
        PostStart::Done => true,
        PostStart::Waiting => view.pod[slot].lifecycle.post_start.is_none(),
        PostStart::Running { .. } | PostStart::Failed(_) => false,
    }
}

/// Adds a result to a probe's record. An attempt that could not be carried out counts as nothing.
pub(crate) fn fold(seen: &mut ProbeSeen, probe: &Probe, at: Time, outcome: &Outcome) {
    seen.in_flight = false;
    seen.last = Some((at, outcome.clone()));
    let good = match outcome {
        Outcome::Success | Outcome::Warning(_) => true,
        Outcome::Failure(_) => false,
        Outcome::Error(_) => return,
    };
    let count = match seen.streak {
        Some((same, count)) if same == good => count.saturating_add(1),
        _ => 1,
    };
    seen.streak = Some((good, count));
    let threshold = if good {
        probe.success_threshold
    } else {
        probe.failure_threshold
    };
    if count >= threshold {
        seen.verdict = Some(good);
    }
}

#[cfg(test)]
mod tests;
