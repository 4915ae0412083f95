//! What does the child do between its birth and the container's program?
//!
//! A list of [`Step`]s and then a fixed end ([`finish`]). Nothing here allocates, locks, logs or
//! unwinds: the child has a copy of its parent's memory and ends by exec or `_exit`.

mod devices;
mod finish;
mod mounts;
mod report;
mod root;
mod steps;
mod supervise;

use std::cell::Cell;
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use outrigger_sys::Errno;
use outrigger_sys::clone::Namespaces;
use outrigger_sys::mount::{Change, Propagation};
use rustix::fs::FileType;

pub(crate) use finish::{Finish, enter, open_terminal};
pub(crate) use report::{Message, Part, Place, Reader, Report};
pub(crate) use supervise::supervise;

use crate::cgroup::Join;
use crate::compile::Process;

/// One thing to do. Paths without a leading slash are below the container's root.
#[derive(Debug)]
pub(crate) enum Step {
    Enter(OwnedFd, Namespaces),
    JoinCgroups,
    OwnCgroupNamespace,
    Loopback,
    OomScore(CString),
    Propagation { private: bool },
    Root(CString),
    Mount(Mount),
    Devices(Vec<Device>),
    DeviceLinks(Vec<(CString, CString)>),
    MakeDirectory(CString),
    Readonly(CString),
    Mask(CString),
    Terminal { console: bool },
    ReadonlyRoot,
    Pivot,
    Hostname(CString),
    Sysctl { path: CString, value: Vec<u8> },
}

/// A file system and where it goes.
#[derive(Debug)]
pub(crate) struct Mount {
    pub(crate) source: Source,
    pub(crate) at: CString,
    /// Whether the way there may go over symbolic links.
    pub(crate) links: bool,
    /// Attributes of the mount itself.
    pub(crate) top: Change,
    /// Attributes of it and all mounts below.
    pub(crate) below: Change,
    /// The propagation, and whether of all mounts below.
    pub(crate) propagation: Option<(Propagation, bool)>,
}

/// Where a mount's files come from.
#[derive(Debug)]
pub(crate) enum Source {
    /// A new instance of a file system.
    New {
        kind: CString,
        name: CString,
        data: Vec<(CString, Option<CString>)>,
    },
    /// What is at a path of the host.
    Bind { path: CString, recursive: bool },
    /// A tmpfs with a directory for each v1 tree.
    CgroupsV1(Vec<Hierarchy>),
}

/// A v1 tree.
#[derive(Debug)]
pub(crate) struct Hierarchy {
    pub(crate) directory: CString,
    pub(crate) controllers: Vec<CString>,
    /// Links to the directory, where its name is not a controller's.
    pub(crate) aliases: Vec<CString>,
}

/// A device file.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) parent: CString,
    pub(crate) name: CString,
    /// Where the host has it, for a bind where making one is forbidden.
    pub(crate) host: CString,
    pub(crate) kind: FileType,
    pub(crate) mode: u32,
    pub(crate) number: u64,
    pub(crate) owner: Option<(u32, u32)>,
}

/// What the child carries from step to step.
pub(crate) struct Init<'a> {
    pub(crate) report: &'a Report<'a>,
    pub(crate) cgroups: &'a [&'a Join],
    pub(crate) overlay: Option<BorrowedFd<'a>>,
    pub(crate) process: &'a Process,
    /// The program's side of its terminal, if it has one.
    pub(crate) terminal: Option<OwnedFd>,
    /// The container's root, once it is there.
    pub(crate) root: Option<OwnedFd>,
    /// A mount of the null device, for masks.
    pub(crate) null: Option<OwnedFd>,
    /// A mount of an empty directory, for masks.
    pub(crate) empty: Option<OwnedFd>,
}

impl<'a> Init<'a> {
    /// At the beginning.
    pub(crate) fn new(
        report: &'a Report<'a>,
        cgroups: &'a [&'a Join],
        overlay: Option<BorrowedFd<'a>>,
        process: &'a Process,
    ) -> Init<'a> {
        Init {
            report,
            cgroups,
            overlay,
            process,
            terminal: None,
            root: None,
            null: None,
            empty: None,
        }
    }

    /// Takes all steps and ends in the program; gives the status to end with if that fails.
    pub(crate) fn run(mut self, steps: &[Step], finish: &Finish<'_>) -> i32 {
        // Modes are meant as they are given until the program's own mask is set.
        rustix::process::umask(rustix::fs::Mode::empty());
        for (index, step) in steps.iter().enumerate() {
            let place = Place::Step(u32::try_from(index).unwrap_or(u32::MAX));
            match self.take(step) {
                Ok(()) => {}
                Err(errno) if step.may_fail(errno) => self.report.warn(place, errno),
                Err(errno) => return self.report.fail(place, errno),
            }
        }
        let terminal = self.terminal.as_ref().map(AsFd::as_fd);
        finish.run(terminal, self.report)
    }

    /// The container's root.
    fn root(&self) -> Result<BorrowedFd<'_>, Errno> {
        self.root.as_ref().map(AsFd::as_fd).ok_or(Errno::BADF)
    }
}

/// Something that only the child drops: the parent keeps its copy.
pub(crate) type ForChild<T> = Cell<Option<T>>;
