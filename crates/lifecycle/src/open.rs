//! Which steps were begun and not answered? After a restart of the node they are carried out again;
//! whoever carries a step out must take the same one twice and do it once.

use outrigger_pod::{Pod, Slot};

use crate::{HookKind, Instance, Life, PostStart, PreStop, Sandbox, Seen, Step, stops};

/// The steps of `pod` that were begun and whose answer has not been seen, in an order in which they
/// can be carried out. Probes are not among them: they are tried anew when their turn comes.
#[must_use]
pub fn open_steps(pod: &Pod, seen: &Seen) -> Vec<Step> {
    let mut open = Vec::new();
    match seen.sandbox {
        Sandbox::Preparing { .. } => open.push(Step::PrepareSandbox),
        Sandbox::Absent { .. }
        | Sandbox::Ready { .. }
        | Sandbox::Releasing { .. }
        | Sandbox::Released { .. } => {}
    }
    for (slot, _) in pod.slots() {
        let history = seen.containers.get(slot.0);
        if let Some(instance) = history.and_then(|history| history.current.as_ref()) {
            of_instance(slot, instance, &mut open);
        }
    }
    if seen.silence.is_some_and(|silence| silence.killed.is_some()) {
        open.push(Step::KillShim);
    }
    if matches!(seen.sandbox, Sandbox::Releasing { .. }) {
        open.push(Step::ReleaseSandbox);
    }
    open
}

fn of_instance(slot: Slot, instance: &Instance, open: &mut Vec<Step>) {
    let attempt = instance.attempt;
    let hook = |hook| Step::RunHook {
        slot,
        attempt,
        hook,
    };
    let post_start = match &instance.life {
        Life::Starting => return open.push(Step::Start { slot, attempt }),
        Life::Exited { .. } => return,
        Life::Running { post_start, .. } => post_start,
    };
    if matches!(post_start, PostStart::Running { .. }) {
        open.push(hook(HookKind::PostStart));
    }
    if let Some(resizing) = &instance.resize
        && resizing.failed.is_none()
    {
        open.push(Step::Resize { slot, attempt });
    }
    let Some(stop) = &instance.stop else {
        return;
    };
    if matches!(stop.pre_stop, PreStop::Running { .. }) {
        open.push(hook(HookKind::PreStop));
    }
    if let Some(signalled) = stop.signalled {
        let left_ms = stops::kill_due(stop, signalled).since_ms(signalled);
        open.push(Step::Signal {
            slot,
            attempt,
            left_ms,
        });
    }
    if stop.killed.is_some() {
        open.push(Step::Kill { slot, attempt });
    }
}

#[cfg(test)]
mod tests;
