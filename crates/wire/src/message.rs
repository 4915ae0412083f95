//! The messages: the node calls, the shim replies and reports.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::event::{Event, Stamp};
use crate::{Interact, Stats, Stdio, Streams};

/// The protocol's version; a shim refuses a node that speaks another.
pub const VERSION: u32 = 2;

/// A request with the number by which its reply is known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// Chosen by the node, never used twice on one connection.
    pub id: u64,
    /// What is asked.
    pub request: Request,
}

/// What the node can ask of a shim. Requests are taken in order; only `Exec` is answered later
/// than the requests behind it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// First on every connection. Answered by `Hello`, then by the events after `resume_after`.
    Hello {
        /// [`VERSION`].
        version: u32,
        /// The last event's `seq` that the node has; 0 for none.
        resume_after: u64,
    },
    /// Make the Pod's namespaces, mounts and cgroup. Once in a shim's life. Answered by `Done`.
    Prepare(Box<Prepare>),
    /// Create a container from its bundle and start it. Answered by `Started`.
    Start(Box<Start>),
    /// Send a container's stop signal to its first process. Answered by `Done`, also if it is gone.
    /// It is sent once: asked again, by another connection too, nothing is sent.
    Signal {
        /// The container's id.
        container: String,
        /// The signal's number.
        signal: i32,
    },
    /// Kill every process in a container's cgroup. Answered by `Done`.
    Kill {
        /// The container's id.
        container: String,
    },
    /// Run a command in a container and wait for it. Answered by `ExecDone`.
    Exec(Exec),
    /// Run a command in a container with streams of the node's own. Answered by `Streams` with their
    /// descriptors, and when the command has ended by a `Message::Ended`.
    Interact(Interact),
    /// Take part in a container's stdin, stdout and stderr. Answered by `Streams`.
    Attach {
        /// The container's id.
        container: String,
        /// Whether its stdin is wanted, which it has if it was started with one.
        stdin: bool,
    },
    /// Change the limits of a running container, or of the whole Pod. Answered by `Done`.
    Update {
        /// The container's id; `None` for the Pod's cgroup.
        container: Option<String>,
        /// A `linux.resources` object of the OCI runtime specification.
        resources: serde_json::Value,
    },
    /// What the Pod uses. Answered by `Stats`.
    Stats,
    /// Kill a running exec with all its descendants. Answered by `Done`; the exec's own reply
    /// follows.
    CancelExec {
        /// The call id of the exec.
        call: u64,
    },
    /// Make a non-blocking TCP socket in the Pod's network namespace. Answered by `Socket`, with
    /// the socket's descriptor as `SCM_RIGHTS` beside the frame.
    Connect(Connect),
    /// Release what an ended container holds: root file system, cgroup. Answered by `Done`.
    Remove {
        /// The container's id.
        container: String,
        /// All events up to this `seq` are in the node's own record: the ledger may forget them. 0 for none.
        #[serde(default)]
        recorded: u64,
    },
    /// Kill and release everything and exit after the reply. Answered by `Released`.
    Release,
}

/// What a Pod needs before its first container.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prepare {
    /// The hostname of the Pod's UTS namespace; `None` with the host's.
    pub hostname: Option<String>,
    /// Which namespaces are made for the Pod.
    pub namespaces: SharedNamespaces,
    /// The Pod's cgroup.
    pub cgroup: PodCgroup,
    /// tmpfs volumes to mount, in this order.
    pub tmpfs: Vec<Tmpfs>,
    /// Sysctls to write in the Pod's namespaces: name with dots, value.
    pub sysctls: Vec<(String, String)>,
    /// How long the Pod may live without a node.
    pub lease: Lease,
    /// The files that its containers borrow, if they are to lie on tmpfs. An older shim lends them where they
    /// are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lent: Option<Lent>,
    /// Where compiled seccomp profiles are kept for all Pods; without one each shim compiles its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filters: Option<PathBuf>,
}

/// The files that a Pod lends to its containers: on tmpfs, so that what containers write there is bounded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lent {
    /// A directory of files. They are copied to a tmpfs, which covers it for the shim and all binds of
    /// containers.
    pub files: PathBuf,
    /// A directory that another tmpfs covers, for the files of [`Start::message`].
    pub messages: PathBuf,
    /// The limit of each of the two in bytes.
    pub size_bytes: u64,
}

/// Which namespaces all containers of the Pod share, as made by its shim. Those that are false
/// are the host's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedNamespaces {
    /// A network namespace of the Pod's own, its loopback up.
    pub net: bool,
    /// An IPC namespace of the Pod's own.
    pub ipc: bool,
    /// A UTS namespace of the Pod's own.
    pub uts: bool,
    /// One PID namespace for all containers, with a reaper as its first process
    /// (`shareProcessNamespace`). If false, each container's bundle says what it gets.
    pub pid: bool,
}

/// The Pod's cgroup and those above it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PodCgroup {
    /// The path from the root of each hierarchy, such as `/outrigger/burstable/pod<uid>`.
    pub path: String,
    /// Limits of the Pod's cgroup: a `linux.resources` object of the OCI runtime specification.
    pub resources: serde_json::Value,
}

/// A tmpfs to mount where everything in the shim's mount namespace sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tmpfs {
    /// An existing directory.
    pub path: PathBuf,
    /// The limit in bytes; `None` for the kernel's default.
    pub size_bytes: Option<u64>,
    /// Permission bits of its root.
    pub mode: u32,
    /// The group of its root; `None` for root's.
    #[serde(default)]
    pub gid: Option<u32>,
}

/// What happens when the node's connection closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lease {
    /// The Pod lives on and waits for the next node.
    Forever,
    /// Everything is killed and released (`outrigger run`).
    Connection,
}

/// How to start a container.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// The container's id: letters and digits, never used again.
    pub container: String,
    /// The OCI bundle: a directory with `config.json` and an empty `rootfs` directory.
    pub bundle: PathBuf,
    /// What is mounted on `rootfs`.
    pub rootfs: RootFs,
    /// Where stdout and stderr go.
    pub log: LogFile,
    /// What its first process reads from and writes to.
    #[serde(default)]
    pub stdio: Stdio,
    /// The container whose PID namespace it joins (an ephemeral container's target); it must run.
    #[serde(default)]
    pub join_pid_of: Option<String>,
    /// The file of its termination message, in [`Lent::messages`]. It is made before the container, empty and
    /// for everybody to write, and its end is told in `Exited`. An older shim expects the file to be there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<PathBuf>,
}

/// A container's root file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootFs {
    /// Read-only directories, the uppermost first.
    pub lower: Vec<PathBuf>,
    /// An empty directory for what the container writes (`upper` and `work` are made in it). If
    /// the file system there cannot be an overlay's upper layer, a tmpfs is used instead.
    pub writable: PathBuf,
}

/// A CRI log file and how it is rotated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogFile {
    /// The file; its directory exists.
    pub path: PathBuf,
    /// Size in bytes at which it is rotated.
    pub max_bytes: u64,
    /// How many files are kept, the current one included.
    pub max_files: u32,
}

/// A command to run in a container, with the environment, user and directory of its first process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exec {
    /// The container's id.
    pub container: String,
    /// The command and its arguments.
    pub args: Vec<String>,
    /// Milliseconds after which it is killed with all its descendants; `None` for no limit.
    pub timeout_ms: Option<u64>,
    /// How many bytes of its output (stdout and stderr together) are kept.
    pub output_limit: usize,
    /// A name for this exec within its container, if it is to be carried out once and to outlive its
    /// connection: asked again with the same token, by whichever connection, the shim waits for the one
    /// that runs or answers with what it gave.
    #[serde(default)]
    pub token: Option<String>,
}

/// A TCP socket to make in the Pod's network namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connect {
    /// The address family.
    pub family: Family,
}

/// An address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Family {
    /// `AF_INET`
    V4,
    /// `AF_INET6`
    V6,
}

/// What a shim sends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Message {
    /// The answer to a call.
    Reply {
        /// The call's id.
        id: u64,
        /// What came of it.
        result: Result<Reply, Refusal>,
    },
    /// Something happened. It is in the ledger already, and on the disk.
    Event(Event),
    /// An `Interact` has ended. Its output is in the pipes, to their end.
    Ended {
        /// The call's id.
        id: u64,
        /// 0–255, or 128 + the signal that killed it.
        code: i32,
    },
}

/// A good answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Reply {
    /// To `Hello`.
    Hello {
        /// The shim's process id.
        pid: u32,
        /// Whether `Prepare` has been done.
        prepared: bool,
        /// The ids of all containers that were started and not removed, running or ended. No call of
        /// an earlier connection is carried out after this answer.
        #[serde(default)]
        containers: Vec<String>,
        /// Whether it carries out `linux.seccomp`. One that does not refuses a bundle that has it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        seccomp: bool,
    },
    /// It is done. `warnings` tell what was tried and refused by the kernel for want of a
    /// privilege, and left.
    Done {
        /// For people.
        warnings: Vec<String>,
    },
    /// To `Start`: the first process runs.
    Started {
        /// Its process id as the host sees it.
        pid: u32,
        /// When.
        at: Stamp,
        /// As in `Done`.
        warnings: Vec<String>,
    },
    /// To `Exec`.
    ExecDone(ExecResult),
    /// To `Connect`; the descriptor comes beside this frame.
    Socket,
    /// To `Interact` and `Attach`; the descriptors come beside this frame.
    Streams(Streams),
    /// To `Stats`.
    Stats(Stats),
    /// To `Release`: what could not be released, empty if all is gone.
    Released {
        /// For people.
        leftovers: Vec<String>,
    },
}

/// A bad answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Operation, object and errno in one line.
    pub message: String,
    /// How far it got.
    pub stage: Stage,
}

/// How far a refused request got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// It was not understood or does not fit the shim's state.
    Protocol,
    /// Nothing came to be: for `Start`, the container could not be created.
    Create,
    /// For `Start`: the container was made, and its command could not be executed.
    Execute,
}

/// What became of an exec.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecResult {
    /// 0–255, or 128 + the signal that killed it.
    pub code: i32,
    /// Whether it ran into its time-out.
    pub timed_out: bool,
    /// stdout and stderr as they came, cut at the limit; bytes that are not UTF-8 are replaced.
    pub output: String,
}
