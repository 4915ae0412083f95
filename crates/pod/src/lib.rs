//! What a Pod is: a manifest read strictly, defaulted and validated, and the words that every
//! other crate speaks.
//!
//! This crate never does I/O, reads no clock and knows nothing of processes. Start reading at
//! [`manifest`], which turns text into [`Pod`]s and everything that is wrong with it into
//! [`manifest::Problem`]s, or at [`Pod`], which is what the rest of the program sees.

mod container;
mod handler;
pub mod manifest;
mod pod;
mod signal;

pub use container::{
    Container, ContainerName, ExitRule, Kind, Operator, RestartPolicy, RuleAction, Slot,
};
pub use handler::{Action, HookAction, HttpGet, Lifecycle, Probe, ProbeKind, Probes, Scheme};
pub use pod::{Objects, Pod, PodUid};
pub use signal::Signal;
