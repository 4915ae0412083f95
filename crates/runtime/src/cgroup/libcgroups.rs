//! How do the limits of a Pod's group on a v2 machine get written by libcgroups?
//!
//! Only here is that crate used, and only for Pods' groups and those above on pure v2: there it
//! writes each limit to the right file and does nothing else. It joins, kills, counts and removes in
//! ways that are too slow or too coarse for a container. On v1 and hybrid machines it reads the
//! mount table again for each of twelve controllers, 2 to 4 ms for every Pod, and writes device
//! rules that nobody asked for, so that there limits are written as those of containers are; a test
//! compares the two. The directories exist when it is called.

use std::path::Path;

use ::libcgroups::common::{CgroupManager, ControllerOpt};
use ::libcgroups::v2;
use oci_spec::runtime::LinuxResources;

use super::controller::Controller;
use super::create::write_all;
use super::error::CgroupError;
use super::group::Cgroup;
use super::{file, limits};

/// Writes the limits of a group that exists, in the tree that is mounted at `mount`.
pub(super) fn apply(
    mount: &Path,
    group: &Cgroup,
    resources: &LinuxResources,
) -> Result<(), CgroupError> {
    let mut resources = resources.clone();
    huge_pages(group, &mut resources)?;
    forbid_swap(group, &mut resources);
    let options = ControllerOpt {
        resources: &resources,
        disable_oom_killer: false,
        oom_score_adj: None,
        freezer_state: None,
    };
    v2::manager::Manager::new(mount.to_owned(), group.path().into())
        .and_then(|manager| manager.apply(&options))
        .map_err(|source| CgroupError::Apply {
            path: group.path(),
            source: Box::new(source),
        })
}

/// libcgroups refuses huge pages where it finds no controller for them, even when they are limited
/// to none. So they are written here.
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
fn forbid_swap(group: &Cgroup, resources: &mut LinuxResources) {
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

fn has_file(group: &Cgroup, name: &str) -> bool {
    let member = group.member(Controller::Memory);
    member.is_some_and(|member| file::read(&member.dir, name).is_ok())
}
