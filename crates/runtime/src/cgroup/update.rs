//! How do the limits of a group change in which something runs?

use oci_spec::runtime::LinuxResources;

use super::controller::Controller;
use super::create::{Level, write_all};
use super::error::CgroupError;
use super::group::{Cgroup, Member};
use super::layout::{Layout, Mode};
use super::limits::Setting;
use super::{file, libcgroups, limits};

impl Layout {
    /// Writes those limits that are given; what is not named stays as it is. Rules about devices are
    /// no limits and stay too.
    ///
    /// # Errors
    /// When the memory that is in use is more than its new limit, and then nothing has changed; or
    /// when the kernel refuses a limit, and then those before it have.
    pub fn update(&self, group: &Cgroup, resources: &LinuxResources) -> Result<(), CgroupError> {
        limits::check(resources)?;
        group.refuse_below_usage(resources)?;
        if let (Level::Group | Level::Pod, Mode::V2, Some(mount)) =
            (group.level, self.mode(), self.unified_mount())
        {
            return libcgroups::apply(mount, group, resources);
        }
        for member in &group.members {
            for controller in member
                .tree
                .controllers
                .iter()
                .filter(|one| self.serves(&member.tree, *one) && *one != Controller::Devices)
            {
                let mut settings = limits::settings(controller, member.tree.unified, resources);
                if controller == Controller::Memory && raises_memory(member, resources) {
                    widest_first(&mut settings);
                }
                write_all(member, &settings)?;
            }
            if member.tree.unified {
                write_all(member, &limits::raw(resources))?;
            }
        }
        Ok(())
    }
}

impl Cgroup {
    /// A limit below what cannot be taken back would end processes, on v2 without a word.
    fn refuse_below_usage(&self, resources: &LinuxResources) -> Result<(), CgroupError> {
        let Some(limit) = new_limit(resources) else {
            return Ok(());
        };
        let used_bytes = self.stats().working_set_bytes.unwrap_or(0);
        if limit >= used_bytes {
            return Ok(());
        }
        Err(CgroupError::BelowUsage {
            path: self.path(),
            limit_bytes: limit,
            used_bytes,
        })
    }
}

/// The limit of memory that is asked for, if one is.
fn new_limit(resources: &LinuxResources) -> Option<u64> {
    let limit = resources.memory().as_ref()?.limit()?;
    u64::try_from(limit).ok().filter(|limit| *limit > 0)
}

/// Whether the limit of memory becomes larger than it is.
fn raises_memory(member: &Member, resources: &LinuxResources) -> bool {
    let Some(asked) = resources.memory().as_ref().and_then(|it| it.limit()) else {
        return false;
    };
    let now = file::number(&member.dir, "memory.limit_in_bytes");
    u64::try_from(asked).map_or(true, |asked| now.is_some_and(|now| asked > now))
}

/// v1 has memory and swap together never below memory alone: what grows, grows from outside.
fn widest_first(settings: &mut [Setting]) {
    let at = |name: &str| settings.iter().position(|setting| setting.file == name);
    if let (Some(memory), Some(both)) = (
        at("memory.limit_in_bytes"),
        at("memory.memsw.limit_in_bytes"),
    ) {
        settings.swap(memory, both);
    }
}
