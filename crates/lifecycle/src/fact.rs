//! What can be observed of a Pod: the alphabet of its record.

use outrigger_pod::text::{self, MESSAGE_MAX_BYTES};
use outrigger_pod::{ProbeKind, Slot};
use serde::{Deserialize, Serialize};

use crate::{Because, HookKind, Step, Time};

/// One observation. A Pod's record is a list of facts with their times, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fact {
    /// Whoever carries out steps has taken this one up.
    Began(Step, Because),
    /// The sandbox stands: containers can be started.
    SandboxReady,
    /// The sandbox could not be made.
    SandboxFailed {
        /// A Kubernetes event reason such as `FailedMount` or `FailedCreatePodSandBox`.
        reason: String,
        /// What went wrong.
        message: String,
    },
    /// The shim is gone, and every process of the Pod with it.
    SandboxLost,
    /// Nothing of the Pod is left.
    SandboxReleased,
    /// The shim is there and has not answered for so long that nobody can tell how the Pod is.
    ShimSilent,
    /// The shim answers again.
    ShimAnswered,
    /// The instance's process runs.
    Started {
        /// Which container.
        slot: Slot,
        /// Which instance.
        attempt: u32,
    },
    /// The instance could not be created or started.
    StartFailed {
        /// Which container.
        slot: Slot,
        /// Which instance.
        attempt: u32,
        /// Why.
        failure: StartFailure,
    },
    /// The instance's first process ended.
    Exited {
        /// Which container.
        slot: Slot,
        /// Which instance.
        attempt: u32,
        /// How.
        exit: Exit,
    },
    /// A hook returned.
    HookEnded {
        /// Which container.
        slot: Slot,
        /// Which instance.
        attempt: u32,
        /// Which hook.
        hook: HookKind,
        /// Nothing, or what went wrong.
        result: Result<(), String>,
    },
    /// A probe returned.
    Probed {
        /// Which container.
        slot: Slot,
        /// Which instance.
        attempt: u32,
        /// Which probe.
        kind: ProbeKind,
        /// What it found.
        outcome: Outcome,
    },
    /// A resize returned.
    Resized {
        /// Which container.
        slot: Slot,
        /// Which instance.
        attempt: u32,
        /// Nothing, or what went wrong.
        result: Result<(), String>,
    },
    /// The Pod's manifest was replaced by a newer one of the same uid, which is the one that this
    /// fact is observed with. Containers can only have been added, at the end.
    Updated,
    /// A ConfigMap or Secret that the Pod names has come, changed or gone: what could not be made for
    /// want of it is tried again soon.
    SourcesChanged,
    /// The node was restarted: its probes in flight came to nothing. Whatever else was open is
    /// carried out again ([`crate::open_steps`]) or is told by further facts.
    NodeRestarted,
    /// Someone asked for the Pod's deletion. Asked again, only a shorter grace counts.
    DeleteRequested {
        /// The grace period in seconds instead of the Pod's own.
        grace_s: Option<u64>,
    },
}

impl Fact {
    /// Cuts its texts, which quote what manifests, images and containers wrote: it is kept, shown and told.
    pub fn bound(&mut self) {
        let text = match self {
            Fact::SandboxFailed { message, .. } => message,
            Fact::StartFailed { failure, .. } => &mut failure.message,
            Fact::Exited { exit, .. } => &mut exit.message,
            Fact::HookEnded {
                result: Err(text), ..
            }
            | Fact::Resized {
                result: Err(text), ..
            } => text,
            Fact::Probed {
                outcome: Outcome::Warning(text) | Outcome::Failure(text) | Outcome::Error(text),
                ..
            } => text,
            _ => return,
        };
        text::bound(text, MESSAGE_MAX_BYTES);
    }
}

/// What one probe attempt found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It passed.
    Success,
    /// It passed, with something to say (a redirect to another host).
    Warning(String),
    /// It failed.
    Failure(String),
    /// It could not be carried out at all; this counts as nothing.
    Error(String),
}

/// Why an instance could not be created or started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartFailure {
    /// Kubernetes' waiting reason, such as `CreateContainerConfigError`, `ErrImageNeverPull` or
    /// `RunContainerError`.
    pub reason: String,
    /// What went wrong.
    pub message: String,
    /// Whether the container had been created, so that the failed start counts as an exit with
    /// code 128 (reason `StartError`), to which restart policy and back-off apply. Otherwise no
    /// instance came to be, and the start is tried again by and by.
    pub created: bool,
}

/// How an instance ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// When its first process ended (the shim's own stamp, which may be earlier than the fact's).
    pub at: Time,
    /// 0–255 as `waitid` tells it, or 128 + the signal that killed it.
    pub code: i32,
    /// Kubernetes' reason.
    pub reason: ExitReason,
    /// The termination message.
    pub message: String,
}

/// Kubernetes' reason of a terminated container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ExitReason {
    /// Exit code 0.
    Completed,
    /// Another exit code.
    Error,
    /// The kernel killed a process of the container for want of memory.
    OomKilled,
    /// The first process could not be started.
    StartError,
    /// The shim died and nobody knows.
    ContainerStatusUnknown,
    /// Ended because all containers are started anew.
    RestartingAllContainers,
}

impl ExitReason {
    /// As Kubernetes spells it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            ExitReason::Completed => "Completed",
            ExitReason::Error => "Error",
            ExitReason::OomKilled => "OOMKilled",
            ExitReason::StartError => "StartError",
            ExitReason::ContainerStatusUnknown => "ContainerStatusUnknown",
            ExitReason::RestartingAllContainers => "RestartingAllContainers",
        }
    }
}
