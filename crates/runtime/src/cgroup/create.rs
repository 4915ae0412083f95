//! How does a group come to be in every tree, with its limits written?

use std::io;
use std::sync::Arc;

use oci_spec::runtime::LinuxResources;
use rustix::io::Errno;

use super::controller::{Controller, Controllers};
use super::error::CgroupError;
use super::group::{Cgroup, Member};
use super::layout::{Layout, Mode, Tree};
use super::limits::Setting;
use super::{file, libcgroups, limits, make};

/// What a group is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// It gathers Pods, such as `/outrigger/burstable`.
    Group,
    /// It gathers the containers of a Pod.
    Pod,
    /// It holds the processes of one container.
    Container,
}

/// How often a group may lose its parents while controllers are switched on.
const ATTEMPTS: usize = 20;

impl Layout {
    /// Makes a group in every tree in use, with its parents, and writes its limits. A Pod's group or
    /// one above may exist already; a container's may if nothing runs in it. When a limit is refused
    /// the group is removed again.
    ///
    /// # Errors
    /// When the path is bad, a directory cannot be made, or a limit cannot be written.
    pub fn create(
        &self,
        path: &str,
        resources: &LinuxResources,
        level: Level,
    ) -> Result<Cgroup, CgroupError> {
        let path = relative(path)?;
        limits::check(resources)?;
        let mut group = Cgroup {
            path: path.to_owned(),
            level,
            members: Vec::with_capacity(self.trees.len()),
        };
        for tree in &self.trees {
            let made = if tree.unified {
                self.make_unified(tree, path, resources)
            } else {
                make::member(tree, path)
            };
            match made {
                Ok(member) => group.members.push(member),
                Err(error) => return Err(undo(&group, error)),
            }
        }
        match self.limit(&group, resources) {
            Ok(()) => Ok(group),
            Err(error @ CgroupError::Occupied { .. }) => Err(error),
            Err(error) => Err(undo(&group, error)),
        }
    }

    /// Opens a group that exists.
    ///
    /// # Errors
    /// When the path is bad or the group is missing in one of the trees.
    pub fn open(&self, path: &str, level: Level) -> Result<Cgroup, CgroupError> {
        let path = relative(path)?;
        let mut members = Vec::with_capacity(self.trees.len());
        for tree in &self.trees {
            members.push(make::open(tree, path)?);
        }
        Ok(Cgroup {
            path: path.to_owned(),
            level,
            members,
        })
    }

    fn make_unified(
        &self,
        tree: &Arc<Tree>,
        path: &str,
        resources: &LinuxResources,
    ) -> Result<Member, CgroupError> {
        let served = |one: &Controller| self.serves(tree, *one);
        let needed: Controllers = limits::needed(resources).filter(served).collect();
        let wanted = match self.mode {
            Mode::V2 => tree.controllers,
            Mode::V1 | Mode::Hybrid => limits::wanted(resources).iter().filter(served).collect(),
        };
        for _ in 0..ATTEMPTS {
            let member = make::member(tree, path)?;
            if wanted.is_empty() {
                return Ok(member);
            }
            match make::enable(&member, wanted) {
                Ok(has) => match needed.without(has).iter().next() {
                    Some(controller) => {
                        return Err(CgroupError::NoController {
                            controller,
                            path: member.object(""),
                        });
                    }
                    None => return Ok(member),
                },
                Err(error) if make::vanished(&error) => {}
                Err(source) => return Err(member.failed("enable controllers for", "", source)),
            }
        }
        Err(CgroupError::Make {
            path: tree.mount.join(path).display().to_string(),
            source: io::Error::from(Errno::NOENT),
        })
    }

    /// Whether a controller's limits go to this tree: v1 is served first where both have it.
    pub(super) fn serves(&self, tree: &Tree, controller: Controller) -> bool {
        tree.controllers.has(controller)
            && (!tree.unified
                || !self
                    .trees
                    .iter()
                    .any(|other| !other.unified && other.controllers.has(controller)))
    }

    fn limit(&self, group: &Cgroup, resources: &LinuxResources) -> Result<(), CgroupError> {
        let offered = |one: &Controller| self.trees.iter().any(|tree| tree.controllers.has(*one));
        if let Some(controller) = limits::needed(resources).find(|one| !offered(one)) {
            return Err(CgroupError::NoController {
                controller,
                path: group.path(),
            });
        }
        let container = group.level == Level::Container;
        let is_new = group.members.first().is_some_and(|member| member.is_new);
        if container && !is_new && !group.processes()?.is_empty() {
            return Err(CgroupError::Occupied { path: group.path() });
        }
        if let (false, Mode::V2, Some(mount)) = (container, self.mode, self.unified_mount()) {
            return libcgroups::apply(mount, group, resources);
        }
        for member in &group.members {
            for controller in member
                .tree
                .controllers
                .iter()
                .filter(|one| self.serves(&member.tree, *one))
                // What a Pod's containers may use is decided for each of them.
                .filter(|one| container || *one != Controller::Devices)
            {
                write_all(
                    member,
                    &limits::settings(controller, member.tree.unified, resources),
                )?;
            }
            if member.tree.unified {
                write_all(member, &limits::raw(resources))?;
            }
        }
        Ok(())
    }
}

/// Writes the settings of one controller.
pub(super) fn write_all(member: &Member, settings: &[Setting]) -> Result<(), CgroupError> {
    for setting in settings {
        match file::write(&member.dir, &setting.file, &setting.value) {
            Ok(()) => {}
            Err(error) if setting.optional && error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => {
                return Err(CgroupError::Limit {
                    file: member.object(&setting.file),
                    value: setting.value.clone(),
                    remedy: remedy(&source),
                    source,
                });
            }
        }
    }
    Ok(())
}

fn remedy(source: &io::Error) -> &'static str {
    match source.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOENT) => "this kernel has no such limit; remove it, or boot a kernel that has",
        Some(Errno::INVAL) => {
            "the kernel takes no such value here; a child may not exceed its parent's CPU quota"
        }
        Some(Errno::RANGE) => "the value is beyond the kernel's range",
        Some(Errno::BUSY) => "more than that is in use already; raise the limit",
        Some(Errno::PERM | Errno::ACCESS) => {
            "the parent group does not allow it, or the right to write is missing"
        }
        _ => "correct the limit, or the group above",
    }
}

/// Removes what was made of a group. The error that led here matters more than what is left.
fn undo(group: &Cgroup, error: CgroupError) -> CgroupError {
    match group.remove() {
        Ok(()) | Err(_) => error,
    }
}

/// The path without its first slash, if it is one of ours to make.
fn relative(path: &str) -> Result<&str, CgroupError> {
    let bad = || CgroupError::Path {
        path: path.to_owned(),
    };
    let inner = path.strip_prefix('/').ok_or_else(bad)?;
    let wrong = |part: &str| part.is_empty() || part == "." || part == ".." || part.contains('\0');
    if inner.split('/').any(wrong) {
        Err(bad())
    } else {
        Ok(inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_absolute_paths_are_ours() {
        assert_eq!(
            relative("/outrigger/burstable/pod1").unwrap(),
            "outrigger/burstable/pod1"
        );
        for path in ["", "/", "a", "/a/../b", "/a//b", "/a/", "/./a", "/a\0b"] {
            assert!(relative(path).is_err(), "{path:?}");
        }
    }
}
