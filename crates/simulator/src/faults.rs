//! What goes wrong around a Pod, and what is asked of it while it lives.

use outrigger_pod::Pod;

use crate::Happened;

/// What goes wrong around the Pod.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Faults {
    /// When deletion is asked for: milliseconds, and seconds of grace instead of the Pod's own.
    pub deletions: Vec<(u64, Option<u64>)>,
    /// When the manifest is replaced, in milliseconds, and by what.
    pub updates: Vec<(u64, Pod)>,
    /// When ConfigMaps or Secrets of the Pod's change, in milliseconds.
    pub source_changes: Vec<u64>,
    /// What is done so many milliseconds after something happened for the first time.
    pub upon: Vec<(Happened, u64, Order)>,
    /// When the node is killed, in milliseconds, and how long until it is back.
    pub node_kills: Vec<(u64, u64)>,
    /// At which steps the node is killed as well.
    pub step_kills: Option<StepKills>,
    /// When the shim is killed, in milliseconds.
    pub shim_kills: Vec<u64>,
    /// When the shim stops to answer, in milliseconds, and for how long.
    pub silences: Vec<(u64, u64)>,
    /// How many attempts to make the sandbox fail.
    pub sandbox_failures: u32,
    /// How many resizes fail.
    pub resize_failures: u32,
    /// The longest that a report takes from the shim to the node, in milliseconds.
    pub delay_ms: u64,
}

/// Something that is done to a Pod.
#[derive(Debug, Clone, PartialEq)]
pub enum Order {
    /// Its deletion is asked for, with seconds of grace instead of the Pod's own.
    Delete(Option<u64>),
    /// Its manifest is replaced.
    Update(Box<Pod>),
    /// ConfigMaps or Secrets that it names change.
    ChangeSources,
    /// Its shim is killed.
    KillShim,
    /// Its shim stops to answer, for so many milliseconds.
    Silence(u64),
}

/// Kills of the node right where it takes up a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepKills {
    /// At which step, from 0; `None` is at every one, but only at the first attempt of each
    /// probe: a node that never hears a probe's answer waits for it for ever.
    pub at: Option<usize>,
    /// Between the recording of the step and its carrying out, or else between that and the answer.
    pub before: bool,
    /// How long the node is down, in milliseconds.
    pub down_ms: u64,
}
