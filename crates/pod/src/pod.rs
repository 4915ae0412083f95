//! The Pod as the rest of the program sees it, and the objects that it may refer to.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Index;

use k8s_openapi::api::core::v1 as core;
use serde::{Deserialize, Serialize};

use crate::{Container, Kind, RestartPolicy, Slot};

/// The unique id of a Pod; directories and cgroups are named by it and it is never used again.
/// Only letters, digits and `-` stand in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PodUid(pub String);

impl fmt::Display for PodUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A Pod that was read, defaulted and found valid.
#[derive(Debug, Clone, PartialEq)]
pub struct Pod {
    /// `metadata.name`
    pub name: String,
    /// `metadata.namespace`
    pub namespace: String,
    /// `metadata.uid`
    pub uid: PodUid,
    /// `spec.restartPolicy`
    pub restart_policy: RestartPolicy,
    /// `spec.terminationGracePeriodSeconds`
    pub grace_s: u64,
    /// `spec.activeDeadlineSeconds`
    pub active_deadline_s: Option<u64>,
    /// All containers: init containers and sidecars as listed, then the mains as listed, which is the
    /// order in which they start, and then the ephemeral containers as they were added, so that a
    /// container's slot never changes.
    pub containers: Vec<Container>,
    /// The manifest, defaulted.
    pub manifest: core::Pod,
}

impl Pod {
    /// The Pod of a manifest that was defaulted and found valid before, such as one that was kept.
    ///
    /// # Errors
    /// If it is not valid after all.
    pub fn of_valid(manifest: core::Pod) -> Result<Pod, Vec<crate::validate::Invalid>> {
        crate::lower::pod(manifest)
    }

    /// Every container with its slot, in start order.
    pub fn slots(&self) -> impl DoubleEndedIterator<Item = (Slot, &Container)> {
        self.containers
            .iter()
            .enumerate()
            .map(|(index, container)| (Slot(index), container))
    }

    /// The containers of one kind, in start order.
    pub fn of_kind(&self, kind: Kind) -> impl DoubleEndedIterator<Item = (Slot, &Container)> {
        self.slots()
            .filter(move |(_, container)| container.kind == kind)
    }

    /// Finds a container by its name.
    #[must_use]
    pub fn slot(&self, name: &str) -> Option<Slot> {
        self.slots()
            .find(|(_, container)| container.name.0 == name)
            .map(|(slot, _)| slot)
    }

    /// The container whose processes the ephemeral container in `slot` wants to see
    /// (`targetContainerName`).
    #[must_use]
    pub fn target(&self, slot: Slot) -> Option<Slot> {
        let container = self.containers.get(slot.0)?;
        if container.kind != Kind::Ephemeral {
            return None;
        }
        let spec = self.manifest.spec.as_ref()?;
        let mut ephemeral = spec.ephemeral_containers.iter().flatten();
        let entry = ephemeral.find(|one| one.name == container.name.0)?;
        self.slot(entry.target_container_name.as_deref()?)
    }
}

impl Index<Slot> for Pod {
    type Output = Container;

    fn index(&self, slot: Slot) -> &Container {
        &self.containers[slot.0]
    }
}

/// ConfigMaps and Secrets, by namespace and name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Objects {
    /// The ConfigMaps.
    pub config_maps: BTreeMap<(String, String), core::ConfigMap>,
    /// The Secrets, `stringData` already folded into `data`.
    pub secrets: BTreeMap<(String, String), core::Secret>,
}
