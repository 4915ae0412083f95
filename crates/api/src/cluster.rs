//! What can only a running Pod give? Its logs, a command run in it, a way to its ports. The node is
//! the one who gives it; this crate sees it through [`Cluster`].

use std::future::Future;
use std::os::fd::OwnedFd;
use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncWrite};

/// One life of one Pod.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PodRef {
    /// `metadata.namespace`
    pub namespace: String,
    /// `metadata.name`
    pub name: String,
    /// `metadata.uid`
    pub uid: String,
}

/// The query of `GET …/pods/NAME/log`, checked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LogQuery {
    /// The container; the only one if it is empty.
    pub container: String,
    /// Whether to go on with what is written from now on, until the container ends.
    pub follow: bool,
    /// Whether the log of the instance before is wanted.
    pub previous: bool,
    /// Only lines since then, in nanoseconds of Unix time (`sinceSeconds`, `sinceTime`).
    pub since_ns: Option<i64>,
    /// Only the last lines.
    pub tail_lines: Option<u64>,
    /// No more than this many bytes.
    pub limit_bytes: Option<u64>,
    /// Whether each line begins with its time.
    pub timestamps: bool,
    /// `Stdout` or `Stderr` only (KEP-3288); both if it is `None`.
    pub stream: Option<&'static str>,
}

/// A command to run in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exec {
    /// The container; the default one if it is empty.
    pub container: String,
    /// The command and its arguments.
    pub command: Vec<String>,
    /// Which streams are wanted.
    pub streams: Interaction,
}

/// A wish to take part in a container's streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attach {
    /// The container; the default one if it is empty.
    pub container: String,
    /// Which streams are wanted.
    pub streams: Interaction,
}

/// Which streams are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interaction {
    /// Something to read from.
    pub stdin: bool,
    /// Something to write to.
    pub stdout: bool,
    /// Something to write complaints to.
    pub stderr: bool,
    /// A terminal; then stderr is part of stdout.
    pub tty: bool,
}

/// The streams of a command or a container, as the caller holds them.
pub struct Session {
    /// To write to; dropping it ends the other side's stdin.
    pub stdin: Option<Box<dyn AsyncWrite + Send + Unpin>>,
    /// To read from.
    pub stdout: Option<Box<dyn AsyncRead + Send + Unpin>>,
    /// To read from.
    pub stderr: Option<Box<dyn AsyncRead + Send + Unpin>>,
    /// The terminal's controlling side, to resize it (`TIOCSWINSZ`).
    pub terminal: Option<OwnedFd>,
    /// The exit code (0–255, or 128 + the signal), once it is over. For an `Attach`: when the
    /// container has ended.
    pub ended: Pin<Box<dyn Future<Output = Result<i32, Refused>> + Send>>,
}

/// Chunks of bytes as they come; the end is the end.
pub type Bytes = Box<dyn AsyncRead + Send + Unpin>;

/// A request that a Pod cannot fulfil now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// There is no such Pod or container.
    NotFound(String),
    /// It is not in a state for that, such as a container that waits to start.
    BadRequest(String),
    /// It was tried and did not work.
    Internal(String),
}

/// What something uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processor time a second, in nanoseconds, over the window.
    pub cpu_nanocores: u64,
    /// The working set in bytes.
    pub memory_bytes: u64,
}

/// What one Pod or the node used in the last window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageOf {
    /// End of the window in nanoseconds of Unix time.
    pub at_ns: i64,
    /// Length of the window in milliseconds.
    pub window_ms: u64,
    /// Each container by name; for the node one entry with an empty name.
    pub containers: Vec<(String, Usage)>,
}

/// A future that is returned by a trait's method.
pub type Answering<'a, T> = Pin<Box<dyn Future<Output = Result<T, Refused>> + Send + 'a>>;

/// What only a running Pod can give.
pub trait Cluster: Send + Sync + 'static {
    /// A container's log.
    fn logs<'a>(&'a self, pod: &'a PodRef, query: LogQuery) -> Answering<'a, Bytes>;
    /// Runs a command.
    fn exec<'a>(&'a self, pod: &'a PodRef, exec: Exec) -> Answering<'a, Session>;
    /// Takes part in a container's streams.
    fn attach<'a>(&'a self, pod: &'a PodRef, attach: Attach) -> Answering<'a, Session>;
    /// Connects to a port on the Pod's loopback.
    fn connect<'a>(&'a self, pod: &'a PodRef, port: u16) -> Answering<'a, tokio::net::TcpStream>;
    /// What a Pod uses, if it runs.
    fn usage<'a>(&'a self, pod: &'a PodRef) -> Answering<'a, UsageOf>;
    /// What the machine uses.
    fn node_usage(&self) -> Answering<'_, UsageOf>;
    /// `/metrics`: Prometheus' text format.
    fn metrics(&self) -> Answering<'_, String>;
    /// What keeps the node from being ready; empty if nothing does.
    fn unready(&self) -> Vec<String>;
}
