//! What must be known to make a container's config?

use std::collections::BTreeMap;
use std::path::PathBuf;

use outrigger_pod::{Pod, Slot};

use crate::seccomp::Confinement;
use crate::user::User;

/// Everything that a container's config is made of.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The Pod.
    pub pod: &'a Pod,
    /// Which of its containers.
    pub slot: Slot,
    /// How often the container was started before.
    pub attempt: u32,
    /// What the image says of itself.
    pub image: &'a ImageConfig,
    /// As whom it runs, from [`crate::user::resolve`].
    pub user: &'a User,
    /// Its environment from the manifest, from [`crate::env::assemble`]. The image's goes below it.
    pub env: &'a [(String, String)],
    /// The Pod's volumes by name.
    pub volumes: &'a BTreeMap<String, VolumeMount>,
    /// Files of the host that are mounted into every container.
    pub paths: &'a Paths,
    /// The Pod's host name, for `HOSTNAME`.
    pub hostname: &'a str,
    /// What the machine is.
    pub host: &'a HostFacts,
    /// Which namespaces the container gets.
    pub namespaces: &'a Namespaces,
    /// Which system calls it may make.
    pub confinement: Confinement<'a>,
    /// The container's cgroup, such as `/outrigger/burstable/pod<uid>/<id>`.
    pub cgroup: &'a str,
}

/// The part of an image's config that a container takes over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageConfig {
    /// `Entrypoint`
    pub entrypoint: Vec<String>,
    /// `Cmd`
    pub cmd: Vec<String>,
    /// `Env`, each `NAME=value`.
    pub env: Vec<String>,
    /// `User`: a name or number, with a group after a colon if it likes.
    pub user: String,
    /// `WorkingDir`; may be empty.
    pub workdir: String,
    /// `StopSignal`
    pub stop_signal: Option<String>,
    /// The keys of `Volumes`. Kubernetes mounts nothing there; neither do we.
    pub volumes: Vec<String>,
}

/// Where a volume lies on the host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VolumeMount {
    /// The directory or file.
    pub path: PathBuf,
    /// Options that the volume's kind asks for on every mount, such as `noexec`.
    pub options: Vec<String>,
    /// Whether the volume's kind is never writable, as of ConfigMaps and Secrets.
    pub read_only: bool,
}

/// Files and directories of the host that go into every container. `None` leaves one out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Paths {
    /// To `/etc/hosts`.
    pub hosts: Option<PathBuf>,
    /// To `/etc/resolv.conf`.
    pub resolv_conf: Option<PathBuf>,
    /// To `/etc/hostname`.
    pub hostname: Option<PathBuf>,
    /// To the container's `terminationMessagePath`.
    pub termination: Option<PathBuf>,
    /// To `/dev/shm`, one for the Pod.
    pub shm: Option<PathBuf>,
}

/// Which generation of control groups the machine runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CgroupMode {
    /// Only v1.
    V1,
    /// Only v2.
    #[default]
    V2,
    /// Controllers on v1, a v2 tree beside them.
    Hybrid,
}

/// What must be known of the machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostFacts {
    /// Memory of the machine.
    pub memory_bytes: u64,
    /// Number of CPUs.
    pub cpus: u32,
    /// Its control groups.
    pub cgroup: CgroupMode,
    /// The sizes of huge pages that it offers, in bytes.
    pub huge_page_sizes_bytes: Vec<u64>,
    /// The capabilities that this program may hand on (its bounding set), such as `CAP_CHOWN`.
    pub capabilities: Vec<String>,
    /// The device nodes of the host's `/dev`, for privileged containers.
    pub devices: Vec<HostDevice>,
    /// Which of `/sys/devices/system/cpu/cpu<n>/thermal_throttle` exist; they are masked.
    pub thermal_throttle: Vec<PathBuf>,
}

/// Which kind of device node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceKind {
    /// A block device.
    Block,
    /// A character device.
    Character,
}

/// A device node of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostDevice {
    /// Where it is, such as `/dev/kvm`.
    pub path: PathBuf,
    /// Its kind.
    pub kind: DeviceKind,
    /// Its major number.
    pub major: i64,
    /// Its minor number.
    pub minor: i64,
    /// Its permission bits.
    pub mode: u32,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
}

/// In which namespaces a container lives. Mounts and cgroups are always its own. The network, IPC
/// and UTS namespaces are the Pod's, or the host's where the Pod asks for it: either way those of
/// the process that starts the container, so the config does not name them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Namespaces {
    /// Which processes it sees.
    pub pid: PidNamespace,
}

/// Which processes a container sees.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum PidNamespace {
    /// Its own.
    #[default]
    Private,
    /// Those that a child of the process that starts it sees: the host's, or the Pod's shared ones.
    Inherited,
    /// Those of the namespace at this path.
    Path(PathBuf),
}
