//! What can go wrong with control groups, and what the reader can do about it?

use std::fmt;
use std::io;

use super::controller::Controller;

/// Why the machine's control groups cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// The mount table could not be read.
    #[error("cannot read /proc/self/mountinfo: is /proc mounted?")]
    Mountinfo(#[source] io::Error),
    /// No control group file system is mounted.
    #[error("no cgroup file system is mounted: mount cgroup2 at /sys/fs/cgroup")]
    NotMounted,
    /// A mounted tree could not be opened.
    #[error("cannot open the cgroup tree at {mount}")]
    Open {
        /// Its mount point.
        mount: String,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
}

/// Why a group could not be made, limited, entered, watched or killed.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// The path is not one of ours to make.
    #[error("bad cgroup path {path:?}: it must be absolute, without empty, `.` or `..` parts")]
    Path {
        /// The path as given.
        path: String,
    },
    /// A directory could not be made.
    #[error("cannot make cgroup {path}: is the cgroup file system writable for this process?")]
    Make {
        /// The group's directory.
        path: String,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The group exists and has processes that are not ours.
    #[error("cgroup {path} has processes in it already: end them, or use another container id")]
    Occupied {
        /// The group's directory.
        path: String,
    },
    /// A limit was asked for which the kernel does not take.
    #[error("cannot write {value:?} to {file}: {remedy}")]
    Limit {
        /// The file.
        file: String,
        /// What should have been written.
        value: String,
        /// What to change.
        remedy: &'static str,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// A limit of memory below what is in use.
    #[error(
        "cannot limit the memory of cgroup {path} to {limit_bytes} bytes: {used_bytes} bytes are in use; ask for more, or end what uses it"
    )]
    BelowUsage {
        /// The group's path.
        path: String,
        /// What was asked for.
        limit_bytes: u64,
        /// What cannot be taken back.
        used_bytes: u64,
    },
    /// libcgroups could not write a limit.
    #[error(
        "cannot apply the limits of cgroup {path}: lower the Pod's requests and limits or those of its parent"
    )]
    Apply {
        /// The group's path.
        path: String,
        /// What libcgroups said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A limit needs a controller that the machine does not offer at this place.
    #[error(
        "no {controller} controller for cgroup {path}: boot with it, or delegate it by cgroup.subtree_control"
    )]
    NoController {
        /// The controller that is missing.
        controller: Controller,
        /// The group's directory.
        path: String,
    },
    /// A limit is asked for that is not carried out; starting without it would be a lie.
    #[error("linux.resources.{field} is not supported: remove it")]
    Unsupported {
        /// The field of the OCI configuration.
        field: &'static str,
    },
    /// A file of the group could not be read or written, or a process could not be signalled.
    #[error("cannot {operation} {object}")]
    Use {
        /// What was tried.
        operation: &'static str,
        /// On which file or process.
        object: String,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
}

/// The groups that could not be removed, each with the kernel's reason.
#[derive(Debug)]
pub struct Leftover {
    /// Directory and reason.
    pub groups: Vec<(String, io::Error)>,
}

impl fmt::Display for Leftover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot remove cgroups, end what runs in them:")?;
        for (path, reason) in &self.groups {
            write!(f, " {path} ({reason})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Leftover {}
