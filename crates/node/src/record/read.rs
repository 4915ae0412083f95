//! What does a record tell? The fold of its lines; or that it is damaged, or newer than this program. Neither
//! is taken for a Pod that never lived.

use std::path::Path;

use outrigger_lifecycle::{Ending, Fact, Seen, Step, Time};
use outrigger_pod::{Pod, Slot};

use crate::instances::Instances;
use crate::own_file;
use crate::record::line::Unread;
use crate::record::{Head, Line, VERSION};

/// The longest record that is read: more than a hundred times the size at which one is made anew.
const LONGEST_BYTES: u64 = 64 << 20;
/// So many zeros in a row are a part of a file that was never written.
const UNWRITTEN: usize = 16;

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
    /// There is none.
    #[error("it is missing")]
    Absent,
    /// It cannot be read now.
    #[error("read it: {0}")]
    Io(String),
    /// It says something that cannot be.
    #[error("it is damaged: line {line}: {problem}")]
    Damaged {
        /// From 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// A later version of this program wrote it.
    #[error("it was written by a newer version of this program: line {line}: {problem}")]
    Newer {
        /// From 1.
        line: usize,
        /// What this version does not know.
        problem: String,
    },
}

/// Reads a record. Its last line may be cut, by a kill or a loss of power: it is as if it had never
/// been written, and nothing was done because of it.
///
/// # Errors
/// If there is no life in it.
pub(crate) fn read(path: &Path) -> Result<Recalled, ReadError> {
    let bytes = own_file::read(path, LONGEST_BYTES).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => ReadError::Absent,
        _ => ReadError::Io(error.to_string()),
    })?;
    fold(&bytes)
}

fn fold(bytes: &[u8]) -> Result<Recalled, ReadError> {
    let mut recalled: Option<Recalled> = None;
    let mut rest = bytes;
    let mut number = 0;
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        number += 1;
        let (line, after) = (&rest[..end], &rest[end + 1..]);
        let taken = Line::decode(line).and_then(|line| match &mut recalled {
            None => begin(line).map(|begun| recalled = Some(begun)),
            Some(recalled) => take(recalled, line).map_err(Unread::Damaged),
        });
        match taken {
            Ok(()) => {}
            // A loss of power can leave a last line of the right length that was never written.
            Err(Unread::Damaged(_)) if after.is_empty() && is_unwritten(line) => break,
            Err(unread) => return Err(unread.at(number)),
        }
        rest = after;
        if let Some(recalled) = &mut recalled {
            recalled.length = (bytes.len() - rest.len()) as u64;
        }
    }
    // A record comes into being whole, by a rename, so that an empty one has been cut.
    let cut = || Unread::Damaged("it ends before it says whose life it is".to_owned());
    recalled.ok_or_else(|| cut().at(1))
}

/// Whether a part of the line was never written.
fn is_unwritten(line: &[u8]) -> bool {
    let zeros = |part: &[u8]| part.iter().all(|byte| *byte == 0);
    line.windows(UNWRITTEN).any(zeros) || (line.len() < UNWRITTEN && zeros(line))
}

impl Unread {
    fn at(self, line: usize) -> ReadError {
        match self {
            Unread::Damaged(problem) => ReadError::Damaged { line, problem },
            Unread::Newer(problem) => ReadError::Newer { line, problem },
        }
    }
}

fn begin(line: Line) -> Result<Recalled, Unread> {
    let Line::Head(head) = line else {
        let problem = "the first line does not say whose life it is";
        return Err(Unread::Damaged(problem.to_owned()));
    };
    let Head {
        version,
        boot,
        zero_ns,
        accepted,
        pod,
    } = *head;
    if version != VERSION {
        let problem = format!("its format is {version}, and this version knows {VERSION}");
        return Err(Unread::Newer(problem));
    }
    let pod = lowered(pod).map_err(Unread::Damaged)?;
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
        Line::Instance(line) if line.slot.0 >= recalled.pod.containers.len() => {
            return Err(format!("an instance of container {}", line.slot.0));
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
        Fact::Began(step, _) => slot_of(step),
        _ => None,
    }
}

/// The container that a step is about.
fn slot_of(step: &Step) -> Option<Slot> {
    match step {
        Step::Start { slot, .. }
        | Step::RunHook { slot, .. }
        | Step::Probe { slot, .. }
        | Step::Stop { slot, .. }
        | Step::Resize { slot, .. }
        | Step::Signal { slot, .. }
        | Step::Kill { slot, .. }
        | Step::BeginReset { source: slot } => Some(*slot),
        Step::BeginTeardown {
            ending: Ending::InitFailed(slot),
            ..
        } => Some(*slot),
        Step::PrepareSandbox
        | Step::KillShim
        | Step::BeginTeardown { .. }
        | Step::FinishReset
        | Step::ReleaseSandbox => None,
    }
}
