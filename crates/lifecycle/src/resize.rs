//! When a running instance gets other requests and limits, in place (KEP-1287).

use outrigger_pod::{Container, Kind};

use crate::plan::{Draft, View};
use crate::{Because, History, Instance, Life, Sizes, Step, stops};

/// How long after a failure a resize is tried again.
const RETRY_MS: u64 = 10_000;

/// Whether an instance has other sizes than its manifest gives it now.
pub(crate) fn is_wanted(container: &Container, history: &History) -> bool {
    let asked = Sizes::of(container);
    container.kind != Kind::Ephemeral
        && history
            .definition
            .as_ref()
            .is_some_and(|definition| definition.sizes != asked)
        && history
            .current
            .as_ref()
            .is_some_and(|instance| matches!(instance.life, Life::Running { .. }))
}

/// Whether what has to change cannot change without a restart (`resizePolicy`).
pub(crate) fn needs_restart(container: &Container, history: &History) -> bool {
    let Some(definition) = history
        .definition
        .as_ref()
        .filter(|_| is_wanted(container, history))
    else {
        return false;
    };
    let policies = container.spec.resize_policy.as_deref().unwrap_or_default();
    let mut differing = definition.sizes.differing(Sizes::of(container));
    differing.any(|resource| {
        policies.iter().any(|policy| {
            policy.resource_name == resource && policy.restart_policy == "RestartContainer"
        })
    })
}

/// Resizes what can be resized while it runs, one container after the other: what the whole Pod needs
/// is known only when it is known what the last one has got.
pub(crate) fn run(view: &View<'_>, draft: &mut Draft) {
    if view
        .pod
        .slots()
        .any(|(slot, _)| is_under_way(view.seen.history(slot)))
    {
        return;
    }
    for (slot, container) in view.pod.slots() {
        let history = view.seen.history(slot);
        let Some(instance) = &history.current else {
            continue;
        };
        if instance.stop.is_some()
            || stops::failed(view, slot, instance).is_some()
            || !is_wanted(container, history)
            || !may_begin(instance, container, draft)
        {
            continue;
        }
        let attempt = instance.attempt;
        draft.step(Step::Resize { slot, attempt }, Because::ResizeAsked);
        return;
    }
}

fn is_under_way(history: &History) -> bool {
    let current = history.current.as_ref().filter(|one| one.is_live());
    current
        .and_then(|instance| instance.resize.as_ref())
        .is_some_and(|resizing| resizing.failed.is_none())
}

/// Not while one is under way. One that failed waits, unless something else is asked for by now.
fn may_begin(instance: &Instance, container: &Container, draft: &mut Draft) -> bool {
    match &instance.resize {
        None => true,
        Some(resizing) => match &resizing.failed {
            None => false,
            Some((at, _)) => resizing.to != Sizes::of(container) || draft.due(at.plus_ms(RETRY_MS)),
        },
    }
}

#[cfg(test)]
mod tests;
