//! As whom, with which privileges and where do a container's processes run, and which program is
//! meant by a command's first word?

use std::collections::HashSet;
use std::ffi::CString;
use std::rc::Rc;

use oci_spec::runtime::{Capability, PosixRlimitType, Process as Described};
use outrigger_sys::credentials::{self, Capabilities};
use outrigger_sys::exec::Strings;
use outrigger_sys::limits::Limit;
use outrigger_sys::terminal::Size;
use rustix::process::{Gid, Resource};

use super::{SpecError, c_string};
use crate::seccomp::Filter;

/// What `exec` searches when the environment has no `PATH`.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What the first process and all that are run beside it have in common.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) env: Strings,
    /// The container's `PATH`.
    search: String,
    pub(crate) cwd: CString,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) groups: Vec<Gid>,
    pub(crate) umask: u32,
    pub(crate) capabilities: Capabilities,
    pub(crate) no_new_privileges: bool,
    /// What filters its system calls, if anything does.
    pub(crate) seccomp: Option<Rc<Filter>>,
    pub(crate) limits: Vec<Limit>,
    pub(crate) oom_score_adj: Option<CString>,
    /// The size of the terminal of the first process.
    pub(crate) console: Option<Size>,
}

impl Process {
    /// The environment with a `TERM`, if it has none.
    pub(crate) fn env_for_terminal(&self) -> Option<Strings> {
        let env = self.env.as_slice();
        if env.iter().any(|text| text.as_bytes().starts_with(b"TERM=")) {
            return None;
        }
        Some(Strings::new(
            env.iter().cloned().chain([c"TERM=xterm".into()]).collect(),
        ))
    }
}

/// A program and its arguments.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) args: Strings,
    /// Where the program may be, in the order of trying.
    pub(crate) candidates: Vec<CString>,
    /// The first word, for messages.
    pub(crate) name: String,
    /// Whether it was searched for.
    pub(crate) searched: bool,
}

impl Command {
    /// Takes a command of `process`.
    pub(crate) fn new(args: &[String], process: &Process) -> Result<Command, SpecError> {
        let name = args
            .first()
            .ok_or_else(|| SpecError::invalid("process.args", "is empty"))?;
        let searched = !name.contains('/');
        let candidates = if searched {
            let directories = process
                .search
                .split(':')
                .map(|dir| if dir.is_empty() { "." } else { dir });
            let candidate = |dir: &str| c_string("process.args", format!("{dir}/{name}"));
            if name.is_empty() {
                Vec::new()
            } else {
                directories.map(candidate).collect::<Result<_, _>>()?
            }
        } else {
            vec![c_string("process.args", name)?]
        };
        let args: Vec<CString> = args
            .iter()
            .map(|arg| c_string("process.args", arg))
            .collect::<Result<_, _>>()?;
        Ok(Command {
            args: Strings::new(args),
            candidates,
            name: name.clone(),
            searched,
        })
    }
}

/// Compiles `process`. What this process itself may not give away is left out, with a warning.
pub(super) fn compile(
    described: &Described,
    warnings: &mut Vec<String>,
) -> Result<Process, SpecError> {
    let list = described.env().as_deref().unwrap_or_default();
    let env: Vec<CString> = list
        .iter()
        .map(|text| c_string("process.env", text))
        .collect::<Result<_, _>>()?;
    let search = list
        .iter()
        .rev()
        .find_map(|text| text.strip_prefix("PATH="))
        .unwrap_or(DEFAULT_PATH);
    let cwd = described.cwd();
    if !cwd.is_absolute() {
        return Err(SpecError::invalid(
            "process.cwd",
            format!("{} is not an absolute path", cwd.display()),
        ));
    }
    let user = described.user();
    for (field, id) in [
        ("process.user.uid", user.uid()),
        ("process.user.gid", user.gid()),
    ] {
        if i32::try_from(id).is_err() {
            return Err(SpecError::invalid(
                field,
                format!("{id} is beyond 2147483647"),
            ));
        }
    }
    let limits = described.rlimits().iter().flatten();
    let oom_score_adj = described
        .oom_score_adj()
        .map(|score| c_string("process.oomScoreAdj", score.to_string()));
    Ok(Process {
        env: Strings::new(env),
        search: search.to_owned(),
        cwd: c_string("process.cwd", cwd)?,
        uid: user.uid(),
        gid: user.gid(),
        groups: user
            .additional_gids()
            .iter()
            .flatten()
            .map(|gid| Gid::from_raw(*gid))
            .collect(),
        umask: user.umask().unwrap_or(0o022),
        capabilities: capabilities(described, warnings)?,
        no_new_privileges: described.no_new_privileges() == Some(true),
        seccomp: None,
        limits: limits
            .map(|limit| Limit {
                resource: resource(limit.typ()),
                soft: limit.soft(),
                hard: limit.hard(),
            })
            .collect(),
        oom_score_adj: oom_score_adj.transpose()?,
        console: described.console_size().and_then(console),
    })
}

/// A size that no terminal can have says nothing.
fn console(size: oci_spec::runtime::Box) -> Option<Size> {
    Some(Size {
        rows: u16::try_from(size.height()).ok()?,
        columns: u16::try_from(size.width()).ok()?,
    })
}

fn capabilities(
    described: &Described,
    warnings: &mut Vec<String>,
) -> Result<Capabilities, SpecError> {
    let Some(asked) = described.capabilities() else {
        return Ok(Capabilities::default());
    };
    let ours = credentials::permitted()
        .map_err(|errno| SpecError::invalid("process.capabilities", format!("capget: {errno}")))?;
    let mut lacking = 0;
    let mut set = |list: &Option<HashSet<Capability>>| {
        let bits = list
            .iter()
            .flatten()
            .fold(0, |bits, capability| bits | 1_u64 << number(*capability));
        lacking |= bits & !ours;
        bits & ours
    };
    let sets = Capabilities {
        bounding: set(asked.bounding()),
        effective: set(asked.effective()),
        permitted: set(asked.permitted()),
        inheritable: set(asked.inheritable()),
        ambient: set(asked.ambient()),
    };
    if lacking != 0 {
        warnings.push(format!(
            "capabilities {lacking:#x} were left out, because this process has not got them itself"
        ));
    }
    Ok(sets)
}

/// The kernel's number of a capability.
fn number(capability: Capability) -> u32 {
    match capability {
        Capability::Chown => 0,
        Capability::DacOverride => 1,
        Capability::DacReadSearch => 2,
        Capability::Fowner => 3,
        Capability::Fsetid => 4,
        Capability::Kill => 5,
        Capability::Setgid => 6,
        Capability::Setuid => 7,
        Capability::Setpcap => 8,
        Capability::LinuxImmutable => 9,
        Capability::NetBindService => 10,
        Capability::NetBroadcast => 11,
        Capability::NetAdmin => 12,
        Capability::NetRaw => 13,
        Capability::IpcLock => 14,
        Capability::IpcOwner => 15,
        Capability::SysModule => 16,
        Capability::SysRawio => 17,
        Capability::SysChroot => 18,
        Capability::SysPtrace => 19,
        Capability::SysPacct => 20,
        Capability::SysAdmin => 21,
        Capability::SysBoot => 22,
        Capability::SysNice => 23,
        Capability::SysResource => 24,
        Capability::SysTime => 25,
        Capability::SysTtyConfig => 26,
        Capability::Mknod => 27,
        Capability::Lease => 28,
        Capability::AuditWrite => 29,
        Capability::AuditControl => 30,
        Capability::Setfcap => 31,
        Capability::MacOverride => 32,
        Capability::MacAdmin => 33,
        Capability::Syslog => 34,
        Capability::WakeAlarm => 35,
        Capability::BlockSuspend => 36,
        Capability::AuditRead => 37,
        Capability::Perfmon => 38,
        Capability::Bpf => 39,
        Capability::CheckpointRestore => 40,
    }
}

fn resource(kind: PosixRlimitType) -> Resource {
    match kind {
        PosixRlimitType::RlimitCpu => Resource::Cpu,
        PosixRlimitType::RlimitFsize => Resource::Fsize,
        PosixRlimitType::RlimitData => Resource::Data,
        PosixRlimitType::RlimitStack => Resource::Stack,
        PosixRlimitType::RlimitCore => Resource::Core,
        PosixRlimitType::RlimitRss => Resource::Rss,
        PosixRlimitType::RlimitNproc => Resource::Nproc,
        PosixRlimitType::RlimitNofile => Resource::Nofile,
        PosixRlimitType::RlimitMemlock => Resource::Memlock,
        PosixRlimitType::RlimitAs => Resource::As,
        PosixRlimitType::RlimitLocks => Resource::Locks,
        PosixRlimitType::RlimitSigpending => Resource::Sigpending,
        PosixRlimitType::RlimitMsgqueue => Resource::Msgqueue,
        PosixRlimitType::RlimitNice => Resource::Nice,
        PosixRlimitType::RlimitRtprio => Resource::Rtprio,
        PosixRlimitType::RlimitRttime => Resource::Rttime,
    }
}
