//! What is a group that exists, and what can be asked of it?

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, openat};

use super::controller::Controller;
use super::create::Level;
use super::error::CgroupError;
use super::layout::Tree;
use super::{file, make};

/// A group's directory in one tree.
#[derive(Debug)]
pub(super) struct Member {
    /// The tree.
    pub(super) tree: Arc<Tree>,
    /// The directory's path below the tree's root, without a leading slash.
    pub(super) path: String,
    /// The directory itself.
    pub(super) dir: Arc<OwnedFd>,
    /// Whether the directory goes when the group goes. The group of one exec has a directory of
    /// its own where processes are tracked, and its container's everywhere else.
    pub(super) own: bool,
    /// Whether the directory was made for this value, and so has nothing in it.
    pub(super) is_new: bool,
}

impl Member {
    /// A file of the group as a path, for messages.
    pub(super) fn object(&self, name: &str) -> String {
        self.tree
            .mount
            .join(&self.path)
            .join(name)
            .display()
            .to_string()
    }

    /// The error of an operation on one of the group's files.
    pub(super) fn failed(
        &self,
        operation: &'static str,
        name: &str,
        source: io::Error,
    ) -> CgroupError {
        CgroupError::Use {
            operation,
            object: self.object(name),
            source,
        }
    }

    /// Reads a file of the group.
    pub(super) fn read(&self, name: &str) -> Result<String, CgroupError> {
        file::read(&self.dir, name).map_err(|source| self.failed("read", name, source))
    }

    /// Writes a file of the group.
    pub(super) fn write(&self, name: &str, value: &str) -> Result<(), CgroupError> {
        file::write(&self.dir, name, value).map_err(|source| self.failed("write", name, source))
    }

    /// The same directory for another group, which does not own it.
    fn lend(&self) -> Member {
        Member {
            tree: Arc::clone(&self.tree),
            path: self.path.clone(),
            dir: Arc::clone(&self.dir),
            own: false,
            is_new: false,
        }
    }
}

/// How a process comes into a group. All descriptors are close-on-exec.
///
/// A new cgroup namespace is rooted where the caller of `unshare(CLONE_NEWCGROUP)` is at that
/// moment, and `clone3` with `CLONE_NEWCGROUP` roots it at the *parent's* group. So the child
/// joins first, and unshares then.
#[derive(Debug)]
pub struct Join {
    /// The v2 directory for `CLONE_INTO_CGROUP`.
    pub unified: Option<Arc<OwnedFd>>,
    /// `tasks` of each v1 tree, open for writing: the child, which has one thread, writes `0` to each.
    pub procs: Vec<OwnedFd>,
}

/// A group in every tree in use. The value is a handle: dropping it leaves the group as it is.
#[derive(Debug)]
pub struct Cgroup {
    /// The path below each tree's root, without a leading slash.
    pub(super) path: String,
    /// What it is for, which decides what [`Cgroup::remove`] takes along.
    pub(super) level: Level,
    /// Its directories; the first tracks, freezes and kills.
    pub(super) members: Vec<Member>,
}

impl Cgroup {
    /// The path below the root of each tree, with a leading slash.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/{}", self.path)
    }

    /// Opens what a process needs to come in.
    ///
    /// # Errors
    /// When a file of the group cannot be opened, because the group was removed.
    pub fn join(&self) -> Result<Join, CgroupError> {
        self.join_members(|_| true)
    }

    fn join_members(&self, wanted: fn(&Member) -> bool) -> Result<Join, CgroupError> {
        let mut join = Join {
            unified: None,
            procs: Vec::with_capacity(self.members.len()),
        };
        for member in self.members.iter().filter(|member| wanted(member)) {
            if member.tree.unified {
                join.unified = Some(Arc::clone(&member.dir));
            } else {
                // Who enters has one thread. Moving that takes no lock of the whole machine, while
                // `cgroup.procs` waits for one for 5 to 15 ms unless another has just had it.
                let name = "tasks";
                let flags = OFlags::WRONLY | OFlags::CLOEXEC;
                let procs = openat(&member.dir, name, flags, Mode::empty())
                    .map_err(|errno| member.failed("open", name, errno.into()))?;
                join.procs.push(procs);
            }
        }
        Ok(join)
    }

    /// Opens what a process needs to come in that is in the group above this one already, of which
    /// [`Cgroup::sub`] has made it.
    ///
    /// # Errors
    /// As [`Cgroup::join`].
    pub fn join_from_above(&self) -> Result<Join, CgroupError> {
        self.join_members(|member| member.own)
    }

    /// Whether no process is in the group or below it. A zombie is not counted.
    ///
    /// # Errors
    /// When the group cannot be read, because it was removed.
    pub fn is_empty(&self) -> Result<bool, CgroupError> {
        let Some(member) = self.members.first() else {
            return Ok(true);
        };
        if member.tree.unified {
            let text = member.read("cgroup.events")?;
            return Ok(file::keyed(&text, "populated") == Some(0));
        }
        Ok(self.processes()?.is_empty())
    }

    /// Asks the kernel to stop all processes of the group and below; it does so soon after.
    ///
    /// # Errors
    /// When the machine has neither a v2 tree nor the v1 freezer, or the group was removed.
    pub fn freeze(&self) -> Result<(), CgroupError> {
        self.set_frozen(true)
    }

    /// Lets the group's processes go on.
    ///
    /// # Errors
    /// As [`Cgroup::freeze`].
    pub fn thaw(&self) -> Result<(), CgroupError> {
        self.set_frozen(false)
    }

    /// Whether everything in the group stands still.
    ///
    /// # Errors
    /// As [`Cgroup::freeze`].
    pub fn is_frozen(&self) -> Result<bool, CgroupError> {
        let member = self.freezing()?;
        if member.tree.unified {
            return Ok(file::keyed(&member.read("cgroup.events")?, "frozen") == Some(1));
        }
        Ok(member.read("freezer.state")?.trim() == "FROZEN")
    }

    fn set_frozen(&self, frozen: bool) -> Result<(), CgroupError> {
        let member = self.freezing()?;
        let (name, value) = match (member.tree.unified, frozen) {
            (true, true) => ("cgroup.freeze", "1"),
            (true, false) => ("cgroup.freeze", "0"),
            (false, true) => ("freezer.state", "FROZEN"),
            (false, false) => ("freezer.state", "THAWED"),
        };
        member.write(name, value)
    }

    /// The directory that freezes.
    pub(super) fn freezing(&self) -> Result<&Member, CgroupError> {
        let first = self.members.first();
        first
            .filter(|member| member.tree.freezes())
            .ok_or_else(|| CgroupError::NoController {
                controller: Controller::Freezer,
                path: self.path(),
            })
    }

    /// The directory in the tree that has this controller.
    pub(super) fn member(&self, controller: Controller) -> Option<&Member> {
        self.members
            .iter()
            .find(|member| member.tree.controllers.has(controller))
    }

    /// A group below this one in which a single exec is tracked and killed. It has no limits of its
    /// own: what runs in it counts against this group.
    ///
    /// # Errors
    /// When the name is no single path part, or the directory cannot be made.
    pub fn sub(&self, name: &str) -> Result<Cgroup, CgroupError> {
        if name.is_empty() || name.contains('/') || name.starts_with('.') {
            return Err(CgroupError::Path {
                path: name.to_owned(),
            });
        }
        let path = format!("{}/{name}", self.path);
        let mut members = Vec::with_capacity(self.members.len());
        for (index, member) in self.members.iter().enumerate() {
            members.push(if index == 0 {
                make::member(&member.tree, &path)?
            } else {
                member.lend()
            });
        }
        Ok(Cgroup {
            path,
            level: Level::Container,
            members,
        })
    }
}
