//! What is known of a Pod whose shim does not answer, and when does it end if it is to go?
//!
//! A shim that is stopped, or waits for a disk that hangs, keeps its containers, and they may go on. Nothing
//! is concluded from its silence, and nothing of the Pod is ended for it, until somebody wants the Pod to go.

use crate::plan::{Draft, View};
use crate::{Because, Condition, Phase, Sandbox, Seen, Step};

/// How long after the grace period of a deletion a shim may stay silent.
const PATIENCE_MS: u64 = 10_000;

/// Ends a silent shim whose Pod is being deleted: some time after the grace period, at once if none was
/// wanted.
pub(crate) fn end(view: &View<'_>, draft: &mut Draft) {
    let (Some(silence), Some(deletion)) = (view.seen.silence, view.seen.deletion) else {
        return;
    };
    let stands = matches!(view.seen.sandbox, Sandbox::Ready { .. });
    let due = deletion.deadline.plus_ms(PATIENCE_MS);
    let due = deletion.forced.map_or(due, |forced| forced.min(due));
    if stands && silence.killed.is_none() && draft.due(due) {
        draft.step(Step::KillShim, Because::ShimSilent);
    }
}

/// What is said instead of whether the Pod is ready.
pub(crate) fn condition(kind: &'static str, seen: &Seen, phase: Phase) -> Option<Condition> {
    let lives = matches!(phase, Phase::Pending | Phase::Running);
    seen.silence.filter(|_| lives)?;
    let message = "the pod's shim does not answer: its containers may go on, and nobody can tell";
    Some(Condition {
        kind,
        holds: false,
        unknown: true,
        reason: "ShimUnresponsive",
        message: message.to_owned(),
    })
}

#[cfg(test)]
mod tests;
