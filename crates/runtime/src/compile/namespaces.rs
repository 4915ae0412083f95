//! In which namespaces does a container live, and how does it come into each?

use std::fs::File;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use oci_spec::runtime::{LinuxNamespace, LinuxNamespaceType};
use outrigger_sys::clone::Namespaces;

use super::{SpecError, c_string};
use crate::init::Step;
use crate::pod::{PodNamespaces, Reaper};

/// Where a container's namespaces come from. Those in no field are its parent's.
#[derive(Debug, Default)]
pub(crate) struct Membership {
    /// Made with the child.
    pub(crate) cloned: Namespaces,
    /// A PID namespace that exists; the parent enters it for its next child.
    pub(crate) pid: Option<OwnedFd>,
    /// Others that exist; the child enters them.
    entered: Vec<(OwnedFd, Namespaces)>,
    /// A cgroup namespace rooted where the child has been put.
    own_cgroup: bool,
}

/// Which PID namespace a container gets that asks for one without a path.
#[derive(Debug, Clone, Copy)]
pub(crate) enum PidFrom<'a> {
    /// A new one.
    New,
    /// That of the Pod.
    Reaper(&'a Reaper),
    /// That of the process behind a pidfd.
    Process(BorrowedFd<'a>),
}

/// Looks at the list, and opens what it names. Where the Pod shares its processes, a list without
/// a PID namespace means the shared one: the parent's is the host's, which nobody asked for.
pub(super) fn compile(list: &[LinuxNamespace], pid: PidFrom<'_>) -> Result<Membership, SpecError> {
    let mut membership = Membership::default();
    let given = !matches!(pid, PidFrom::New);
    for namespace in list {
        let kind = kind_of(namespace.typ())?;
        match (kind, namespace.path()) {
            (Namespaces::MOUNT, Some(_)) => {
                return Err(SpecError::Unsupported("linux.namespaces[mount].path"));
            }
            (Namespaces::CGROUP, None) => membership.own_cgroup = true,
            (Namespaces::PID, Some(path)) => membership.pid = Some(open(path)?),
            (Namespaces::PID, None) if given => {}
            (_, Some(path)) => membership.entered.push((open(path)?, kind)),
            (_, None) => membership.cloned = membership.cloned.and(kind),
        }
    }
    match pid {
        PidFrom::Reaper(reaper) if membership.pid.is_none() => {
            let path = PathBuf::from(format!("/proc/{}/ns/pid", reaper.pid()));
            membership.pid = Some(open(&path)?);
        }
        PidFrom::Process(pidfd) if membership.pid.is_none() => {
            let copy = pidfd.try_clone_to_owned();
            membership.pid = Some(copy.map_err(|source| SpecError::Namespace {
                path: "of the process that is to be joined".to_owned(),
                source,
            })?);
        }
        _ => {}
    }
    if !membership.cloned.has(Namespaces::MOUNT) {
        return Err(SpecError::invalid(
            "linux.namespaces",
            "a container needs a mount namespace",
        ));
    }
    Ok(membership)
}

fn kind_of(kind: LinuxNamespaceType) -> Result<Namespaces, SpecError> {
    match kind {
        LinuxNamespaceType::Mount => Ok(Namespaces::MOUNT),
        LinuxNamespaceType::Pid => Ok(Namespaces::PID),
        LinuxNamespaceType::Network => Ok(Namespaces::NET),
        LinuxNamespaceType::Ipc => Ok(Namespaces::IPC),
        LinuxNamespaceType::Uts => Ok(Namespaces::UTS),
        LinuxNamespaceType::Cgroup => Ok(Namespaces::CGROUP),
        LinuxNamespaceType::User => Err(SpecError::Unsupported("linux.namespaces[user]")),
        LinuxNamespaceType::Time => Err(SpecError::Unsupported("linux.namespaces[time]")),
    }
}

fn open(path: &Path) -> Result<OwnedFd, SpecError> {
    let opened = File::open(path).map(OwnedFd::from);
    opened.map_err(|source| SpecError::Namespace {
        path: path.display().to_string(),
        source,
    })
}

impl Membership {
    /// All in which the container is not with its parent.
    pub(super) fn all(&self) -> Namespaces {
        let mut all = self.cloned;
        for (_, kind) in &self.entered {
            all = all.and(*kind);
        }
        if self.own_cgroup {
            all = all.and(Namespaces::CGROUP);
        }
        if self.pid.is_some() {
            all = all.and(Namespaces::PID);
        }
        all
    }

    /// What the child does about them, before anything else.
    pub(super) fn steps(&mut self) -> Vec<Step> {
        let entered = std::mem::take(&mut self.entered);
        let mut steps: Vec<Step> = entered
            .into_iter()
            .map(|(fd, kind)| Step::Enter(fd, kind))
            .collect();
        if self.cloned.has(Namespaces::NET) {
            steps.push(Step::Loopback);
        }
        steps
    }

    /// What the child does to come into its cgroups. A cgroup namespace is rooted where its maker
    /// is, so that it comes after.
    pub(super) fn enter_cgroups(&self) -> Vec<Step> {
        let mut steps = vec![Step::JoinCgroups];
        if self.own_cgroup {
            steps.push(Step::OwnCgroupNamespace);
        }
        steps
    }

    /// Sets the host name, where the container has its own.
    pub(super) fn hostname(&self, wanted: Option<&str>) -> Result<Option<Step>, SpecError> {
        let Some(wanted) = wanted.filter(|name| !name.is_empty()) else {
            return Ok(None);
        };
        if self.cloned.has(Namespaces::UTS) {
            return Ok(Some(Step::Hostname(c_string("hostname", wanted)?)));
        }
        if nix::unistd::gethostname().is_ok_and(|name| name == wanted) {
            return Ok(None);
        }
        Err(SpecError::invalid(
            "hostname",
            "needs a UTS namespace of the container's own",
        ))
    }

    /// Where sysctls may be written without changing the host: only in namespaces made for this
    /// container.
    pub(super) fn own_for_sysctls(&self) -> PodNamespaces {
        PodNamespaces {
            net: self.cloned.has(Namespaces::NET),
            ipc: self.cloned.has(Namespaces::IPC),
            uts: self.cloned.has(Namespaces::UTS),
        }
    }
}
