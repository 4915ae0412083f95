//! How does the node speak with a Pod's shim? It starts the process, connects to its socket,
//! matches replies to calls and passes events on in their order.

mod connection;
mod process;

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use outrigger_wire::{
    Connect, Event, Exec, ExecResult, Family, Prepare, Refusal, Reply, Request, Stage, Start,
};
use tokio::sync::mpsc::UnboundedReceiver;

pub(crate) use connection::Connection;
pub use process::Program;

use crate::directories::PodDirectories;

/// A call that did not get the answer it wanted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// The shim is gone, or its connection is.
    #[error("the pod's shim is gone")]
    Gone,
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
            CallError::Gone | CallError::Unfitting => None,
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
        process::spawn(program, dirs).await?;
        let socket = dirs.socket();
        let (connection, events) =
            Connection::open(&socket)
                .await
                .map_err(|error| SpawnError::Connect {
                    socket: socket.clone(),
                    error,
                })?;
        let shim = Shim { connection };
        let hello = Request::Hello {
            version: outrigger_wire::VERSION,
            resume_after,
        };
        match shim
            .connection
            .call(hello)
            .await
            .map_err(SpawnError::Greet)?
            .0
        {
            Reply::Hello { .. } => Ok((shim, events)),
            _ => Err(SpawnError::Greet(CallError::Unfitting)),
        }
    }

    /// Makes the Pod's namespaces, mounts and cgroup. Gives warnings.
    pub(crate) async fn prepare(&self, prepare: Prepare) -> Result<Vec<String>, CallError> {
        self.done(Request::Prepare(Box::new(prepare))).await
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
        match self
            .connection
            .call(Request::Connect(Connect { family }))
            .await?
        {
            (Reply::Socket, Some(socket)) => Ok(socket),
            _ => Err(CallError::Unfitting),
        }
    }

    /// Releases what an ended container holds.
    pub(crate) async fn remove(&self, container: String) -> Result<(), CallError> {
        self.done(Request::Remove { container }).await.map(drop)
    }

    /// Kills and releases everything; the shim exits. Gives what could not be released.
    pub(crate) async fn release(&self) -> Result<Vec<String>, CallError> {
        match self.connection.call(Request::Release).await?.0 {
            Reply::Released { leftovers } => Ok(leftovers),
            _ => Err(CallError::Unfitting),
        }
    }

    async fn done(&self, request: Request) -> Result<Vec<String>, CallError> {
        match self.connection.call(request).await?.0 {
            Reply::Done { warnings } => Ok(warnings),
            _ => Err(CallError::Unfitting),
        }
    }
}
