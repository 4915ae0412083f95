//! What really happened in a life: the alphabet of the trace that the oracle judges.

use outrigger_lifecycle::{HookKind, Time};
use outrigger_pod::{ProbeKind, Slot};

/// Something that really happened, or that the node really did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happened {
    /// The sandbox came to be.
    SandboxMade,
    /// The shim died, and all containers with it.
    ShimDied,
    /// All containers are to start anew from here.
    ResetDone,
    /// The node asked for a start.
    StartAsked(Slot, u32),
    /// A process runs.
    Started(Slot, u32),
    /// A process ended by itself or by a signal; the flag says that SIGKILL or the shim's death
    /// did it.
    Exited(Slot, u32, i32, bool),
    /// The kernel took one of its processes for want of memory.
    OutOfMemory(Slot, u32),
    /// A container could not be created.
    NotCreated(Slot, u32),
    /// The node began to stop it, for a probe's sake or not, with this grace in milliseconds.
    StopBegan(Slot, u32, bool, u64),
    /// Its stop signal was sent.
    Signalled(Slot, u32),
    /// SIGKILL was sent.
    Killed(Slot, u32),
    /// A hook began.
    HookBegan(Slot, u32, HookKind),
    /// A hook ended, well or not.
    HookEnded(Slot, u32, HookKind, bool),
    /// A probe began.
    ProbeBegan(Slot, u32, ProbeKind),
    /// A probe ended; true if it succeeded.
    ProbeEnded(Slot, u32, ProbeKind, bool),
    /// Its manifest was replaced by the next version.
    Updated,
    /// A resize was carried out, well or not.
    Resized(Slot, u32, bool),
    /// Someone asked for deletion.
    DeletionAsked,
    /// The node was killed.
    NodeDied,
    /// The node is back.
    NodeBack,
    /// The Pod's end began, with this grace period in milliseconds, by deletion or not.
    TeardownBegan(u64, bool),
    /// Nothing of the Pod is left.
    Released,
}

/// What happened, in order.
pub type Trace = Vec<(Time, Happened)>;
