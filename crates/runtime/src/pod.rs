//! What do all containers of a Pod stand on: namespaces, tmpfs, sysctls, and the reaper of a shared
//! PID namespace?

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use outrigger_sys::Errno;
use outrigger_sys::clone::{Child, Namespaces, spawn_bare};
use outrigger_sys::credentials::{self, Capabilities};
use outrigger_sys::mount::{Change, Propagation, attr, set_attributes};
use outrigger_sys::{loopback, namespace, pidfd, process, signals, waiting};
use rustix::fs::CWD;

use crate::rootfs;

/// Something of a Pod that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum PodError {
    /// The kernel refused.
    #[error("cannot {operation} {object}")]
    Kernel {
        /// What was tried.
        operation: &'static str,
        /// With what.
        object: String,
        /// Why not.
        source: io::Error,
    },
    /// A sysctl that is not one of the Pod's namespaces, or is none at all.
    #[error("the sysctl {0} does not belong to a namespace that the Pod has of its own")]
    Sysctl(String),
}

fn failed(operation: &'static str, object: impl Into<String>) -> impl FnOnce(Errno) -> PodError {
    let object = object.into();
    move |errno| PodError::Kernel {
        operation,
        object,
        source: errno.into(),
    }
}

/// Which namespaces the Pod has of its own. Its mount namespace is not asked about: the calling
/// process always gets one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PodNamespaces {
    /// Network, with its loopback up.
    pub net: bool,
    /// IPC.
    pub ipc: bool,
    /// Host name.
    pub uts: bool,
}

/// Moves this process into the Pod's namespaces and a mount namespace that receives mounts from
/// the host's and gives none back. The process must have one thread.
///
/// # Errors
/// Where the kernel refuses a namespace; the process is of no use then.
pub fn enter_new(own: PodNamespaces, hostname: Option<&str>) -> Result<(), PodError> {
    let pick = |wanted, namespace| if wanted { namespace } else { Namespaces::NONE };
    let namespaces = Namespaces::MOUNT
        .and(pick(own.net, Namespaces::NET))
        .and(pick(own.ipc, Namespaces::IPC))
        .and(pick(own.uts, Namespaces::UTS));
    namespace::unshare(namespaces).map_err(failed("make", "the Pod's namespaces"))?;
    let receive = Change {
        propagation: Some(Propagation::Slave),
        ..Change::default()
    };
    set_attributes(CWD, c"/", receive, true).map_err(failed("part from the host", "the mounts"))?;
    if own.net {
        loopback::up().map_err(failed("bring up", "the loopback interface"))?;
    }
    match hostname {
        Some(name) if own.uts => nix::unistd::sethostname(name).map_err(|errno| {
            failed("set the host name", name)(Errno::from_raw_os_error(errno as i32))
        }),
        _ => Ok(()),
    }
}

/// Mounts a tmpfs (`nosuid`, `nodev`) on an existing directory, in this process' mount namespace;
/// its root belongs to that group. `inodes` limits how many files it holds.
///
/// # Errors
/// Where the kernel refuses.
pub fn mount_tmpfs(
    target: &Path,
    size_bytes: Option<u64>,
    inodes: Option<u64>,
    mode: u32,
    gid: Option<u32>,
) -> Result<(), PodError> {
    let (mode, size, inodes, gid) = (
        format!("{mode:o}"),
        size_bytes.map(|bytes| bytes.to_string()),
        inodes.map(|count| count.to_string()),
        gid.map(|gid| gid.to_string()),
    );
    let mut options = vec![("mode", mode.as_str())];
    options.extend(size.as_deref().map(|size| ("size", size)));
    options.extend(inodes.as_deref().map(|count| ("nr_inodes", count)));
    options.extend(gid.as_deref().map(|gid| ("gid", gid)));
    let object = || target.display().to_string();
    let mount = rootfs::new_tmpfs(&options).map_err(failed("make a tmpfs for", object()))?;
    rootfs::attach(&mount, target).map_err(failed("mount a tmpfs at", object()))
}

/// Writes sysctls of the namespaces that this process has just entered.
///
/// # Errors
/// When a name is not of a namespace in `own`, or the kernel refuses a value.
pub fn write_sysctls(own: PodNamespaces, sysctls: &[(String, String)]) -> Result<(), PodError> {
    for (name, value) in sysctls {
        let path = sysctl_path(own, name).ok_or_else(|| PodError::Sysctl(name.clone()))?;
        let path = Path::new("/proc/sys").join(path);
        fs::write(&path, value.as_bytes()).map_err(|source| PodError::Kernel {
            operation: "write the sysctl",
            object: path.display().to_string(),
            source,
        })?;
    }
    Ok(())
}

/// Where below `/proc/sys` a sysctl lies, if it belongs to one of these namespaces. Dots part the
/// components; where a slash is used, dots are part of a component.
pub(crate) fn sysctl_path(own: PodNamespaces, name: &str) -> Option<PathBuf> {
    let slashes = name
        .find(['.', '/'])
        .is_some_and(|at| name.as_bytes()[at] == b'/');
    let parts: Vec<String> = if slashes {
        name.split('/').map(str::to_owned).collect()
    } else {
        name.split('.').map(|part| part.replace('/', ".")).collect()
    };
    if parts
        .iter()
        .any(|part| part.is_empty() || part == "." || part == ".." || part.contains('\0'))
    {
        return None;
    }
    let ipc = [
        "msgmax",
        "msgmnb",
        "msgmni",
        "sem",
        "shmall",
        "shmmax",
        "shmmni",
        "shm_rmid_forced",
    ];
    let allowed = match parts.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["net", _, ..] => own.net,
        ["kernel", name] if ipc.contains(&name) => own.ipc,
        ["kernel", "domainname"] => own.uts,
        ["fs", "mqueue", _] => own.ipc,
        _ => false,
    };
    allowed.then(|| parts.iter().collect())
}

/// The first process of a PID namespace that all containers of a Pod share. It only reaps, and dies
/// with the process that made it; the kernel then kills all others of the namespace. Dropping the
/// value kills it.
#[derive(Debug)]
pub struct Reaper {
    child: Child,
}

impl Reaper {
    /// Makes the namespace and its first process.
    ///
    /// # Errors
    /// Where the kernel refuses.
    pub fn start() -> Result<Reaper, PodError> {
        let child = spawn_bare(Namespaces::PID.and(Namespaces::MOUNT), reap)
            .map_err(failed("start", "the reaper of the Pod's PID namespace"))?;
        Ok(Reaper { child })
    }

    /// Its process id, as seen outside its namespace.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.pid
    }

    /// Readable when it has ended, and with it all processes of the namespace.
    #[must_use]
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.child.pidfd.as_fd()
    }
}

impl Reaper {
    /// Kills it, and with it all others of the namespace. It ends when the last of them has been
    /// waited for, whoever's child that is: wait for those first, and then on its pidfd.
    pub fn kill(&self) {
        // Only a process that has ended already refuses.
        let _ = pidfd::send_signal(&self.child.pidfd, SIGKILL);
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        self.kill();
        // Waiting could last for ever: see `kill`. Its zombie is a child like any other.
        let _ = pidfd::try_wait(&self.child.pidfd);
    }
}

/// The reaper's whole life. Child-safe. One that cannot be confined ends, and no container comes
/// into its namespace.
fn reap() -> i32 {
    signals::block_all();
    if confine().is_err() {
        return 71;
    }
    // Without its name it works as well.
    let _ = process::set_name(c"outrigger-reap");
    if waiting::only_wait().is_err() {
        return 71;
    }
    loop {
        while let Ok(Some(_)) = process::reap_any() {}
        // SIGCHLD is blocked, so one that came since stays pending and none is missed.
        let _ = signals::wait_for(SIGCHLD);
    }
}

/// All containers of the namespace see the reaper, and one with `CAP_SYS_PTRACE` can look into it.
/// So that this leads nowhere it lives in an empty, read-only root, has no privileges, and may only wait.
fn confine() -> Result<(), Errno> {
    let private = Change {
        propagation: Some(Propagation::Private),
        ..Change::default()
    };
    set_attributes(CWD, c"/", private, true)?;
    let root = rootfs::new_tmpfs(&[("mode", "0555")])?;
    let sealed = Change {
        set: attr::RDONLY | attr::NOEXEC,
        ..Change::default()
    };
    set_attributes(&root, c"", sealed, false)?;
    // Anywhere will do: it becomes the root, and what was there goes.
    rootfs::attach(&root, Path::new("/proc"))?;
    rustix::process::fchdir(&root)?;
    rustix::process::pivot_root(c".", c".")?;
    rustix::mount::unmount(c".", rustix::mount::UnmountFlags::DETACH)?;
    rustix::process::chdir(c"/")?;
    credentials::bound(0)?;
    credentials::set_capabilities(Capabilities::default())?;
    credentials::forbid_new_privileges()
}

/// The same number on every machine that is supported.
const SIGCHLD: i32 = 17;
/// Likewise.
const SIGKILL: i32 = 9;

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: PodNamespaces = PodNamespaces {
        net: true,
        ipc: true,
        uts: false,
    };

    #[test]
    fn sysctls_of_own_namespaces_become_paths() {
        let path = |name| sysctl_path(OWN, name).map(|path| path.display().to_string());
        assert_eq!(
            path("net.ipv4.ip_forward").as_deref(),
            Some("net/ipv4/ip_forward")
        );
        assert_eq!(
            path("net/ipv4/conf/eth0.1/forwarding").as_deref(),
            Some("net/ipv4/conf/eth0.1/forwarding")
        );
        assert_eq!(
            path("net.ipv4.conf.eth0/1.forwarding").as_deref(),
            Some("net/ipv4/conf/eth0.1/forwarding")
        );
        assert_eq!(path("kernel.shmmax").as_deref(), Some("kernel/shmmax"));
    }

    #[test]
    fn other_sysctls_are_refused() {
        for name in [
            "kernel.core_pattern",
            "net",
            "net...kernel",
            "net/../kernel/core_pattern",
            "kernel.domainname",
            "",
        ] {
            assert_eq!(sysctl_path(OWN, name), None, "{name}");
        }
        assert_eq!(
            sysctl_path(PodNamespaces::default(), "net.ipv4.ip_forward"),
            None
        );
    }
}
