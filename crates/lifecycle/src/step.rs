//! What the planner can ask for. A step carries everything its execution needs to know; who
//! carries it out has no choices left.

use outrigger_pod::{ProbeKind, Slot};
use serde::{Deserialize, Serialize};

/// One thing to do now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// Make the Pod's shim, namespaces, cgroup and volumes.
    /// Answered by `SandboxReady` or `SandboxFailed`.
    PrepareSandbox,
    /// Create and start a container as its `attempt`-th instance.
    /// Answered by `Started` or `StartFailed`, and one day by `Exited`.
    Start {
        /// Which container.
        slot: Slot,
        /// Its restart count, which also names its log file.
        attempt: u32,
    },
    /// Run a hook. Answered by `HookEnded`.
    RunHook {
        /// Which container.
        slot: Slot,
        /// Which instance.
        attempt: u32,
        /// Which hook.
        hook: HookKind,
    },
    /// Run a probe once. Answered by `Probed`.
    Probe {
        /// Which container.
        slot: Slot,
        /// Which instance.
        attempt: u32,
        /// Which probe.
        kind: ProbeKind,
    },
    /// Note that an instance is being stopped from now on. Nothing to carry out; the hook and the
    /// signals follow as steps of their own.
    Stop {
        /// Which container.
        slot: Slot,
        /// Which instance.
        attempt: u32,
        /// Because of what.
        cause: StopCause,
        /// The whole grace period of this stop, in milliseconds; hook and waiting are part of it.
        grace_ms: u64,
    },
    /// Give a running instance the requests and limits of the manifest as it is now.
    /// Answered by `Resized`.
    Resize {
        /// Which container.
        slot: Slot,
        /// Which instance.
        attempt: u32,
    },
    /// Send the container's stop signal to its first process.
    Signal {
        /// Which container.
        slot: Slot,
        /// Which instance.
        attempt: u32,
        /// What is left of the grace period until SIGKILL, in milliseconds.
        left_ms: u64,
    },
    /// Kill every process of the container.
    Kill {
        /// Which container.
        slot: Slot,
        /// Which instance.
        attempt: u32,
    },
    /// Note that the Pod's end has begun. Nothing to carry out.
    BeginTeardown {
        /// Because of what.
        ending: Ending,
        /// The Pod's grace period for it, in milliseconds.
        grace_ms: u64,
    },
    /// Note that all containers are to be started anew (KEP-5532). Nothing to carry out.
    BeginReset {
        /// The container whose exit rule asked for it.
        source: Slot,
    },
    /// Note that all containers are down and the Pod starts again from its first init container.
    FinishReset,
    /// Kill the Pod's shim, which does not answer, and with it everything that it keeps.
    /// Answered by `SandboxLost`.
    KillShim,
    /// Release whatever the Pod holds: leftovers in its cgroup, mounts, namespaces, the shim.
    /// Answered by `SandboxReleased`.
    ReleaseSandbox,
}

/// Which hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum HookKind {
    /// `lifecycle.postStart`
    PostStart,
    /// `lifecycle.preStop`
    PreStop,
}

/// Why one instance is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum StopCause {
    /// Its startup or liveness probe failed.
    Probe(ProbeKind),
    /// Its postStart hook failed.
    PostStartFailed,
    /// Its image was changed in the manifest.
    DefinitionChanged,
    /// A resource was changed that its resizePolicy wants a restart for.
    Resize,
    /// The Pod ends.
    Teardown,
    /// All containers are started anew.
    Reset,
}

/// Why the Pod ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Ending {
    /// Someone asked for its deletion.
    Deleted,
    /// All mains are done.
    MainsDone,
    /// An init container failed and may not be restarted.
    InitFailed(Slot),
    /// `spec.activeDeadlineSeconds` has passed.
    DeadlineExceeded,
    /// The sandbox was lost and the Pod's restart policy is Never.
    SandboxLost,
}
