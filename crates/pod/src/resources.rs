//! How much may a Pod and each of its containers use, and who dies first when memory runs out?
//!
//! Pure formulas over the defaulted manifest: quality of service, effective requests and limits,
//! cgroup values, OOM scores and the amounts that `resourceFieldRef` hands to a container.

mod cgroup;
mod effective;
mod field;
mod oom;
mod qos;

pub use cgroup::{CgroupLimits, container_limits, hugepage_name, pod_limits};
pub(crate) use effective::aggregate;
pub use effective::{Amounts, Effective, effective};
pub use field::{NodeAmounts, resource_field};
pub use oom::oom_score_adj;
pub use qos::{Qos, qos};

use k8s_openapi::api::core::v1 as core;

use crate::quantity::Quantity;

pub(crate) const CPU: &str = "cpu";
pub(crate) const MEMORY: &str = "memory";
pub(crate) const STORAGE: &str = "ephemeral-storage";
pub(crate) const HUGEPAGES: &str = "hugepages-";

/// Which side of a `resources` field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Requests,
    Limits,
}

/// One amount of a `resources` field, if it is given.
pub(crate) fn amount(
    resources: Option<&core::ResourceRequirements>,
    side: Side,
    name: &str,
) -> Option<Quantity> {
    table(resources, side)?.get(name).map(Quantity::of)
}

/// One side of a `resources` field.
pub(crate) fn table(
    resources: Option<&core::ResourceRequirements>,
    side: Side,
) -> Option<
    &std::collections::BTreeMap<String, k8s_openapi::apimachinery::pkg::api::resource::Quantity>,
> {
    let resources = resources?;
    match side {
        Side::Requests => resources.requests.as_ref(),
        Side::Limits => resources.limits.as_ref(),
    }
}

/// Init containers and mains, in start order; each with whether it keeps running beside the mains.
pub(crate) fn containers(spec: &core::PodSpec) -> impl Iterator<Item = (&core::Container, bool)> {
    let inits = spec.init_containers.iter().flatten();
    inits
        .map(|c| (c, stays(c)))
        .chain(spec.containers.iter().map(|c| (c, true)))
}

/// Whether an entry of `spec.initContainers` keeps running beside the mains.
pub(crate) fn stays(init: &core::Container) -> bool {
    init.restart_policy.as_deref() == Some("Always")
}

/// Whether the Pod as a whole states amounts of a resource that it may state.
pub(crate) fn pod_level(spec: &core::PodSpec) -> Option<&core::ResourceRequirements> {
    let resources = spec.resources.as_ref()?;
    let mut names = resources
        .requests
        .iter()
        .chain(&resources.limits)
        .flat_map(|table| table.keys());
    names.any(|name| pod_level_name(name)).then_some(resources)
}

/// Whether `spec.resources` may speak of this resource.
pub(crate) fn pod_level_name(name: &str) -> bool {
    name == CPU || name == MEMORY || name.starts_with(HUGEPAGES)
}

#[cfg(test)]
mod tests;
