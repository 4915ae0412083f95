//! Which process does the kernel kill first when the machine runs out of memory?

use k8s_openapi::api::core::v1 as core;

use super::{MEMORY, Qos, Side, aggregate, amount, pod_level, qos, stays};

const NEVER: i64 = -997;
const FIRST: i64 = 1000;
const CRITICAL: &str = "system-node-critical";

/// The `oom_score_adj` of a container on a node with `capacity_bytes` of memory. A sidecar never
/// scores higher than the hungriest-scored main, so that it is not killed before them.
#[must_use]
pub fn oom_score_adj(
    spec: &core::PodSpec,
    container: &core::Container,
    capacity_bytes: i64,
) -> i32 {
    let class = qos(spec);
    let adj = if class == Qos::Guaranteed || spec.priority_class_name.as_deref() == Some(CRITICAL) {
        NEVER
    } else if class == Qos::BestEffort {
        FIRST
    } else {
        burstable(spec, container, capacity_bytes)
    };
    // The value lies within -997 and 1000, so the conversion cannot fail.
    i32::try_from(adj).unwrap_or(0)
}

fn burstable(spec: &core::PodSpec, container: &core::Container, capacity_bytes: i64) -> i64 {
    let share = remaining_share(spec);
    let score = |request: i64| {
        let used =
            i128::from(request.saturating_add(share)) * 1000 / i128::from(capacity_bytes.max(1));
        1000 - i64::try_from(used).unwrap_or(i64::MAX)
    };
    let own = score(request_bytes(container));
    let is_init = spec
        .init_containers
        .iter()
        .flatten()
        .any(|init| init.name == container.name);
    let adj = if is_init && stays(container) {
        let least = spec.containers.iter().map(request_bytes).min().unwrap_or(0);
        own.min(score(least))
    } else {
        own
    };
    // Even a Pod that requests all memory stays above the guaranteed ones, and below best effort.
    adj.clamp(FIRST + NEVER, FIRST - 1)
}

/// What the Pod requests as a whole beyond its containers, in equal parts for each.
fn remaining_share(spec: &core::PodSpec) -> i64 {
    let Some(stated) = amount(pod_level(spec), Side::Requests, MEMORY) else {
        return 0;
    };
    let sums = aggregate(spec, Side::Requests);
    let used = sums.get(MEMORY).map_or(0, |amount| amount.value());
    let count = spec.containers.len() + spec.init_containers.as_ref().map_or(0, Vec::len);
    let count = i64::try_from(count).unwrap_or(i64::MAX).max(1);
    stated.value().saturating_sub(used).max(0) / count
}

fn request_bytes(container: &core::Container) -> i64 {
    amount(container.resources.as_ref(), Side::Requests, MEMORY).map_or(0, |amount| amount.value())
}
