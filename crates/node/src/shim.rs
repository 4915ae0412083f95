//! How does the node speak with a Pod's shim? It starts the process, connects to its socket,
//! matches replies to calls and passes events on in their order.

mod connection;
mod departures;
mod hearing;
mod home;
mod process;
mod reaching;

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

use outrigger_wire::{
    Connect, Event, Exec, ExecResult, Family, Interact, Prepare, Refusal, Reply, Request, Stage,
    Start, Stats, Streams,
};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;

pub(crate) use connection::Connection;
pub(crate) use departures::Departures;
pub(crate) use hearing::{Finding, Hearing};
pub(crate) use home::Home;
pub use process::Program;
pub(crate) use reaching::{Greeted, Reaching, holder, kill_listener, listens, unheard};

use crate::directories::PodDirectories;

/// How long a shim may take to come up, and to prepare the sandbox.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// How long it may take to release everything; it waits 10 s for processes itself.
const RELEASED_WITHIN: Duration = Duration::from_secs(60);

/// A call that did not get the answer it wanted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// The shim is gone, or its connection is.
    #[error("the pod's shim is gone")]
    Gone,
    /// It has not answered for some time, to nothing.
    #[error("the pod's shim does not answer")]
    Silent,
    /// It took too long, and was killed for it.
    #[error("the pod's shim did not answer within {} s and {}", within.as_secs(), if *killed { "was killed" } else { "could not be killed" })]
    Late {
        /// How long it had.
        within: Duration,
        /// Whether that worked.
        killed: bool,
    },
    /// It said no.
    #[error("{}", .0.message)]
    Refused(Refusal),
    /// Its answer is none to this question.
    #[error("the pod's shim gave an answer that does not fit the question")]
    Unfitting,
}

impl CallError {
    /// How far the request got, if the shim said so.
    pub(crate) fn stage(&self) -> Option<Stage> {
        match self {
            CallError::Refused(refusal) => Some(refusal.stage),
            CallError::Gone | CallError::Silent | CallError::Late { .. } | CallError::Unfitting => {
                None
            }
        }
    }
}

/// A shim that could not be started or reached.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpawnError {
    /// The process could not be started.
    #[error("start the pod's shim {}: {error}", program.display())]
    Start {
        /// What was to be started.
        program: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// It ended before it was ready.
    #[error("the pod's shim ended before it was ready: {0}")]
    Ended(String),
    /// It was not ready in time.
    #[error("the pod's shim (process {pid}) was not ready within {within_s} s and {and}")]
    Late {
        /// The process.
        pid: u32,
        /// How long it had.
        within_s: u64,
        /// What became of it.
        and: String,
    },
    /// Its socket cannot be reached.
    #[error("connect to the pod's shim at {}: {error}", socket.display())]
    Connect {
        /// The socket.
        socket: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// It does not greet as it should.
    #[error("greet the pod's shim: {0}")]
    Greet(#[source] CallError),
}

/// One Pod's shim, as its node sees it.
#[derive(Debug)]
pub(crate) struct Shim {
    connection: Connection,
    /// Whether it can confine a container: one of an earlier version refuses a bundle that asks for it.
    confines: bool,
}

impl Shim {
    /// Starts the shim of a Pod and greets it. The receiver gives the events after `resume_after`
    /// in order, those of an earlier shim with the same ledger too, and ends when the shim is gone.
    ///
    /// # Errors
    /// If it does not come up.
    pub(crate) async fn spawn(
        program: &Program,
        dirs: &PodDirectories,
        resume_after: u64,
    ) -> Result<(Shim, UnboundedReceiver<Event>), SpawnError> {
        process::spawn(program, dirs, READY_WITHIN).await?;
        let socket = dirs.socket();
        let (connection, events) =
            Connection::open(&socket)
                .await
                .map_err(|error| SpawnError::Connect {
                    socket: socket.clone(),
                    error,
                })?;
        let mut shim = Shim {
            connection,
            confines: false,
        };
        let hello = Request::Hello {
            version: outrigger_wire::VERSION,
            resume_after,
        };
        match shim
            .within(READY_WITHIN, hello)
            .await
            .map_err(SpawnError::Greet)?
        {
            Reply::Hello { seccomp, .. } => {
                shim.confines = seccomp;
                Ok((shim, events))
            }
            _ => Err(SpawnError::Greet(CallError::Unfitting)),
        }
    }

    /// Whether it can confine a container's system calls.
    pub(crate) fn confines(&self) -> bool {
        self.confines
    }

    /// Makes the Pod's namespaces, mounts and cgroup. Gives warnings. A shim that does not answer is
    /// killed.
    pub(crate) async fn prepare(&self, prepare: Prepare) -> Result<Vec<String>, CallError> {
        let prepare = Request::Prepare(Box::new(prepare));
        match self.within(READY_WITHIN, prepare).await? {
            Reply::Done { warnings } => Ok(warnings),
            _ => Err(CallError::Unfitting),
        }
    }

    /// Creates and starts a container. Gives warnings.
    pub(crate) async fn start(&self, start: Start) -> Result<Vec<String>, CallError> {
        match self
            .connection
            .call(Request::Start(Box::new(start)))
            .await?
            .0
        {
            Reply::Started { warnings, .. } => Ok(warnings),
            _ => Err(CallError::Unfitting),
        }
    }

    /// Sends a signal to a container's first process.
    pub(crate) async fn signal(&self, container: String, signal: i32) -> Result<(), CallError> {
        self.done(Request::Signal { container, signal })
            .await
            .map(drop)
    }

    /// Kills all of a container.
    pub(crate) async fn kill(&self, container: String) -> Result<(), CallError> {
        self.done(Request::Kill { container }).await.map(drop)
    }

    /// Runs a command in a container and waits for it.
    pub(crate) async fn exec(&self, exec: Exec) -> Result<ExecResult, CallError> {
        match self.connection.call(Request::Exec(exec)).await?.0 {
            Reply::ExecDone(result) => Ok(result),
            _ => Err(CallError::Unfitting),
        }
    }

    /// Makes a TCP socket in the Pod's network.
    pub(crate) async fn socket(&self, family: Family) -> Result<OwnedFd, CallError> {
        let (reply, mut sockets) = self
            .connection
            .call(Request::Connect(Connect { family }))
            .await?;
        match (reply, sockets.pop()) {
            (Reply::Socket, Some(socket)) => Ok(socket),
            _ => Err(CallError::Unfitting),
        }
    }

    /// Runs a command in a container with streams of our own; gives which these are, their
    /// descriptors in that order, who tells its exit code, and its number for [`Shim::cancel`].
    pub(crate) async fn interact(
        &self,
        interact: Interact,
    ) -> Result<(Streams, Vec<OwnedFd>, oneshot::Receiver<i32>, u64), CallError> {
        let begun = self.connection.begin(Request::Interact(interact));
        match self.unless_silent(begun).await? {
            ((Reply::Streams(streams), descriptors), ended, call) => {
                Ok((streams, descriptors, ended, call))
            }
            _ => Err(CallError::Unfitting),
        }
    }

    /// Kills what an `interact` began, if it has not ended.
    pub(crate) fn cancel(&self, call: u64) {
        self.connection.cancel(call);
    }

    /// Takes part in a container's streams.
    pub(crate) async fn attach(
        &self,
        container: String,
        stdin: bool,
    ) -> Result<(Streams, Vec<OwnedFd>), CallError> {
        let attach = Request::Attach { container, stdin };
        match self.unless_silent(self.connection.call(attach)).await? {
            (Reply::Streams(streams), descriptors) => Ok((streams, descriptors)),
            _ => Err(CallError::Unfitting),
        }
    }

    /// Changes the limits of a running container, or of the whole Pod; they are a `linux.resources`
    /// object. Gives warnings.
    pub(crate) async fn update(
        &self,
        container: Option<String>,
        resources: serde_json::Value,
    ) -> Result<Vec<String>, CallError> {
        self.done(Request::Update {
            container,
            resources,
        })
        .await
    }

    /// What the Pod uses.
    pub(crate) async fn stats(&self) -> Result<Stats, CallError> {
        match self.connection.call(Request::Stats).await?.0 {
            Reply::Stats(stats) => Ok(stats),
            _ => Err(CallError::Unfitting),
        }
    }

    /// Releases what an ended container holds.
    /// All events up to `recorded` are in the Pod's record and may be forgotten.
    pub(crate) async fn remove(&self, container: String, recorded: u64) -> Result<(), CallError> {
        let remove = Request::Remove {
            container,
            recorded,
        };
        self.done(remove).await.map(drop)
    }

    /// Kills and releases everything; the shim exits. Gives what could not be released. A shim that
    /// does not answer is killed.
    pub(crate) async fn release(&self) -> Result<Vec<String>, CallError> {
        self.release_within(RELEASED_WITHIN).await
    }

    /// What is known of its answers.
    pub(crate) fn hearing(&self) -> &Hearing {
        self.connection.hearing()
    }

    /// Asks for a sign of life: there is no call 0 that could be ended, and any shim says so. Gives
    /// warnings.
    pub(crate) async fn ping(&self) -> Result<Vec<String>, CallError> {
        self.done(Request::CancelExec { call: 0 }).await
    }

    /// Waits for the answer to a call only as long as the shim answers at all.
    pub(crate) async fn unless_silent<T>(
        &self,
        call: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, CallError> {
        tokio::select! {
            biased;
            () = self.hearing().until_silent() => Err(CallError::Silent),
            answer = call => answer,
        }
    }

    /// Its process, if it is still there.
    pub(crate) fn process(&self) -> Option<OwnedFd> {
        self.connection.process()
    }

    /// As [`Shim::release`], with another patience.
    pub(crate) async fn release_within(&self, within: Duration) -> Result<Vec<String>, CallError> {
        match self.within(within, Request::Release).await? {
            Reply::Released { leftovers } => Ok(leftovers),
            _ => Err(CallError::Unfitting),
        }
    }

    /// Asks, and kills a shim that does not answer in time: nobody can tell then what it has done.
    async fn within(&self, within: Duration, request: Request) -> Result<Reply, CallError> {
        match tokio::time::timeout(within, self.connection.call(request)).await {
            Ok(answered) => answered.map(|(reply, _)| reply),
            Err(_) => Err(CallError::Late {
                within,
                killed: self.connection.kill().is_some(),
            }),
        }
    }

    async fn done(&self, request: Request) -> Result<Vec<String>, CallError> {
        match self.connection.call(request).await?.0 {
            Reply::Done { warnings } => Ok(warnings),
            _ => Err(CallError::Unfitting),
        }
    }
}
