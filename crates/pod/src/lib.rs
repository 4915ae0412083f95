//! What a Pod is: a manifest read strictly, defaulted and validated, and the words that every
//! other crate speaks.
//!
//! This crate never does I/O, reads no clock and knows nothing of processes. Start reading at
//! [`manifest`], which turns text into [`Pod`]s and everything that is wrong with it into
//! [`manifest::Problem`]s, or at [`Pod`], which is what the rest of the program sees.

pub mod admission;
pub mod bounds;
mod container;
mod defaults;
mod handler;
mod lower;
pub mod manifest;
mod pod;
pub mod quantity;
pub mod render;
pub mod resources;
mod signal;
pub mod support;
pub mod text;
pub mod validate;

pub use container::{
    Container, ContainerName, ExitRule, Kind, Operator, RestartPolicy, RuleAction, Slot,
};
pub use handler::{Action, HookAction, HttpGet, Lifecycle, Probe, ProbeKind, Probes, Scheme};
pub use pod::{Objects, Pod, PodUid};
pub use signal::Signal;
