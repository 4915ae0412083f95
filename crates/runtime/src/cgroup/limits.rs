//! Which values go into which files for the resources of an OCI configuration?

use std::borrow::Cow;

use oci_spec::runtime::{LinuxCpu, LinuxMemory, LinuxResources};

use super::controller::{Controller, Controllers};
use super::devices;
use super::error::CgroupError;

/// A value for a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setting {
    /// The file's name.
    pub(super) file: Cow<'static, str>,
    /// What to write.
    pub(super) value: String,
    /// Whether a kernel without that file does the right thing anyway.
    pub(super) optional: bool,
}

fn set(file: impl Into<Cow<'static, str>>, value: impl ToString) -> Setting {
    Setting {
        file: file.into(),
        value: value.to_string(),
        optional: false,
    }
}

fn optional(file: impl Into<Cow<'static, str>>, value: impl ToString) -> Setting {
    Setting {
        optional: true,
        ..set(file, value)
    }
}

/// The kernel's period of CPU quotas, which a new group has.
const PERIOD_US: u64 = 100_000;

/// Refuses what no part of this module carries out.
pub(super) fn check(resources: &LinuxResources) -> Result<(), CgroupError> {
    let cpu = resources.cpu().as_ref();
    let memory = resources.memory().as_ref();
    let refused = [
        (
            "cpu.cpus",
            cpu.is_some_and(|cpu| cpu.cpus().as_ref().is_some_and(|list| !list.is_empty())),
        ),
        (
            "cpu.mems",
            cpu.is_some_and(|cpu| cpu.mems().as_ref().is_some_and(|list| !list.is_empty())),
        ),
        (
            "cpu.realtimeRuntime",
            cpu.is_some_and(|cpu| cpu.realtime_runtime().is_some_and(|it| it != 0)),
        ),
        (
            "cpu.realtimePeriod",
            cpu.is_some_and(|cpu| cpu.realtime_period().is_some_and(|it| it != 0)),
        ),
        (
            "memory.kernel",
            memory.is_some_and(|memory| memory.kernel().is_some_and(|it| it > 0)),
        ),
        (
            "memory.kernelTCP",
            memory.is_some_and(|memory| memory.kernel_tcp().is_some_and(|it| it > 0)),
        ),
        ("blockIO", resources.block_io().is_some()),
        ("network", resources.network().is_some()),
        (
            "rdma",
            resources.rdma().as_ref().is_some_and(|map| !map.is_empty()),
        ),
    ];
    match refused.into_iter().find(|(_, asked)| *asked) {
        Some((field, _)) => Err(CgroupError::Unsupported { field }),
        None => Ok(()),
    }
}

/// The controllers without which these resources cannot be limited.
pub(super) fn needed(resources: &LinuxResources) -> impl Iterator<Item = Controller> {
    let pids = resources
        .pids()
        .as_ref()
        .is_some_and(|pids| pids.limit() > 0);
    let memory = resources
        .memory()
        .as_ref()
        .is_some_and(|memory| memory.limit().is_some_and(|limit| limit > 0));
    let cpu = resources.cpu().as_ref().is_some_and(|cpu| {
        cpu.shares().is_some_and(|it| it > 0)
            || cpu.quota().is_some_and(|it| it > 0)
            || cpu.idle().is_some()
    });
    let pages = resources
        .hugepage_limits()
        .as_ref()
        .is_some_and(|limits| limits.iter().any(|limit| limit.limit() > 0));
    [
        (Controller::Cpu, cpu),
        (Controller::Memory, memory),
        (Controller::Pids, pids),
        (Controller::Hugetlb, pages),
    ]
    .into_iter()
    .filter_map(|(controller, asked)| asked.then_some(controller))
}

/// The controllers to switch on where that has to be asked for: those that are needed, and that of
/// huge pages where they are limited to none.
pub(super) fn wanted(resources: &LinuxResources) -> Controllers {
    let pages = resources.hugepage_limits().as_ref();
    let pages = pages.is_some_and(|limits| !limits.is_empty());
    let pages = pages.then_some(Controller::Hugetlb);
    needed(resources).chain(pages).collect()
}

/// What one controller's files get for a container, in the order of writing.
pub(super) fn settings(
    controller: Controller,
    unified: bool,
    resources: &LinuxResources,
) -> Vec<Setting> {
    match (controller, unified) {
        (Controller::Cpu, _) => resources
            .cpu()
            .as_ref()
            .map_or_else(Vec::new, |it| cpu(it, unified)),
        (Controller::Memory, true) => memory_v2(resources.memory().as_ref()),
        (Controller::Memory, false) => resources.memory().as_ref().map_or_else(Vec::new, memory_v1),
        (Controller::Pids, _) => resources
            .pids()
            .iter()
            .map(|pids| set("pids.max", max_or(pids.limit(), "max")))
            .collect(),
        (Controller::Hugetlb, _) => hugetlb(resources, unified),
        (Controller::Devices, false) => {
            let asked = resources.devices().as_deref().unwrap_or_default();
            let file = |allow| {
                if allow {
                    "devices.allow"
                } else {
                    "devices.deny"
                }
            };
            devices::rules(asked)
                .into_iter()
                .map(|rule| set(file(rule.allow), rule.line))
                .collect()
        }
        (Controller::Cpuacct | Controller::Freezer | Controller::Devices, _) => Vec::new(),
    }
}

/// The entries of the `unified` map, which go to v2 files by name.
pub(super) fn raw(resources: &LinuxResources) -> Vec<Setting> {
    let mut entries: Vec<_> = resources.unified().iter().flatten().collect();
    entries.sort();
    entries
        .into_iter()
        .map(|(name, value)| set(name.clone(), value))
        .collect()
}

fn max_or(limit: i64, none: &str) -> String {
    if limit > 0 {
        limit.to_string()
    } else {
        none.to_owned()
    }
}

fn cpu(cpu: &LinuxCpu, unified: bool) -> Vec<Setting> {
    let mut settings = Vec::new();
    let period_us = cpu
        .period()
        .filter(|period_us| *period_us > 0)
        .unwrap_or(PERIOD_US);
    let quota_us = cpu.quota().filter(|quota_us| *quota_us != 0);
    let shares = cpu.shares().filter(|shares| *shares > 0);
    if unified {
        settings.extend(shares.map(|shares| set("cpu.weight", weight(shares))));
        let period_set = period_us != PERIOD_US;
        if quota_us.is_some() || period_set {
            let quota = max_or(quota_us.unwrap_or(-1), "max");
            settings.push(set("cpu.max", format!("{quota} {period_us}")));
        }
        settings.extend(cpu.burst().map(|burst_us| set("cpu.max.burst", burst_us)));
    } else {
        settings.extend(shares.map(|shares| set("cpu.shares", shares)));
        if period_us != PERIOD_US {
            settings.push(set("cpu.cfs_period_us", period_us));
        }
        settings.extend(quota_us.map(|quota_us| set("cpu.cfs_quota_us", max_or(quota_us, "-1"))));
        settings.extend(
            cpu.burst()
                .map(|burst_us| set("cpu.cfs_burst_us", burst_us)),
        );
    }
    settings.extend(cpu.idle().map(|idle| set("cpu.idle", idle)));
    settings
}

/// v1 shares (2 to 262144, 1024 by default) as a v2 weight (1 to 10000, 100 by default): the curve
/// through these three pairs that container runtimes agree upon.
pub(super) fn weight(shares: u64) -> u64 {
    if shares <= 2 {
        return 1;
    }
    if shares >= 262_144 {
        return 10_000;
    }
    #[allow(
        clippy::cast_precision_loss,
        reason = "shares below 2^18 are exact in a double"
    )]
    let log = (shares as f64).log2();
    let exponent = (log * log + 125.0 * log) / 612.0 - 7.0 / 34.0;
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the curve ends at 10000"
    )]
    let weight = 10_f64.powf(exponent).ceil() as u64;
    weight.clamp(1, 10_000)
}

/// Where memory is limited and nothing is said of swap, swap is 0: a limit that pages out is none.
fn memory_v1(memory: &LinuxMemory) -> Vec<Setting> {
    let mut settings = Vec::new();
    if let Some(limit) = memory.limit().filter(|limit| *limit != 0) {
        settings.push(set("memory.limit_in_bytes", max_or(limit, "-1")));
    }
    let both = memory
        .swap()
        .filter(|swap| *swap != 0)
        .or(memory.limit().filter(|limit| *limit > 0));
    // The file is missing where the kernel does not account swap.
    settings.extend(both.map(|both| optional("memory.memsw.limit_in_bytes", max_or(both, "-1"))));
    let reservation = memory.reservation().filter(|reservation| *reservation > 0);
    settings.extend(reservation.map(|reservation| set("memory.soft_limit_in_bytes", reservation)));
    settings.extend(
        memory
            .swappiness()
            .map(|swappiness| set("memory.swappiness", swappiness)),
    );
    if memory.disable_oom_killer() == Some(true) {
        settings.push(set("memory.oom_control", 1));
    }
    settings
}

fn memory_v2(memory: Option<&LinuxMemory>) -> Vec<Setting> {
    // The kubelet has a container die as a whole.
    let mut settings = vec![optional("memory.oom.group", 1)];
    let Some(memory) = memory else {
        return settings;
    };
    let limit = memory.limit().filter(|limit| *limit != 0);
    settings.extend(swap_max(memory).map(|swap| optional("memory.swap.max", swap)));
    settings.extend(limit.map(|limit| set("memory.max", max_or(limit, "max"))));
    let reservation = memory.reservation().filter(|reservation| *reservation > 0);
    settings.extend(reservation.map(|reservation| set("memory.low", reservation)));
    settings
}

/// `memory.swap.max`, which counts swap alone, from OCI's `swap`, which counts memory too.
pub(super) fn swap_max(memory: &LinuxMemory) -> Option<String> {
    let limit = memory.limit().filter(|limit| *limit > 0);
    match (memory.swap().filter(|swap| *swap != 0), limit) {
        (Some(both), _) if both < 0 => Some("max".to_owned()),
        (Some(both), Some(limit)) => Some(both.saturating_sub(limit).max(0).to_string()),
        (None, Some(_)) => Some("0".to_owned()),
        (_, None) => None,
    }
}

fn hugetlb(resources: &LinuxResources, unified: bool) -> Vec<Setting> {
    let suffix = if unified { "max" } else { "limit_in_bytes" };
    let limits = resources.hugepage_limits().as_deref().unwrap_or_default();
    let named =
        |part: &str, size: &str, limit: i64| (format!("hugetlb.{size}{part}.{suffix}"), limit);
    let mut settings = Vec::new();
    for limit in limits {
        let (file, value) = named("", limit.page_size(), limit.limit());
        // None of a page size that the kernel does not account is no promise to break.
        settings.push(Setting {
            optional: value == 0,
            ..set(file, value)
        });
        let (file, value) = named(".rsvd", limit.page_size(), limit.limit());
        settings.push(optional(file, value));
    }
    settings
}

#[cfg(test)]
mod tests;
