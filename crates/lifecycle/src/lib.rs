//! What happens next to a Pod, and why.
//!
//! [`plan`] is a pure function of the Pod, of what has been [`Seen`] of it, and of the time. It
//! answers with the steps to take now (each with its [`Because`]), the time at which to ask
//! again, and the Pod's status. Whoever carries steps out records each as [`Fact::Began`] and
//! then reports what came of it as further [`Fact`]s; `Seen` is the fold of those facts, so a
//! recorded life can be replayed.
//!
//! This crate never reads a clock, a file, a socket, a thread, an environment variable or the
//! order of a hash map. Start reading at [`plan`].

mod because;
mod conditions;
mod container_status;
mod definition;
mod ephemerals;
mod fact;
#[cfg(test)]
mod fixture;
mod hooks;
mod init_order;
mod invariants;
mod mains;
mod observe;
mod open;
mod phase;
mod plan;
mod probes;
mod resize;
mod restarts;
mod seen;
mod sidecars;
mod silence;
mod status;
mod step;
mod stops;
mod teardown;
mod time;

pub use because::Because;
pub use definition::{Definition, Sizes};
pub use fact::{Exit, ExitReason, Fact, Outcome, StartFailure};
pub use open::open_steps;
pub use plan::{Plan, plan};
pub use seen::{
    BackOff, Deletion, History, Instance, Life, PostStart, PreStop, ProbeSeen, Reset, Resizing,
    Sandbox, Seen, Silence, Stop, Teardown,
};
pub use status::{Condition, ContainerStatus, Phase, State, Status};
pub use step::{Ending, HookKind, Step, StopCause};
pub use time::Time;
