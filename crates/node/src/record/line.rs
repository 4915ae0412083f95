//! What stands in one line of a record?

use k8s_openapi::api::core::v1 as core;
use outrigger_lifecycle::{Fact, Seen, Time};
use outrigger_pod::{Signal, Slot};
use outrigger_wire::checked_line::{self, Opened};
use serde::{Deserialize, Serialize};

use crate::instances::Instance;

/// The version of the format; a record of another one is not read.
pub(crate) const VERSION: u32 = 1;

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Line {
    /// The first line: whose life this is and what its times mean.
    Head(Box<Head>),
    /// Something was observed.
    Fact {
        /// When.
        at: Time,
        /// The number of the shim's event that it came from.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seq: Option<u64>,
        /// What.
        fact: Fact,
    },
    /// An instance is about to be asked of the shim.
    Instance(InstanceLine),
    /// The manifest was replaced by a newer one of the same uid.
    Update {
        /// When.
        at: Time,
        /// The newer one.
        pod: Box<core::Pod>,
    },
    /// Since when each condition is as it is.
    Conditions(Vec<(String, bool, Time)>),
    /// Everything that was known; the lines before it are of no consequence any more.
    Snapshot(Box<Snapshot>),
}

/// Whose life it is and what its times mean.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Head {
    /// [`VERSION`].
    pub(crate) version: u32,
    /// The boot of the machine that all times of this file belong to.
    pub(crate) boot: String,
    /// Nanoseconds of Unix time at the zero of these times.
    pub(crate) zero_ns: i64,
    /// When the Pod was accepted.
    pub(crate) accepted: Time,
    /// The manifest, defaulted, with its uid.
    pub(crate) pod: core::Pod,
}

/// Everything that is known of a Pod.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    /// The fold of all facts.
    pub(crate) seen: Seen,
    /// The number of the newest of the shim's events in it.
    pub(crate) last_seq: u64,
    /// Since when each condition is as it is.
    pub(crate) conditions: Vec<(String, bool, Time)>,
    /// The instances that a status may speak of.
    pub(crate) instances: Vec<InstanceLine>,
}

/// Which container of the shim is which instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InstanceLine {
    /// Which container of the Pod.
    pub(crate) slot: Slot,
    /// Which instance.
    pub(crate) attempt: u32,
    /// Its id, which the shim knows it by.
    pub(crate) id: String,
    /// The id of its image.
    pub(crate) image_id: String,
    /// The number of the signal that asks it to stop.
    pub(crate) stop_signal: i32,
}

impl InstanceLine {
    /// The line of an instance.
    pub(crate) fn of(slot: Slot, attempt: u32, instance: &Instance) -> InstanceLine {
        InstanceLine {
            slot,
            attempt,
            id: instance.id.clone(),
            image_id: instance.image_id.clone(),
            stop_signal: instance.stop_signal.0,
        }
    }

    /// The instance of the line.
    pub(crate) fn instance(&self) -> Instance {
        Instance {
            id: self.id.clone(),
            image_id: self.image_id.clone(),
            stop_signal: Signal(self.stop_signal),
            runs: false,
        }
    }
}

/// A line that tells nothing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It is not what was written.
    Damaged(String),
    /// It is what was written, by a version that knows more than this one.
    Newer(String),
}

impl Line {
    /// Its bytes, with its checksum and the newline that completes it.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, String> {
        let mut bytes = serde_json::to_vec(self)
            .map_err(|error| format!("write a line of the pod's record as JSON: {error}"))?;
        checked_line::seal(&mut bytes);
        Ok(bytes)
    }

    /// The line of these bytes, which come without the newline. Lines of b1e0b9e and before have no checksum.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Line, Unread> {
        match checked_line::open(bytes) {
            Opened::Damaged => Err(Unread::Damaged("its checksum is wrong".to_owned())),
            Opened::Intact(object) => {
                serde_json::from_slice(&object).map_err(|error| Unread::Newer(error.to_string()))
            }
            Opened::Unchecked(bytes) => {
                serde_json::from_slice(bytes).map_err(|error| Unread::Damaged(error.to_string()))
            }
        }
    }
}
