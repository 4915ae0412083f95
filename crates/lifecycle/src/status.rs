//! The Pod's status as the planner states it; whoever shows it adds wall-clock times, addresses,
//! image and container ids.

use outrigger_pod::Pod;

use crate::{Ending, Exit, Seen, Sizes, Time, conditions, container_status, phase};

/// `status.phase`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Accepted, not all of it has started.
    Pending,
    /// Its mains have been started.
    Running,
    /// Over; every main exited 0.
    Succeeded,
    /// Over; something failed.
    Failed,
}

/// One entry of `status.conditions`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// `PodScheduled`, `PodReadyToStartContainers`, `Initialized`, `ContainersReady`, `Ready`,
    /// `AllContainersRestarting` or `PodResizeInProgress`.
    pub kind: &'static str,
    /// Whether it holds.
    pub holds: bool,
    /// Whether nobody can tell whether it holds; it counts as one that does not.
    pub unknown: bool,
    /// Kubernetes' reason; empty if there is none.
    pub reason: &'static str,
    /// For people.
    pub message: String,
}

/// The state of one container as Kubernetes tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It does not run, and will.
    Waiting {
        /// Kubernetes' reason; may be empty.
        reason: String,
        /// For people.
        message: String,
    },
    /// It runs.
    Running {
        /// Since when.
        since: Time,
    },
    /// It has ended.
    Terminated {
        /// When it had started to run.
        started: Option<Time>,
        /// How it ended.
        exit: Exit,
    },
}

/// The status of one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerStatus {
    /// `state`
    pub state: State,
    /// `lastState`, if there is one: when it had started, and how it ended.
    pub last: Option<(Option<Time>, Exit)>,
    /// `ready`
    pub ready: bool,
    /// `started`
    pub started: bool,
    /// `restartCount`
    pub restart_count: u32,
    /// What a running instance has, while that is not what its manifest asks for.
    pub has_still: Option<Sizes>,
}

/// The status of a Pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// `phase`
    pub phase: Phase,
    /// `reason`, such as `DeadlineExceeded`.
    pub reason: &'static str,
    /// `message`
    pub message: String,
    /// `conditions`, in the kubelet's order.
    pub conditions: Vec<Condition>,
    /// One entry a container, by slot.
    pub containers: Vec<ContainerStatus>,
}

impl Status {
    /// How `pod` stands, given what is known of it at `now`.
    pub(crate) fn of(pod: &Pod, seen: &Seen, now: Time) -> Status {
        let phase = phase::of(pod, seen);
        let containers: Vec<ContainerStatus> = pod
            .slots()
            .map(|(slot, _)| container_status::of(pod, seen, slot, now))
            .collect();
        let conditions = conditions::of(pod, seen, phase, &containers);
        let (reason, message) = match seen.teardown.map(|teardown| teardown.ending) {
            Some(Ending::DeadlineExceeded) => (
                "DeadlineExceeded",
                "Pod was active on the node longer than the specified deadline".to_owned(),
            ),
            Some(Ending::SandboxLost) => ("SandboxLost", "The pod's sandbox was lost".to_owned()),
            _ => ("", String::new()),
        };
        Status {
            phase,
            reason,
            message,
            conditions,
            containers,
        }
    }
}

#[cfg(test)]
mod tests;
