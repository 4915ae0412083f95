//! Which numbers go into a container's cgroup, and which into its Pod's?

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1 as core;

use super::{
    Amounts, CPU, HUGEPAGES, MEMORY, Qos, Side, amount, containers, effective, pod_level, qos,
    table,
};
use crate::quantity::Quantity;

const SHARES_MIN: u64 = 2;
const SHARES_MAX: u64 = 262_144;
const QUOTA_MIN_US: i64 = 1_000;
const PERIOD_US: u64 = 100_000;

/// The numbers of one cgroup; `None` leaves the kernel's default, which is no limit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CgroupLimits {
    /// Weight against siblings, on cgroup v1's scale of 2 to 262144.
    pub cpu_shares: Option<u64>,
    /// Microseconds of CPU time in one period.
    pub cpu_quota_us: Option<i64>,
    /// Length of the period; given whenever the quota is.
    pub cpu_period_us: Option<u64>,
    /// Bytes of memory.
    pub memory_bytes: Option<i64>,
    /// Number of tasks.
    pub pids: Option<i64>,
    /// Bytes of huge pages by page size in bytes. A page size that is not listed is limited to 0.
    pub hugepages: BTreeMap<u64, u64>,
}

/// The limits of one container's own cgroup.
#[must_use]
pub fn container_limits(spec: &core::PodSpec, container: &core::Container) -> CgroupLimits {
    let own = container.resources.as_ref();
    let whole = pod_level(spec);
    // A limit of the whole Pod stands in where the container has none of its own.
    let limit = |name| {
        above_zero(own, Side::Limits, name).or_else(|| above_zero(whole, Side::Limits, name))
    };
    let cpu_limit = limit(CPU);
    let weight = amount(own, Side::Requests, CPU)
        .or(cpu_limit)
        .unwrap_or(Quantity::ZERO);
    CgroupLimits {
        cpu_shares: Some(shares(weight)),
        cpu_quota_us: cpu_limit.map(quota_us),
        cpu_period_us: cpu_limit.map(|_| PERIOD_US),
        memory_bytes: limit(MEMORY).map(Quantity::value),
        pids: None,
        hugepages: own_hugepages(own),
    }
}

/// The limits of the Pod's cgroup, above those of its containers. `pids` is the node's limit for
/// one Pod; 0 and less mean none.
#[must_use]
pub fn pod_limits(spec: &core::PodSpec, pids: Option<i64>) -> CgroupLimits {
    let whole = effective(spec);
    let class = qos(spec);
    let limited = |name: &str| {
        let everywhere = containers(spec)
            .all(|(c, _)| above_zero(c.resources.as_ref(), Side::Limits, name).is_some());
        class == Qos::Guaranteed
            || class == Qos::Burstable
                && (everywhere || above_zero(pod_level(spec), Side::Limits, name).is_some())
    };
    let limit = |name: &str| {
        whole
            .limits
            .get(name)
            .copied()
            .filter(|q| limited(name) && !q.is_zero())
    };
    let cpu_limit = limit(CPU);
    let weight = match class {
        Qos::BestEffort => Quantity::ZERO,
        Qos::Guaranteed | Qos::Burstable => {
            whole.requests.get(CPU).copied().unwrap_or(Quantity::ZERO)
        }
    };
    CgroupLimits {
        cpu_shares: Some(shares(weight)),
        cpu_quota_us: cpu_limit.map(quota_us),
        cpu_period_us: cpu_limit.map(|_| PERIOD_US),
        memory_bytes: limit(MEMORY).map(Quantity::value),
        pids: pids.filter(|most| *most > 0),
        hugepages: hugepages(&whole.requests),
    }
}

/// How the kernel names a page size in `hugetlb.<size>.…`, and OCI in `pageSize`: `2MB`, `1GB`.
#[must_use]
pub fn hugepage_name(page_bytes: u64) -> String {
    let units = [(1u64 << 30, "GB"), (1 << 20, "MB")];
    match units
        .iter()
        .find(|(unit, _)| page_bytes >= *unit && page_bytes.is_multiple_of(*unit))
    {
        Some((unit, name)) => format!("{}{name}", page_bytes / unit),
        None => format!("{}KB", page_bytes >> 10),
    }
}

fn above_zero(
    resources: Option<&core::ResourceRequirements>,
    side: Side,
    name: &str,
) -> Option<Quantity> {
    amount(resources, side, name).filter(|amount| *amount > Quantity::ZERO)
}

/// CPU as a weight: 1024 for each CPU.
fn shares(cpu: Quantity) -> u64 {
    let milli = u64::try_from(cpu.milli_value()).unwrap_or(0);
    (milli.saturating_mul(1024) / 1000).clamp(SHARES_MIN, SHARES_MAX)
}

/// CPU as microseconds in each period.
fn quota_us(cpu: Quantity) -> i64 {
    (cpu.milli_value().saturating_mul(PERIOD_US.cast_signed()) / 1000).max(QUOTA_MIN_US)
}

fn own_hugepages(resources: Option<&core::ResourceRequirements>) -> BTreeMap<u64, u64> {
    let limits = table(resources, Side::Limits).into_iter().flatten();
    hugepages(
        &limits
            .map(|(name, text)| (name.clone(), Quantity::of(text)))
            .collect(),
    )
}

fn hugepages(amounts: &Amounts) -> BTreeMap<u64, u64> {
    let sized = |(name, amount): (&String, &Quantity)| {
        let page = Quantity::parse(name.strip_prefix(HUGEPAGES)?).ok()?;
        Some((
            u64::try_from(page.value()).ok()?,
            u64::try_from(amount.value()).ok()?,
        ))
    };
    amounts.iter().filter_map(sized).collect()
}
