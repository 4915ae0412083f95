//! Which phase a Pod is in.

use outrigger_pod::{Kind, Pod};

use crate::{Ending, History, Life, Phase, Sandbox, Seen, init_order, sidecars};

/// `status.phase`. A terminal phase is stated only when nothing of the Pod is left, so whoever
/// sees one may rely on it.
pub(crate) fn of(pod: &Pod, seen: &Seen) -> Phase {
    if matches!(seen.sandbox, Sandbox::Released { .. }) {
        return terminal(pod, seen);
    }
    if initializing(pod, seen) {
        return Phase::Pending;
    }
    let all_have_run = pod.of_kind(Kind::Main).all(|(slot, container)| {
        let history = seen.history(slot);
        let waits_for_hook = container.lifecycle.post_start.is_some();
        has_run(history)
            || history.current.as_ref().is_some_and(|instance| {
                matches!(instance.life, Life::Running { .. })
                    && (!waits_for_hook || sidecars::hook_done(instance))
            })
    });
    if all_have_run {
        Phase::Running
    } else {
        Phase::Pending
    }
}

/// Whether a plain init container has yet to pass in a sandbox that stands. In a new sandbox, or
/// after a restart of all containers, a Pod that was Running is Pending until they all have.
fn initializing(pod: &Pod, seen: &Seen) -> bool {
    let lost = seen
        .teardown
        .is_some_and(|teardown| teardown.ending == Ending::SandboxLost);
    let stands = matches!(
        seen.sandbox,
        Sandbox::Ready { .. } | Sandbox::Releasing { .. }
    );
    let mut inits = pod.of_kind(Kind::Init);
    stands && !lost && inits.any(|(slot, _)| !init_order::has_passed(seen.history(slot)))
}

/// Whether an instance of it has come and gone.
fn has_run(history: &History) -> bool {
    history.exit().is_some() || history.previous.is_some()
}

/// Only the mains' exit codes decide, unless the Pod was ended for failing as a whole.
fn terminal(pod: &Pod, seen: &Seen) -> Phase {
    let failed_as_a_whole = seen.teardown.is_none_or(|teardown| match teardown.ending {
        Ending::InitFailed(_) | Ending::DeadlineExceeded | Ending::SandboxLost => true,
        Ending::Deleted | Ending::MainsDone => false,
    });
    let all_zero = pod
        .of_kind(Kind::Main)
        .all(|(slot, _)| seen.history(slot).exit().is_some_and(|exit| exit.code == 0));
    if !failed_as_a_whole && all_zero {
        Phase::Succeeded
    } else {
        Phase::Failed
    }
}
