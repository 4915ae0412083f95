//! Ephemeral containers (KEP-277): each is started once, as soon as there is a sandbox for it,
//! whatever the Pod's own containers do, and never again.

use outrigger_pod::Kind;

use crate::plan::{Draft, View};
use crate::{Because, Step, restarts};

/// Starts those that have never come to be. One that could not be created is tried again, as any
/// container is.
pub(crate) fn start(view: &View<'_>, draft: &mut Draft) {
    for (slot, _) in view.pod.of_kind(Kind::Ephemeral) {
        let history = view.seen.history(slot);
        let never_was = history.current.is_none() && history.previous.is_none();
        if !never_was || !draft.due(restarts::due(history)) {
            continue;
        }
        let because = match history.failure {
            Some(_) => Because::RetryStart,
            None => Because::Added,
        };
        let attempt = history.next_attempt;
        draft.step(Step::Start { slot, attempt }, because);
    }
}

#[cfg(test)]
mod tests;
