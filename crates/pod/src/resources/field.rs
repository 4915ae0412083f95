//! What does a `resourceFieldRef` say?

use k8s_openapi::api::core::v1 as core;

use super::{CPU, MEMORY, STORAGE, Side, amount, pod_level};
use crate::quantity::Quantity;

/// What the node has to give, for limits that nobody set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeAmounts {
    /// Thousandths of a CPU.
    pub cpu_milli: i64,
    /// Bytes of memory.
    pub memory_bytes: i64,
    /// Bytes of disk.
    pub storage_bytes: i64,
}

/// The value of `selector` for `container`, the container it names: the amount divided by the
/// divisor, rounded up. A limit that is not set is the Pod's, else the node's allocatable amount.
#[must_use]
pub fn resource_field(
    spec: &core::PodSpec,
    container: &core::Container,
    selector: &core::ResourceFieldSelector,
    allocatable: NodeAmounts,
) -> String {
    let (side, name) = match selector.resource.split_once('.') {
        Some(("limits", name)) => (Side::Limits, name),
        Some(("requests", name)) => (Side::Requests, name),
        _ => return "0".to_owned(),
    };
    let given = amount(container.resources.as_ref(), side, name);
    let amount = match side {
        Side::Requests => given,
        Side::Limits => given
            .filter(|limit| !limit.is_zero())
            .or_else(|| {
                amount(pod_level(spec), Side::Limits, name).filter(|limit| !limit.is_zero())
            })
            .or_else(|| allocatable.of(name)),
    };
    let divisor = selector
        .divisor
        .as_ref()
        .map_or(Quantity::ZERO, Quantity::of);
    amount
        .unwrap_or(Quantity::ZERO)
        .divided_up(divisor)
        .to_string()
}

impl NodeAmounts {
    fn of(self, name: &str) -> Option<Quantity> {
        match name {
            CPU => Some(Quantity::milli(self.cpu_milli)),
            MEMORY => Some(Quantity::whole(self.memory_bytes)),
            STORAGE => Some(Quantity::whole(self.storage_bytes)),
            _ => None,
        }
    }
}
