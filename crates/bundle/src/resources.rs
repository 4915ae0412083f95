//! How do a Pod's amounts become `linux.resources`?

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1 as core;
use oci_spec::runtime::{
    LinuxCpuBuilder, LinuxDeviceCgroup, LinuxDeviceCgroupBuilder, LinuxHugepageLimit,
    LinuxHugepageLimitBuilder, LinuxMemoryBuilder, LinuxPidsBuilder, LinuxResources,
    LinuxResourcesBuilder,
};
use outrigger_pod::resources::{self, CgroupLimits, hugepage_name, pod_limits};
use outrigger_pod::{Pod, Slot};

use crate::error::BundleError;
use crate::request::{HostFacts, Request};

/// The limits of a Pod's own cgroup. `pids` is the node's limit of processes for one Pod.
///
/// # Errors
/// When the OCI types refuse a value.
pub fn pod_resources(
    pod: &Pod,
    host: &HostFacts,
    pids: Option<i64>,
) -> Result<LinuxResources, BundleError> {
    let limits = pod
        .manifest
        .spec
        .as_ref()
        .map(|spec| pod_limits(spec, pids))
        .unwrap_or_default();
    let builder = oci(&limits, LinuxResourcesBuilder::default())?;
    // The kubelet limits every page size of the node, to 0 where the Pod asks for none.
    Ok(builder
        .hugepage_limits(huge_pages(&limits.hugepages, &host.huge_page_sizes_bytes)?)
        .build()?)
}

/// The limits of one container's cgroup that can be changed while it runs.
///
/// # Errors
/// When the OCI types refuse a value.
pub fn container_limits(pod: &Pod, slot: Slot) -> Result<LinuxResources, BundleError> {
    let spec = pod.manifest.spec.as_ref();
    let limits = spec
        .map(|spec| resources::container_limits(spec, &pod[slot].spec))
        .unwrap_or_default();
    Ok(oci(&limits, LinuxResourcesBuilder::default())?.build()?)
}

/// The limits of one container's cgroup, with its device rules.
pub(crate) fn container_resources(request: &Request<'_>) -> Result<LinuxResources, BundleError> {
    let container: &core::Container = &request.pod[request.slot].spec;
    let spec = request.pod.manifest.spec.as_ref();
    let limits = spec
        .map(|spec| resources::container_limits(spec, container))
        .unwrap_or_default();
    let privileged = container
        .security_context
        .as_ref()
        .and_then(|context| context.privileged)
        == Some(true);
    let mut builder =
        oci(&limits, LinuxResourcesBuilder::default())?.devices(vec![all_devices(privileged)?]);
    let sizes: Vec<u64> = limits.hugepages.keys().copied().collect();
    if !sizes.is_empty() {
        builder = builder.hugepage_limits(huge_pages(&limits.hugepages, &sizes)?);
    }
    Ok(builder.build()?)
}

fn all_devices(allow: bool) -> Result<LinuxDeviceCgroup, BundleError> {
    Ok(LinuxDeviceCgroupBuilder::default()
        .allow(allow)
        .access("rwm")
        .build()?)
}

fn oci(
    limits: &CgroupLimits,
    mut builder: LinuxResourcesBuilder,
) -> Result<LinuxResourcesBuilder, BundleError> {
    let mut cpu = LinuxCpuBuilder::default();
    if let Some(shares) = limits.cpu_shares {
        cpu = cpu.shares(shares);
    }
    if let Some(quota_us) = limits.cpu_quota_us {
        cpu = cpu.quota(quota_us);
    }
    if let Some(period_us) = limits.cpu_period_us {
        cpu = cpu.period(period_us);
    }
    builder = builder.cpu(cpu.build()?);
    if let Some(bytes) = limits.memory_bytes {
        // `swap` counts both, so that equal amounts allow no swap.
        builder = builder.memory(
            LinuxMemoryBuilder::default()
                .limit(bytes)
                .swap(bytes)
                .build()?,
        );
    }
    if let Some(pids) = limits.pids {
        builder = builder.pids(LinuxPidsBuilder::default().limit(pids).build()?);
    }
    Ok(builder)
}

fn huge_pages(
    limits: &BTreeMap<u64, u64>,
    sizes: &[u64],
) -> Result<Vec<LinuxHugepageLimit>, BundleError> {
    let mut all = Vec::new();
    let unlisted = limits.keys().filter(|size| !sizes.contains(size));
    for size in sizes.iter().chain(unlisted) {
        let bytes = limits.get(size).copied().unwrap_or(0);
        let limit = i64::try_from(bytes).unwrap_or(i64::MAX);
        all.push(
            LinuxHugepageLimitBuilder::default()
                .page_size(hugepage_name(*size))
                .limit(limit)
                .build()?,
        );
    }
    Ok(all)
}
