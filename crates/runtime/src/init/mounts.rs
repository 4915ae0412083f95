//! How does a mount come below the container's root, though the container may own what is there?
//!
//! Never by name: the mount is made detached, the place is opened inside the root, and the one is
//! moved to the other by descriptors.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use outrigger_sys::Errno;
use outrigger_sys::in_root::{self, Make};
use outrigger_sys::mount::{Change, attr, set_attributes};
use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, Stat, fstat, makedev, mkdirat, openat, symlinkat,
};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
};

use super::{Hierarchy, Init, Mount, Source};

const EMPTY_PATH: OpenTreeFlags = OpenTreeFlags::from_bits_retain(AtFlags::EMPTY_PATH.bits());
/// Nothing can be done with such a mount.
const SEALED: u64 = attr::RDONLY | attr::NOSUID | attr::NODEV | attr::NOEXEC;

impl Init<'_> {
    /// Mounts.
    pub(super) fn mount(&self, mount: &Mount) -> Result<(), Errno> {
        match &mount.source {
            Source::New { kind, name, data } => {
                let made = new_instance(kind, name, data, mount.top.set | mount.below.set)?;
                self.place(&made, mount, Make::Directory)
            }
            Source::Bind { path, recursive } => {
                let made = clone_tree(CWD, path, *recursive)?;
                let directory = is_directory(&fstat(&made)?);
                change(&made, mount.below, true)?;
                change(&made, mount.top, false)?;
                self.place(
                    &made,
                    mount,
                    if directory {
                        Make::Directory
                    } else {
                        Make::File
                    },
                )
            }
            Source::CgroupsV1(trees) => self.mount_cgroups(mount, trees),
        }
    }

    fn place(&self, made: &OwnedFd, mount: &Mount, make: Make) -> Result<(), Errno> {
        if let Some((propagation, recursive)) = mount.propagation {
            change(
                made,
                Change {
                    propagation: Some(propagation),
                    ..Change::default()
                },
                recursive,
            )?;
        }
        let root = self.root()?;
        let target = if mount.links {
            in_root::open_or_make(root, &mount.at, make)?
        } else {
            match in_root::open_without_links(root, &mount.at) {
                Err(Errno::NOENT) => {
                    in_root::open_or_make(root, &mount.at, make)?;
                    in_root::open_without_links(root, &mount.at)?
                }
                result => result?,
            }
        };
        attach(made, &target)
    }

    fn mount_cgroups(&self, mount: &Mount, trees: &[Hierarchy]) -> Result<(), Errno> {
        let attributes = (mount.top.set | mount.below.set) & !attr::RDONLY;
        let base = new_instance(c"tmpfs", c"cgroup", &[], attributes)?;
        set_mode(&base)?;
        self.place(&base, mount, Make::Directory)?;
        for tree in trees {
            let context = fsopen(c"cgroup", FsOpenFlags::FSOPEN_CLOEXEC)?;
            for controller in &tree.controllers {
                fsconfig_set_flag(&context, controller.as_c_str())?;
            }
            let made = instance_of(&context, mount.top.set | mount.below.set)?;
            mkdirat(&base, tree.directory.as_c_str(), Mode::from_raw_mode(0o755))?;
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            attach(
                &made,
                &openat(&base, tree.directory.as_c_str(), flags, Mode::empty())?,
            )?;
            for alias in &tree.aliases {
                symlinkat(tree.directory.as_c_str(), &base, alias.as_c_str())?;
            }
        }
        change(
            &base,
            Change {
                set: mount.top.set,
                ..Change::default()
            },
            false,
        )
    }

    /// Makes what is at `path`, and all below, read-only. What does not exist needs no protection.
    pub(super) fn make_readonly(&self, path: &CStr) -> Result<(), Errno> {
        let Some(place) = self.find(path)? else {
            return Ok(());
        };
        let copy = clone_tree(place.as_fd(), c"", true)?;
        set_attributes(
            &copy,
            c"",
            Change {
                set: attr::RDONLY,
                ..Change::default()
            },
            true,
        )?;
        attach(&copy, &place)
    }

    /// Hides what is at `path`: a file behind the null device, a directory behind an empty one.
    pub(super) fn mask(&mut self, path: &CStr) -> Result<(), Errno> {
        let Some(place) = self.find(path)? else {
            return Ok(());
        };
        let directory = is_directory(&fstat(&place)?);
        let kept = if directory {
            &mut self.empty
        } else {
            &mut self.null
        };
        if let Some(first) = kept {
            return attach(&clone_tree(first.as_fd(), c"", false)?, &place);
        }
        let made = if directory {
            new_instance(c"tmpfs", c"tmpfs", &[], SEALED)?
        } else {
            null_device()?
        };
        // A kernel before 6.15 copies only mounts that are attached, so the first is attached
        // itself and those after it are copies.
        attach(&made, &place)?;
        *kept = Some(made);
        Ok(())
    }

    fn find(&self, path: &CStr) -> Result<Option<OwnedFd>, Errno> {
        match in_root::open(self.root()?, path) {
            Ok(found) => Ok(Some(found)),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(errno) => Err(errno),
        }
    }
}

/// The host's null device as a mount, and surely that: what an image calls so is never asked.
fn null_device() -> Result<OwnedFd, Errno> {
    let null = clone_tree(CWD, c"/dev/null", false)?;
    let found = fstat(&null)?;
    let device = FileType::from_raw_mode(found.st_mode) == FileType::CharacterDevice;
    if !device || found.st_rdev != makedev(1, 3) {
        return Err(Errno::NODEV);
    }
    let sealed = SEALED & !attr::NODEV;
    set_attributes(
        &null,
        c"",
        Change {
            set: sealed,
            clear: attr::NODEV,
            ..Change::default()
        },
        false,
    )?;
    Ok(null)
}

/// A new file system, attached nowhere.
pub(super) fn new_instance(
    kind: &CStr,
    name: &CStr,
    data: &[(CString, Option<CString>)],
    attributes: u64,
) -> Result<OwnedFd, Errno> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(&context, c"source", name)?;
    for (key, value) in data {
        match value {
            Some(value) => fsconfig_set_string(&context, key.as_c_str(), value.as_c_str())?,
            None => fsconfig_set_flag(&context, key.as_c_str())?,
        }
    }
    instance_of(&context, attributes)
}

fn instance_of(context: &OwnedFd, attributes: u64) -> Result<OwnedFd, Errno> {
    fsconfig_create(context)?;
    let attributes = u32::try_from(attributes).map_err(|_| Errno::INVAL)?;
    fsmount(
        context,
        FsMountFlags::FSMOUNT_CLOEXEC,
        MountAttrFlags::from_bits_retain(attributes),
    )
}

/// A copy of the mount at a path, with `recursive` of all below, attached nowhere.
pub(super) fn clone_tree(
    dir: BorrowedFd<'_>,
    path: &CStr,
    recursive: bool,
) -> Result<OwnedFd, Errno> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    if recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    if path.is_empty() {
        flags |= EMPTY_PATH;
    }
    open_tree(dir, path, flags)
}

/// Attaches a detached mount where `target` was opened.
pub(super) fn attach(made: &OwnedFd, target: &OwnedFd) -> Result<(), Errno> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(made, c"", target, c"", flags)
}

fn change(mount: &OwnedFd, change: Change, recursive: bool) -> Result<(), Errno> {
    if change.is_empty() {
        Ok(())
    } else {
        set_attributes(mount, c"", change, recursive)
    }
}

/// The root of a new tmpfs belongs to everyone at first.
fn set_mode(mount: &OwnedFd) -> Result<(), Errno> {
    rustix::fs::chmodat(mount, c".", Mode::from_raw_mode(0o755), AtFlags::empty())
}

fn is_directory(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}
