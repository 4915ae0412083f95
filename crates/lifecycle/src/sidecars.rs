//! What a sidecar is to the planner: an init container that has passed when it is *up*, and that
//! is stopped after the mains, last listed first (KEP-753).

use outrigger_pod::{Kind, Pod, ProbeKind, Slot};

use crate::{Instance, Life, PostStart, Seen};

/// Whether an instance is up: it runs, its postStart hook has returned and its startup probe, if
/// there is one, has succeeded. For a sidecar this lets the next container start.
pub(crate) fn is_up(pod: &Pod, slot: Slot, instance: &Instance) -> bool {
    let container = &pod[slot];
    let Life::Running { post_start, .. } = &instance.life else {
        return false;
    };
    let hook_over = match post_start {
        PostStart::Waiting => container.lifecycle.post_start.is_none(),
        PostStart::Running { .. } | PostStart::Failed(_) => false,
        PostStart::Done => true,
    };
    let probed = container.probes.startup.is_none()
        || instance.probe(ProbeKind::Startup).verdict == Some(true);
    hook_over && probed
}

/// Who must be gone before a container gets its stop signal in a teardown: nobody, or for a
/// sidecar the first of the mains and of the sidecars listed after it that still lives.
pub(crate) fn goes_before(pod: &Pod, seen: &Seen, slot: Slot) -> Option<Slot> {
    if pod[slot].kind != Kind::Sidecar {
        return None;
    }
    let others = pod
        .slots()
        .filter(|(other, container)| match container.kind {
            Kind::Main => true,
            Kind::Sidecar => *other > slot,
            Kind::Init | Kind::Ephemeral => false,
        });
    others
        .map(|(other, _)| other)
        .rev()
        .find(|other| seen.history(*other).is_live())
}

/// Who went last of those that a sidecar waited for, for the words of its signal.
pub(crate) fn waited_for(pod: &Pod, seen: &Seen, slot: Slot) -> Option<Slot> {
    if pod[slot].kind != Kind::Sidecar {
        return None;
    }
    let began = seen.teardown?.began;
    let gone = pod.slots().filter_map(|(other, container)| {
        let ahead =
            container.kind == Kind::Main || (container.kind == Kind::Sidecar && other > slot);
        let at = seen
            .history(other)
            .exit()
            .filter(|exit| ahead && exit.at >= began)?
            .at;
        Some((at, other))
    });
    gone.max().map(|(_, other)| other)
}

/// Whether the postStart hook of a running instance has returned well.
pub(crate) fn hook_done(instance: &Instance) -> bool {
    matches!(
        &instance.life,
        Life::Running {
            post_start: PostStart::Done,
            ..
        }
    )
}
