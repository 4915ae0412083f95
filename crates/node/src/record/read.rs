//! What does a record tell? The fold of its lines; or that it is none, or that it is damaged.

use std::path::Path;

use outrigger_lifecycle::{Fact, Seen, Time};
use outrigger_pod::{Pod, Slot};

use crate::instances::Instances;
use crate::record::{Head, Line, VERSION};

/// A life as its record tells it.
#[derive(Debug)]
pub(crate) struct Recalled {
    /// The Pod as it was updated last.
    pub(crate) pod: Pod,
    /// The boot that the times belong to.
    pub(crate) boot: String,
    /// Nanoseconds of Unix time at the zero of these times.
    pub(crate) zero_ns: i64,
    /// The fold of all facts.
    pub(crate) seen: Seen,
    /// The number of the newest of the shim's events.
    pub(crate) last_seq: u64,
    /// Its instances.
    pub(crate) instances: Instances,
    /// Since when each condition is as it is.
    pub(crate) conditions: Vec<(String, bool, Time)>,
    /// The bytes of all whole lines.
    pub(crate) length: u64,
}

/// A file that tells no life.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReadError {
    /// Its first line was never completed, so nothing was ever done because of it.
    #[error("it was never begun")]
    Empty,
    /// It cannot be read now.
    #[error("read it: {0}")]
    Io(String),
    /// It says something that cannot be.
    #[error("line {line}: {problem}")]
    Damaged {
        /// From 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
}

/// Reads a record. Its last line may be cut, by a kill or a loss of power: it is as if it had never
/// been written, and nothing was done because of it.
///
/// # Errors
/// If there is no life in it.
pub(crate) fn read(path: &Path) -> Result<Recalled, ReadError> {
    let bytes = std::fs::read(path).map_err(|error| ReadError::Io(error.to_string()))?;
    fold(&bytes)
}

fn fold(bytes: &[u8]) -> Result<Recalled, ReadError> {
    let mut recalled: Option<Recalled> = None;
    let mut rest = bytes;
    let mut number = 0;
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        number += 1;
        let (line, after) = (&rest[..end], &rest[end + 1..]);
        let damaged = |problem: String| ReadError::Damaged {
            line: number,
            problem,
        };
        match serde_json::from_slice::<Line>(line) {
            Ok(line) => match &mut recalled {
                None => recalled = Some(begin(line).map_err(damaged)?),
                Some(recalled) => take(recalled, line).map_err(damaged)?,
            },
            // A loss of power can leave a last line of the right length that was never written.
            Err(_) if after.is_empty() => break,
            Err(error) => return Err(damaged(error.to_string())),
        }
        rest = after;
        if let Some(recalled) = &mut recalled {
            recalled.length = (bytes.len() - rest.len()) as u64;
        }
    }
    recalled.ok_or(ReadError::Empty)
}

fn begin(line: Line) -> Result<Recalled, String> {
    let Line::Head(head) = line else {
        return Err("the first line does not say whose life it is".to_owned());
    };
    let Head {
        version,
        boot,
        zero_ns,
        accepted,
        pod,
    } = *head;
    if version != VERSION {
        return Err(format!("version {version} is not {VERSION}"));
    }
    let pod = lowered(pod)?;
    Ok(Recalled {
        seen: Seen::new(&pod, accepted),
        pod,
        boot,
        zero_ns,
        last_seq: 0,
        instances: Instances::default(),
        conditions: Vec::new(),
        length: 0,
    })
}

fn lowered(manifest: k8s_openapi::api::core::v1::Pod) -> Result<Pod, String> {
    Pod::of_valid(manifest).map_err(|invalid| format!("the manifest is not valid: {invalid:?}"))
}

fn take(recalled: &mut Recalled, line: Line) -> Result<(), String> {
    match line {
        Line::Head(_) => return Err("a second head".to_owned()),
        Line::Fact { at, seq, fact } => {
            let count = recalled.pod.containers.len();
            if let Some(Slot(index)) = slot(&fact).filter(|slot| slot.0 >= count) {
                return Err(format!("container {index} of {count}"));
            }
            recalled.seen.observe(&recalled.pod, at, &fact);
            recalled.last_seq = recalled.last_seq.max(seq.unwrap_or(0));
        }
        Line::Instance(line) => {
            let (slot, attempt) = (line.slot, line.attempt);
            recalled.instances.insert(slot, attempt, line.instance());
            recalled
                .instances
                .forget_before(slot, attempt.saturating_sub(2));
        }
        Line::Update { at, pod } => {
            let pod = lowered(*pod)?;
            if pod.uid != recalled.pod.uid || pod.containers.len() < recalled.pod.containers.len() {
                return Err("an update to another Pod".to_owned());
            }
            recalled.pod = pod;
            recalled.seen.observe(&recalled.pod, at, &Fact::Updated);
        }
        Line::Conditions(conditions) => recalled.conditions = conditions,
        Line::Snapshot(snapshot) => {
            if snapshot.seen.containers.len() != recalled.pod.containers.len() {
                return Err("a snapshot of another Pod".to_owned());
            }
            recalled.seen = snapshot.seen;
            recalled.last_seq = snapshot.last_seq;
            recalled.conditions = snapshot.conditions;
            recalled.instances = Instances::default();
            for line in snapshot.instances {
                let instance = line.instance();
                recalled.instances.insert(line.slot, line.attempt, instance);
            }
        }
    }
    Ok(())
}

/// The container that an observation is about.
fn slot(fact: &Fact) -> Option<Slot> {
    match fact {
        Fact::Started { slot, .. }
        | Fact::StartFailed { slot, .. }
        | Fact::Exited { slot, .. }
        | Fact::HookEnded { slot, .. }
        | Fact::Probed { slot, .. }
        | Fact::Resized { slot, .. } => Some(*slot),
        _ => None,
    }
}
