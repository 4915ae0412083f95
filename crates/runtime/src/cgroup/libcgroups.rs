//! How do the limits of a Pod's group get written by libcgroups?
//!
//! Only here is that crate used, and only for Pods' groups and those above: it writes a limit in
//! the right file of either generation, but it joins, kills, counts and removes in ways that are
//! too slow or too coarse for a container. The directories exist when it is called.

use ::libcgroups::common::{CgroupManager, ControllerOpt};
use ::libcgroups::{v1, v2};
use oci_spec::runtime::LinuxResources;

use super::controller::Controller;
use super::create::write_all;
use super::error::CgroupError;
use super::group::Cgroup;
use super::layout::{Layout, Mode};
use super::{file, limits};

/// Writes the limits of a group that exists.
pub(super) fn apply(
    layout: &Layout,
    group: &Cgroup,
    resources: &LinuxResources,
) -> Result<(), CgroupError> {
    let mut resources = resources.clone();
    huge_pages(group, &mut resources)?;
    match (layout.mode, layout.unified_mount()) {
        (Mode::V2, Some(mount)) => {
            forbid_swap_v2(group, &mut resources);
            let manager = v2::manager::Manager::new(mount.to_owned(), group.path().into());
            write(group, &resources, manager)
        }
        _ => {
            if let Some(member) = group.members.first().filter(|member| member.tree.unified) {
                write_all(member, &limits::raw(&resources))?;
            }
            if limits::needed(&resources).next().is_none() {
                return Ok(());
            }
            forbid_swap_v1(group, &mut resources);
            write(group, &resources, v1::Manager::new(group.path().as_ref()))
        }
    }
}

fn write<M: CgroupManager>(
    group: &Cgroup,
    resources: &LinuxResources,
    manager: Result<M, M::Error>,
) -> Result<(), CgroupError>
where
    M::Error: std::error::Error + Send + Sync + 'static,
{
    let options = ControllerOpt {
        resources,
        disable_oom_killer: false,
        oom_score_adj: None,
        freezer_state: None,
    };
    manager
        .and_then(|manager| manager.apply(&options))
        .map_err(|source| CgroupError::Apply {
            path: group.path(),
            source: Box::new(source),
        })
}

/// libcgroups refuses huge pages where it finds no controller for them, which on a hybrid machine
/// is on the v2 tree that it does not look at. So they are written here.
fn huge_pages(group: &Cgroup, resources: &mut LinuxResources) -> Result<(), CgroupError> {
    if let Some(member) = group.member(Controller::Hugetlb) {
        let settings = limits::settings(Controller::Hugetlb, member.tree.unified, resources);
        write_all(member, &settings)?;
    }
    resources.set_hugepage_limits(None);
    Ok(())
}

/// libcgroups leaves `memory.swap.max` alone when no swap is allowed, so it is named outright. A
/// kernel without swap accounting has no such file, and is not asked.
fn forbid_swap_v2(group: &Cgroup, resources: &mut LinuxResources) {
    let Some(swap) = resources.memory().as_ref().and_then(limits::swap_max) else {
        return;
    };
    if let Some(memory) = resources.memory_mut() {
        memory.set_swap(None);
    }
    if has_file(group, "memory.swap.max") {
        let mut unified = resources.unified().clone().unwrap_or_default();
        unified.entry("memory.swap.max".to_owned()).or_insert(swap);
        resources.set_unified(Some(unified));
    }
}

/// On v1 memory and swap are limited together, where the kernel accounts swap at all.
fn forbid_swap_v1(group: &Cgroup, resources: &mut LinuxResources) {
    let accounted = has_file(group, "memory.memsw.limit_in_bytes");
    if let Some(memory) = resources.memory_mut() {
        let both = memory.swap().or(memory.limit());
        memory.set_swap(both.filter(|_| accounted));
    }
}

fn has_file(group: &Cgroup, name: &str) -> bool {
    let member = group.member(Controller::Memory);
    member.is_some_and(|member| file::read(&member.dir, name).is_ok())
}
