//! Why a step is taken: data that becomes the Event, the line on the terminal, the sentence of
//! `outrigger why` and the simulator's transcript.

use std::fmt;

use outrigger_pod::{ContainerName, ProbeKind};
use serde::{Deserialize, Serialize};

use crate::{Ending, StopCause};

/// The reason of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Because {
    /// The Pod was accepted.
    PodAccepted,
    /// The sandbox is to be tried again after a failure, or made anew after a loss.
    SandboxMissing,
    /// The Pod has no init containers, or this is the first.
    SandboxReady,
    /// The container before it in the init order has passed: an init exited 0, a sidecar started.
    Passed(ContainerName),
    /// The main before it has been started.
    MainStarted(ContainerName),
    /// It exited and is to run again; the wait is the back-off that was kept, in milliseconds.
    Restart {
        /// The exit code.
        code: i32,
        /// How long after the exit, in milliseconds.
        waited_ms: u64,
    },
    /// The last try to create it failed.
    RetryStart,
    /// The container is up and the hook is declared.
    HookDeclared,
    /// The probe's turn has come.
    ProbeDue(ProbeKind),
    /// Why an instance is stopped.
    Stopping(StopCause),
    /// No preStop hook, or it is over, and nobody else must go first.
    TurnToStop,
    /// The container it had to wait for is gone.
    Gone(ContainerName),
    /// The grace period ran out.
    GraceOver,
    /// Why the Pod ends.
    Ending(Ending),
    /// An exit code matched a rule with action RestartAllContainers.
    ExitRule {
        /// The exit code.
        code: i32,
    },
    /// Every container of the Pod is down.
    NothingRuns,
    /// The Pod is being deleted, and its shim does not answer.
    ShimSilent,
    /// The ephemeral container was added to the Pod.
    Added,
    /// The manifest's requests and limits are others than those of the running container.
    ResizeAsked,
}

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Because::PodAccepted => f.write_str("pod accepted"),
            Because::SandboxMissing => f.write_str("the pod has no sandbox"),
            Because::SandboxReady => f.write_str("sandbox is ready"),
            Because::Passed(name) => write!(f, "{name} has passed"),
            Because::MainStarted(name) => write!(f, "{name} has started"),
            Because::Restart { code, waited_ms } if *waited_ms < 1_000 => {
                write!(f, "it exited with {code}")
            }
            Because::Restart { code, waited_ms } => {
                write!(
                    f,
                    "it exited with {code} and {} s of back-off are over",
                    waited_ms / 1_000
                )
            }
            Because::RetryStart => f.write_str("the last try failed"),
            Because::HookDeclared => f.write_str("the hook is declared"),
            Because::ProbeDue(kind) => write!(f, "{} probe is due", kind.word().to_lowercase()),
            Because::Stopping(StopCause::Probe(kind)) => {
                write!(f, "{} probe failed", kind.word().to_lowercase())
            }
            Because::Stopping(StopCause::PostStartFailed) => {
                f.write_str("its postStart hook failed")
            }
            Because::Stopping(StopCause::DefinitionChanged) => f.write_str("its image was changed"),
            Because::Stopping(StopCause::Resize) => f.write_str("its resize requires a restart"),
            Because::Stopping(StopCause::Teardown) => f.write_str("the pod ends"),
            Because::Stopping(StopCause::Reset) => f.write_str("all containers start anew"),
            Because::TurnToStop => f.write_str("nothing else has to stop first"),
            Because::Gone(name) => write!(f, "{name} is gone"),
            Because::GraceOver => f.write_str("the grace period is over"),
            Because::Ending(Ending::Deleted) => f.write_str("deletion was asked for"),
            Because::Ending(Ending::MainsDone) => f.write_str("all main containers are done"),
            Because::Ending(Ending::InitFailed(_)) => {
                f.write_str("an init container failed and may not be restarted")
            }
            Because::Ending(Ending::DeadlineExceeded) => {
                f.write_str("activeDeadlineSeconds have passed")
            }
            Because::Ending(Ending::SandboxLost) => {
                f.write_str("its sandbox was lost and its restart policy is Never")
            }
            Because::ExitRule { code } => {
                write!(
                    f,
                    "exit code {code} matched a rule that restarts all containers"
                )
            }
            Because::NothingRuns => f.write_str("nothing of the pod runs any more"),
            Because::ShimSilent => f.write_str("it does not answer and the pod is to go"),
            Because::Added => f.write_str("it was added to the pod"),
            Because::ResizeAsked => f.write_str("other resources were asked for"),
        }
    }
}
