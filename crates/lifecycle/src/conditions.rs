//! The Pod's conditions.

use outrigger_pod::text::{MESSAGE_MAX_BYTES, cut};
use outrigger_pod::{Container, Kind, Pod, Slot};

use crate::{Condition, ContainerStatus, Phase, Sandbox, Seen, State, resize, restarts, silence};

/// `status.conditions`, in the kubelet's order.
pub(crate) fn of(
    pod: &Pod,
    seen: &Seen,
    phase: Phase,
    statuses: &[ContainerStatus],
) -> Vec<Condition> {
    let containers_ready = containers_ready(pod, seen, phase, statuses);
    let mut conditions = vec![
        plain(
            "PodReadyToStartContainers",
            matches!(seen.sandbox, Sandbox::Ready { .. }),
        ),
        initialized(pod, phase, statuses),
        ready(pod, &containers_ready),
        containers_ready,
        plain("PodScheduled", true),
    ];
    if pod.containers.iter().any(|container| {
        container
            .restart_rules
            .iter()
            .any(|rule| rule.action == outrigger_pod::RuleAction::RestartAllContainers)
    }) {
        conditions.push(restarting(pod, seen));
    }
    conditions.extend(resizing(pod, seen));
    conditions
}

fn plain(kind: &'static str, holds: bool) -> Condition {
    Condition {
        kind,
        holds,
        unknown: false,
        reason: "",
        message: String::new(),
    }
}

fn initialized(pod: &Pod, phase: Phase, statuses: &[ContainerStatus]) -> Condition {
    let kind = "Initialized";
    let main_has_run = pod.of_kind(Kind::Main).any(|(Slot(slot), _)| {
        matches!(
            statuses[slot].state,
            State::Running { .. } | State::Terminated { .. }
        ) || statuses[slot].last.is_some()
    });
    let incomplete = names(pod, |slot, container_kind| match container_kind {
        Kind::Init => !statuses[slot].ready,
        Kind::Sidecar => !statuses[slot].started,
        Kind::Main | Kind::Ephemeral => false,
    });
    match (phase, main_has_run || incomplete.is_empty()) {
        (Phase::Succeeded, _) => Condition {
            kind,
            holds: true,
            unknown: false,
            reason: "PodCompleted",
            message: String::new(),
        },
        (_, true) => plain(kind, true),
        (_, false) => {
            let message = format!(
                "containers with incomplete status: [{}]",
                incomplete.join(" ")
            );
            Condition {
                kind,
                holds: false,
                unknown: false,
                reason: "ContainersNotInitialized",
                message,
            }
        }
    }
}

fn containers_ready(
    pod: &Pod,
    seen: &Seen,
    phase: Phase,
    statuses: &[ContainerStatus],
) -> Condition {
    let kind = "ContainersReady";
    if let Some(unknown) = silence::condition(kind, seen, phase) {
        return unknown;
    }
    let unready = names(pod, |slot, container_kind| {
        matches!(container_kind, Kind::Sidecar | Kind::Main) && !statuses[slot].ready
    });
    let (reason, message) = match phase {
        Phase::Succeeded => ("PodCompleted", String::new()),
        Phase::Failed => ("PodFailed", String::new()),
        Phase::Pending | Phase::Running if unready.is_empty() => return plain(kind, true),
        Phase::Pending | Phase::Running => (
            "ContainersNotReady",
            format!("containers with unready status: [{}]", unready.join(" ")),
        ),
    };
    Condition {
        kind,
        holds: false,
        unknown: false,
        reason,
        message,
    }
}

/// Readiness gates are conditions that somebody else sets; here nobody does, so a Pod with gates
/// is never ready, and says why.
fn ready(pod: &Pod, containers_ready: &Condition) -> Condition {
    let kind = "Ready";
    let gates = pod
        .manifest
        .spec
        .as_ref()
        .and_then(|spec| spec.readiness_gates.as_ref());
    let missing: Vec<String> = gates
        .into_iter()
        .flatten()
        .map(|gate| {
            format!(
                "corresponding condition of pod readiness gate \"{}\" does not exist.",
                gate.condition_type
            )
        })
        .collect();
    if containers_ready.holds && !missing.is_empty() {
        let message = cut(&missing.join(", "), MESSAGE_MAX_BYTES).into_owned();
        return Condition {
            kind,
            holds: false,
            unknown: false,
            reason: "ReadinessGatesNotReady",
            message,
        };
    }
    Condition {
        kind,
        ..containers_ready.clone()
    }
}

fn restarting(pod: &Pod, seen: &Seen) -> Condition {
    let kind = "AllContainersRestarting";
    let asked = pod.slots().any(|(slot, container)| {
        seen.history(slot)
            .exit()
            .is_some_and(|exit| restarts::restarts_all(container, exit.code))
    });
    if seen.teardown.is_none() && (asked || seen.reset.is_some()) {
        let message = "container exited with restart policy rule".to_owned();
        return Condition {
            kind,
            holds: true,
            unknown: false,
            reason: "RestartAllContainersStarted",
            message,
        };
    }
    plain(kind, false)
}

/// Stands only while a running container has other sizes than it should; `Error` if the last try
/// to give them to it failed.
fn resizing(pod: &Pod, seen: &Seen) -> Option<Condition> {
    let kind = "PodResizeInProgress";
    let wanted =
        |(slot, container): &(Slot, &Container)| resize::is_wanted(container, seen.history(*slot));
    if seen.teardown.is_some() || !pod.slots().any(|entry| wanted(&entry)) {
        return None;
    }
    let failure = pod.slots().filter(wanted).find_map(|(slot, container)| {
        let instance = seen.history(slot).current.as_ref()?;
        let (_, message) = instance.resize.as_ref()?.failed.as_ref()?;
        Some(format!("{}: {message}", container.name))
    });
    let reason = if failure.is_some() { "Error" } else { "" };
    Some(Condition {
        kind,
        holds: true,
        unknown: false,
        reason,
        message: failure.unwrap_or_default(),
    })
}

/// The names of the containers that `pick` picks, in start order.
fn names(pod: &Pod, pick: impl Fn(usize, Kind) -> bool) -> Vec<String> {
    pod.slots()
        .filter(|(Slot(slot), c)| pick(*slot, c.kind))
        .map(|(_, c)| c.name.0.clone())
        .collect()
}
