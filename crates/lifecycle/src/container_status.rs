//! How one container stands, in Kubernetes' words.

use outrigger_pod::{Kind, Pod, ProbeKind, Slot};

use crate::{
    ContainerStatus, Exit, ExitReason, History, Instance, Life, PostStart, Sandbox, Seen, State,
    Time, init_order, resize, restarts, sidecars,
};

/// The status of the container in `slot`.
pub(crate) fn of(pod: &Pod, seen: &Seen, slot: Slot, now: Time) -> ContainerStatus {
    let history = seen.history(slot);
    let (state, last) = state(pod, seen, slot, now);
    let container = &pod[slot];
    let up = history
        .current
        .as_ref()
        .is_some_and(|instance| sidecars::is_up(pod, slot, instance));
    let (started, ready) = match container.kind {
        // A plain init container is ready when it is done.
        Kind::Init => (up, init_order::has_passed(history)),
        // Nobody asks whether an ephemeral container is up.
        Kind::Ephemeral => (false, false),
        Kind::Sidecar | Kind::Main => {
            let probed = container.probes.readiness.is_none()
                || history.current.as_ref().is_some_and(|instance| {
                    instance.probe(ProbeKind::Readiness).verdict == Some(true)
                });
            (up, up && probed)
        }
    };
    let restart_count = match &history.current {
        Some(instance) => instance.attempt,
        // An instance that did not come to be, for want of its image for example, is no restart yet.
        None if history.failure.is_some() => history.next_attempt.saturating_sub(1),
        None => history.next_attempt,
    };
    let definition = history.definition.as_ref();
    let has_still = definition
        .filter(|_| resize::is_wanted(container, history))
        .map(|definition| definition.sizes);
    ContainerStatus {
        state,
        last,
        ready,
        started,
        restart_count,
        has_still,
    }
}

type Last = Option<(Option<Time>, Exit)>;

fn state(pod: &Pod, seen: &Seen, slot: Slot, now: Time) -> (State, Last) {
    let history = seen.history(slot);
    if let Some((_, failure)) = &history.failure {
        let state = State::Waiting {
            reason: failure.reason.clone(),
            message: failure.message.clone(),
        };
        return (state, history.previous.clone());
    }
    let Some(instance) = &history.current else {
        return (
            waiting_for_first(pod, seen, history),
            history.previous.clone(),
        );
    };
    match &instance.life {
        Life::Starting => (coming_up(pod, instance), history.previous.clone()),
        Life::Running { since, post_start } => {
            let hook = pod[slot].lifecycle.post_start.is_some();
            let shown = !hook || *post_start == PostStart::Done || instance.stop.is_some();
            let state = if shown {
                State::Running { since: *since }
            } else {
                coming_up(pod, instance)
            };
            (state, history.previous.clone())
        }
        Life::Exited { started, exit } => match waiting_to_restart(pod, seen, slot, now) {
            Some(state) => (state, Some((*started, exit.clone()))),
            None => (
                State::Terminated {
                    started: *started,
                    exit: exit.clone(),
                },
                history.previous.clone(),
            ),
        },
    }
}

/// While an instance comes up. Only for the first has Kubernetes a word; the reasons before it
/// would tell of a Pod that is being initialized, which is long over when a main is restarted.
fn coming_up(pod: &Pod, instance: &Instance) -> State {
    if instance.attempt == 0 {
        return creating(pod);
    }
    State::Waiting {
        reason: String::new(),
        message: String::new(),
    }
}

/// Before there is anything to tell: the kubelet's words depend on whether the Pod has init
/// containers, and are the same for those themselves.
fn creating(pod: &Pod) -> State {
    let has_inits = pod
        .containers
        .iter()
        .any(|container| matches!(container.kind, Kind::Init | Kind::Sidecar));
    let reason = if has_inits {
        "PodInitializing"
    } else {
        "ContainerCreating"
    };
    State::Waiting {
        reason: reason.to_owned(),
        message: String::new(),
    }
}

fn waiting_for_first(pod: &Pod, seen: &Seen, history: &History) -> State {
    let reset = history
        .previous
        .as_ref()
        .filter(|(_, exit)| exit.reason == ExitReason::RestartingAllContainers);
    if reset.is_some() && seen.teardown.is_none() {
        let reason = ExitReason::RestartingAllContainers.word().to_owned();
        return State::Waiting {
            reason,
            message: String::new(),
        };
    }
    creating(pod)
}

/// A container that keeps its back-off is waiting, with its exit as `lastState`.
fn waiting_to_restart(pod: &Pod, seen: &Seen, slot: Slot, now: Time) -> Option<State> {
    let history = seen.history(slot);
    let container = &pod[slot];
    let exit = history.exit()?;
    let settled = seen.teardown.is_some() || !matches!(seen.sandbox, Sandbox::Ready { .. });
    let wanted = restarts::wanted(pod, container, exit, restarts::stopped_for(history));
    let due = restarts::due(history);
    if settled || !wanted || due <= now {
        return None;
    }
    if exit.reason == ExitReason::StartError {
        return Some(State::Waiting {
            reason: "RunContainerError".to_owned(),
            message: exit.message.clone(),
        });
    }
    let message = format!(
        "back-off {}s restarting failed container={} pod={}_{}({})",
        due.since_ms(exit.at) / 1_000,
        container.name,
        pod.name,
        pod.namespace,
        pod.uid
    );
    Some(State::Waiting {
        reason: "CrashLoopBackOff".to_owned(),
        message,
    })
}
