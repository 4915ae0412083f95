//! How does a specification become steps that a child can carry out without allocating?
//!
//! Everything that can be wrong with the specification itself is found here, before the fork.

mod devices;
mod mounts;
mod namespaces;
mod paths;
mod process;

use std::ffi::CString;
use std::path::Path;
use std::rc::Rc;

use oci_spec::runtime::{Linux, Spec};
use outrigger_sys::clone::Namespaces;

pub(crate) use namespaces::{Membership, PidFrom};
pub(crate) use process::{Command, Process};

use crate::init::Step;
use crate::pod::{PodNamespaces, sysctl_path};
use crate::refuse;
use crate::seccomp::Filters;

/// A specification that cannot be carried out, whatever the kernel says.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// A field that is not carried out yet.
    #[error("{0} is not supported yet; remove it from the configuration")]
    Unsupported(&'static str),
    /// A field that makes no sense.
    #[error("{field}: {reason}")]
    Invalid {
        /// Its path in `config.json`.
        field: String,
        /// What is wrong.
        reason: String,
    },
    /// A namespace's path that cannot be opened.
    #[error("cannot open the namespace {path}")]
    Namespace {
        /// The path.
        path: String,
        /// Why not.
        source: std::io::Error,
    },
}

impl SpecError {
    pub(crate) fn invalid(field: impl Into<String>, reason: impl Into<String>) -> SpecError {
        SpecError::Invalid {
            field: field.into(),
            reason: reason.into(),
        }
    }
}

/// All that a child needs to become the container's first process.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) membership: Membership,
    /// All in which the container is not with its parent.
    pub(crate) namespaces: Namespaces,
    pub(crate) steps: Vec<Step>,
    pub(crate) process: Rc<Process>,
    pub(crate) command: Command,
    pub(crate) warnings: Vec<String>,
}

/// Compiles.
pub(crate) fn compile(
    spec: &Spec,
    bundle: &Path,
    pid: PidFrom<'_>,
    filters: &Filters,
) -> Result<Program, SpecError> {
    if let Some(field) = refuse::unsupported(spec) {
        return Err(SpecError::Unsupported(field));
    }
    let described = spec
        .process()
        .as_ref()
        .ok_or_else(|| SpecError::invalid("process", "is missing"))?;
    let root = spec
        .root()
        .as_ref()
        .ok_or_else(|| SpecError::invalid("root", "is missing"))?;
    let linux = spec.linux().clone().unwrap_or_default();
    let mut warnings = Vec::new();
    let mut process = process::compile(described, &mut warnings)?;
    if let Some(profile) = linux.seccomp() {
        process.seccomp = Some(filters.of(profile, &mut warnings)?);
    }
    let command = Command::new(described.args().as_deref().unwrap_or_default(), &process)?;
    let mut membership =
        namespaces::compile(linux.namespaces().as_deref().unwrap_or_default(), pid)?;

    let namespaces = membership.all();
    let mut steps = membership.steps();
    steps.extend(process.oom_score_adj.clone().map(Step::OomScore));
    steps.push(Step::Propagation {
        private: matches!(
            linux.rootfs_propagation().as_deref(),
            Some("private" | "rprivate")
        ),
    });
    steps.push(Step::Root(c_string("root.path", bundle.join(root.path()))?));
    let mounts = spec.mounts().as_deref().unwrap_or_default();
    let devices = devices::compile(mounts, linux.devices().as_deref().unwrap_or_default())?;
    let console = !devices.is_empty();
    steps.extend(in_order(
        mounts,
        bundle,
        devices,
        membership.enter_cgroups(),
    )?);
    steps.push(Step::MakeDirectory(paths::below_root(
        "process.cwd",
        described.cwd(),
    )?));
    if described.terminal() == Some(true) {
        steps.push(Step::Terminal { console });
    }
    steps.extend(covered(&linux)?);
    if root.readonly() == Some(true) {
        steps.push(Step::ReadonlyRoot);
    }
    steps.push(Step::Pivot);
    steps.extend(membership.hostname(spec.hostname().as_deref())?);
    steps.extend(sysctls(&linux, membership.own_for_sysctls())?);
    Ok(Program {
        membership,
        namespaces,
        steps,
        process: Rc::new(process),
        command,
        warnings,
    })
}

/// The paths that are covered, read-only or masked.
fn covered(linux: &Linux) -> Result<Vec<Step>, SpecError> {
    let mut steps = Vec::new();
    for path in linux.readonly_paths().iter().flatten() {
        steps.push(Step::Readonly(paths::below_root(
            "linux.readonlyPaths",
            Path::new(path),
        )?));
    }
    for path in linux.masked_paths().iter().flatten() {
        steps.push(Step::Mask(paths::below_root(
            "linux.maskedPaths",
            Path::new(path),
        )?));
    }
    Ok(steps)
}

/// The mounts in their order, and two things between them: device files are made when the last
/// mount at `/dev` is there, and before the cgroups are joined, whose rules forbid it; and the
/// cgroups are joined before their trees are mounted.
fn in_order(
    mounts: &[oci_spec::runtime::Mount],
    bundle: &Path,
    devices: Vec<Step>,
    cgroups: Vec<Step>,
) -> Result<Vec<Step>, SpecError> {
    let mut steps = Vec::with_capacity(mounts.len() + 4);
    let dev = mounts.iter().rposition(devices::is_dev);
    let (mut devices, mut cgroups) = (Some(devices), Some(cgroups));
    if dev.is_none() {
        steps.extend(devices.take().into_iter().flatten());
    }
    for (index, mount) in mounts.iter().enumerate() {
        if mount.typ().as_deref() == Some("cgroup") || mount.typ().as_deref() == Some("cgroup2") {
            steps.extend(cgroups.take().into_iter().flatten());
        }
        steps.push(Step::Mount(mounts::compile(index, mount, bundle)?));
        if dev == Some(index) {
            steps.extend(devices.take().into_iter().flatten());
        }
    }
    steps.extend(cgroups.into_iter().flatten());
    Ok(steps)
}

fn sysctls(linux: &Linux, own: PodNamespaces) -> Result<Vec<Step>, SpecError> {
    let mut names: Vec<_> = linux.sysctl().iter().flatten().collect();
    names.sort();
    let step = |(name, value): (&String, &String)| {
        let path = sysctl_path(own, name).ok_or_else(|| {
            SpecError::invalid(
                "linux.sysctl",
                format!("{name} is of no namespace that the container has of its own"),
            )
        })?;
        let path = c_string("linux.sysctl", Path::new("sys").join(path))?;
        Ok(Step::Sysctl {
            path,
            value: value.clone().into_bytes(),
        })
    };
    names.into_iter().map(step).collect()
}

/// The bytes for the kernel, which end at the first nul.
pub(crate) fn c_string(
    field: &str,
    text: impl AsRef<std::ffi::OsStr>,
) -> Result<CString, SpecError> {
    use std::os::unix::ffi::OsStrExt;
    CString::new(text.as_ref().as_bytes()).map_err(|_| SpecError::invalid(field, "has a nul byte"))
}
