//! What does each step do, and what is it called when it fails?

use std::ffi::{CStr, OsStr};
use std::fmt::{self, Display, Formatter};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

use outrigger_sys::mount::{Change, Propagation, attr, set_attributes};
use outrigger_sys::{Errno, in_root, loopback, namespace};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, open, openat2};
use rustix::io::write;

use super::{Init, Source, Step, mounts};
use crate::cgroup::Join;

/// Says how soon the kernel ends this process when memory runs out. The host's `/proc` is meant, so
/// that it is done before the container's is entered.
pub(super) fn oom_score(score: &CStr) -> Result<(), Errno> {
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    let file = open(c"/proc/self/oom_score_adj", flags, Mode::empty())?;
    write_all(&file, score.to_bytes())
}

impl Init<'_> {
    /// Takes one step.
    pub(super) fn take(&mut self, step: &Step) -> Result<(), Errno> {
        match step {
            Step::Enter(fd, kind) => namespace::enter(fd, *kind),
            Step::JoinCgroups => join(self.cgroups.iter().copied()),
            Step::OwnCgroupNamespace => {
                namespace::unshare(outrigger_sys::clone::Namespaces::CGROUP)
            }
            Step::Loopback => loopback::up(),
            Step::OomScore(score) => oom_score(score),
            Step::Propagation { private } => {
                let propagation = if *private {
                    Propagation::Private
                } else {
                    Propagation::Slave
                };
                let change = Change {
                    propagation: Some(propagation),
                    ..Change::default()
                };
                set_attributes(CWD, c"/", change, true)
            }
            Step::Root(path) => self.take_root(path),
            Step::Mount(mount) => self.mount(mount),
            Step::Devices(devices) => self.make_devices(devices),
            Step::DeviceLinks(links) => self.link_devices(links),
            Step::MakeDirectory(path) => {
                in_root::open_or_make(self.root()?, path, in_root::Make::Directory).map(drop)
            }
            Step::Readonly(path) => self.make_readonly(path),
            Step::Mask(path) => self.mask(path),
            Step::Terminal { console } => self.make_terminal(*console),
            Step::ReadonlyRoot => set_attributes(
                self.root()?,
                c"",
                Change {
                    set: attr::RDONLY,
                    ..Change::default()
                },
                false,
            ),
            Step::Pivot => self.pivot(),
            Step::Hostname(name) => nix::unistd::sethostname(OsStr::from_bytes(name.to_bytes()))
                .map_err(|errno| Errno::from_raw_os_error(errno as i32)),
            Step::Sysctl { path, value } => {
                // Our own procfs, because the one at /proc is what the configuration put there.
                let proc = mounts::new_instance(c"proc", c"proc", &[], 0)?;
                let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
                let file = openat2(
                    &proc,
                    path.as_c_str(),
                    OFlags::WRONLY | OFlags::CLOEXEC,
                    Mode::empty(),
                    resolve,
                )?;
                write_all(&file, value)
            }
        }
    }
}

/// Enters each v1 tree; the v2 tree is entered at birth.
pub(super) fn join<'a>(cgroups: impl IntoIterator<Item = &'a Join>) -> Result<(), Errno> {
    for procs in cgroups.into_iter().flat_map(|join| &join.procs) {
        write_all(procs, b"0")?;
    }
    Ok(())
}

/// Files of the kernel take a value in one write or not at all.
fn write_all(file: &OwnedFd, bytes: &[u8]) -> Result<(), Errno> {
    match write(file, bytes)? {
        count if count == bytes.len() => Ok(()),
        _ => Err(Errno::IO),
    }
}

impl Step {
    /// Whether the container can live without, where the kernel refuses for want of a privilege.
    pub(super) fn may_fail(&self, errno: Errno) -> bool {
        matches!(self, Step::OomScore(_)) && matches!(errno, Errno::PERM | Errno::ACCESS)
    }
}

impl Display for Step {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Step::Enter(_, kind) => write!(f, "enter the namespace of kind {:#x}", kind.bits()),
            Step::JoinCgroups => f.write_str("join the cgroups"),
            Step::OwnCgroupNamespace => f.write_str("make a cgroup namespace"),
            Step::Loopback => f.write_str("bring up the loopback interface"),
            Step::OomScore(score) => write!(f, "set oom_score_adj to {}", score.to_string_lossy()),
            Step::Propagation { .. } => f.write_str("part from the host's mounts"),
            Step::Root(path) => write!(
                f,
                "mount the root file system at {}",
                path.to_string_lossy()
            ),
            Step::Mount(mount) => {
                match &mount.source {
                    Source::New { kind, .. } => write!(f, "mount {}", kind.to_string_lossy())?,
                    Source::Bind { path, .. } => write!(f, "bind {}", path.to_string_lossy())?,
                    Source::CgroupsV1(_) => f.write_str("mount the cgroup trees")?,
                }
                write!(f, " at /{}", mount.at.to_string_lossy())
            }
            Step::Devices(_) => f.write_str("make the device files of /dev"),
            Step::DeviceLinks(_) => f.write_str("make the links of /dev"),
            Step::MakeDirectory(path) => {
                write!(f, "make the working directory /{}", path.to_string_lossy())
            }
            Step::Readonly(path) => write!(f, "make /{} read-only", path.to_string_lossy()),
            Step::Mask(path) => write!(f, "mask /{}", path.to_string_lossy()),
            Step::Terminal { .. } => f.write_str("open a terminal in /dev/pts for /dev/console"),
            Step::ReadonlyRoot => f.write_str("make the root file system read-only"),
            Step::Pivot => f.write_str("change to the new root"),
            Step::Hostname(name) => write!(f, "set the host name {}", name.to_string_lossy()),
            Step::Sysctl { path, .. } => write!(f, "write the sysctl {}", path.to_string_lossy()),
        }
    }
}
