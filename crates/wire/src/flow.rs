//! What flows between node and containers beside the messages, and what a Pod uses.

use serde::{Deserialize, Serialize};

/// What a container's first process reads from and writes to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stdio {
    /// Whether stdin is a pipe that `Attach` can write to; else it is `/dev/null`.
    pub stdin: bool,
    /// Whether stdin ends when the first `Attach` that writes to it ends.
    pub stdin_once: bool,
    /// Whether all three are a terminal. Its output is logged as stdout.
    pub tty: bool,
}

/// A command to run in a container with streams of the node's own. It is killed, with all its
/// descendants, when its connection closes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interact {
    /// The container's id.
    pub container: String,
    /// The command and its arguments.
    pub args: Vec<String>,
    /// Whether it gets a stdin; else that is `/dev/null`.
    pub stdin: bool,
    /// Whether its stdout is wanted; else that is `/dev/null`.
    pub stdout: bool,
    /// Whether its stderr is wanted; else that is `/dev/null`. Without meaning with a terminal.
    pub stderr: bool,
    /// Whether it gets a terminal of its own, with the environment variable `TERM` set if it is not.
    pub tty: bool,
}

/// Which descriptors come beside a `Streams`, in the order of these fields.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Streams {
    /// The end of a pipe to write to.
    pub stdin: bool,
    /// The end of a pipe to read from.
    pub stdout: bool,
    /// The end of a pipe to read from.
    pub stderr: bool,
    /// A terminal's controlling side: to resize; to write to; and for an `Interact` to read from. An
    /// `Attach` reads from `stdout` instead, because the shim reads the terminal for the log.
    pub terminal: bool,
}

/// What a Pod uses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// The whole Pod.
    pub pod: Usage,
    /// Each running container by its id.
    pub containers: Vec<(String, Usage)>,
}

/// What a cgroup uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Processor time since it was made, in nanoseconds.
    pub cpu_ns: u64,
    /// Memory that cannot be taken back at once (the kubelet's working set), in bytes.
    pub memory_bytes: u64,
    /// Processes and threads.
    pub pids: u64,
}
