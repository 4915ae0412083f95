//! What is a client's connection doing, and since when? And the bytes themselves, with a note of when
//! they last moved.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::Instant;

use super::Limits;
use super::registry::Registry;

/// So much of an answer may wait between its maker and the operating system, besides one piece of any size.
const WAITING_BYTES: usize = 16 * 1024;

/// The operating system's side of a connection.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// What is going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// TLS is being agreed on.
    Handshake,
    /// No request has begun yet.
    Fresh,
    /// A request's head has begun.
    Head,
    /// A request is being answered, or the protocol has changed.
    Serving,
    /// The last answer is over.
    Idle,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    since: Instant,
    /// Whether anything at all has come from it.
    has_spoken: bool,
    /// Since when it is known that it shows no certificate.
    strange: Option<Instant>,
    /// Since when the client takes nothing of what is there for it.
    stalled: Option<Instant>,
    patience: Duration,
    /// What has been handed over since everything was last with the operating system.
    waiting_bytes: usize,
    /// Whether the answer is made, though it may not have been sent.
    is_made: bool,
    /// The maker of the answer, who waits for that.
    maker: Option<Waker>,
}

impl State {
    /// Becomes idle if the answer is over.
    fn rest(&mut self) {
        if self.is_made && self.waiting_bytes == 0 {
            self.is_made = false;
            self.phase = Phase::Idle;
            self.since = Instant::now();
        }
    }
}

/// One client's connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) number: u64,
    socket: Socket,
    state: Mutex<State>,
}

impl Connection {
    pub(super) fn new(number: u64, socket: Socket, limits: &Limits) -> Connection {
        let state = State {
            phase: Phase::Handshake,
            since: Instant::now(),
            has_spoken: false,
            strange: None,
            stalled: None,
            patience: Duration::from_millis(limits.stall_ms),
            waiting_bytes: 0,
            is_made: false,
            maker: None,
        };
        Connection {
            number,
            socket,
            state: Mutex::new(state),
        }
    }

    pub(super) fn is_local(&self) -> bool {
        matches!(self.socket, Socket::Unix(_))
    }

    /// Whether a process of root's is at the other end of the unix socket.
    pub(super) fn is_root(&self) -> bool {
        match &self.socket {
            Socket::Tcp(_) => false,
            Socket::Unix(stream) => rustix::net::sockopt::socket_peercred(stream)
                .is_ok_and(|peer| peer.uid.as_raw() == 0),
        }
    }

    pub(super) fn enter(&self, phase: Phase) {
        let mut state = self.state();
        state.phase = phase;
        state.since = Instant::now();
        state.is_made = false;
    }

    /// Nothing more will be handed over. The connection is idle as soon as everything is sent: until then
    /// somebody is waiting for his answer.
    pub(super) fn be_made(&self) {
        let mut state = self.state();
        state.is_made = true;
        state.rest();
    }

    pub(super) fn be_patient(&self, patience_ms: u64) {
        self.state().patience = Duration::from_millis(patience_ms);
    }

    /// The handshake is over, and no certificate was shown.
    pub(super) fn be_strange(&self) {
        self.state().strange = Some(Instant::now());
    }

    /// How much it would harm to give up one that has proved itself, if it could be given up: those who have not
    /// asked for anything yet go first, each in the order of their age.
    pub(super) fn worth(&self) -> Option<(u8, Instant)> {
        let state = self.state();
        let rank = match state.phase {
            Phase::Handshake | Phase::Fresh => 0,
            Phase::Idle => 1,
            Phase::Head | Phase::Serving => return None,
        };
        Some((rank, state.since))
    }

    /// The same of one that has proved nothing, which can always be given up: those who will prove nothing go
    /// first, then those who say nothing; last those who are in the middle of a handshake.
    pub(super) fn worth_unproven(&self) -> u8 {
        let state = self.state();
        match (state.strange, state.has_spoken) {
            (Some(_), _) => 0,
            (None, false) => 1,
            (None, true) => 2,
        }
    }

    /// Whether its time is over.
    pub(super) fn is_overdue(&self, now: Instant, limits: &Limits) -> bool {
        let state = self.state();
        if let Some(stalled) = state.stalled
            && now.duration_since(stalled) >= state.patience
        {
            return true;
        }
        if let Some(strange) = state.strange {
            // Whatever it does meanwhile: it has this long to ask, and to be told that it may not.
            return now.duration_since(strange) >= Duration::from_millis(limits.stranger_ms);
        }
        let time_ms = match state.phase {
            Phase::Handshake => limits.handshake_ms,
            Phase::Fresh | Phase::Head => limits.head_ms,
            Phase::Idle => limits.idle_ms,
            Phase::Serving => return false,
        };
        now.duration_since(state.since) >= Duration::from_millis(time_ms)
    }

    /// Since when it has been taking nothing, and how much waits for it.
    pub(super) fn stall(&self) -> Option<(Instant, usize)> {
        let state = self.state();
        Some((state.stalled?, state.waiting_bytes))
    }

    /// Waits until more of an answer may be handed over.
    pub(super) fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.state();
        if state.waiting_bytes < WAITING_BYTES {
            return Poll::Ready(());
        }
        state.maker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Notes that so much more of an answer waits to be sent.
    pub(super) fn hand_over(&self, bytes: usize) {
        self.state().waiting_bytes += bytes;
    }

    /// Everything is with the operating system.
    fn has_flushed(&self) {
        let maker = {
            let mut state = self.state();
            state.waiting_bytes = 0;
            state.rest();
            state.maker.take()
        };
        if let Some(maker) = maker {
            maker.wake();
        }
    }

    /// Ends it, whatever is going on: everybody who waits for its bytes wakes up.
    pub(super) fn end(&self) {
        let both = rustix::net::Shutdown::Both;
        // It fails if the client is gone already.
        let _ = match &self.socket {
            Socket::Tcp(stream) => rustix::net::shutdown(stream, both),
            Socket::Unix(stream) => rustix::net::shutdown(stream, both),
        };
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_read(&self) {
        let mut state = self.state();
        state.has_spoken = true;
        if matches!(state.phase, Phase::Idle | Phase::Fresh) {
            state.phase = Phase::Head;
            state.since = Instant::now();
        }
    }

    fn has_written(&self, stalls: bool) {
        let mut state = self.state();
        if !stalls {
            state.stalled = None;
        } else if state.stalled.is_none() {
            state.stalled = Some(Instant::now());
        }
    }
}

/// The bytes of a connection. Dropping it closes the connection and frees its place.
#[derive(Debug)]
pub(super) struct Wire {
    connection: Arc<Connection>,
    registry: Arc<Registry>,
}

impl Wire {
    pub(super) fn new(connection: Arc<Connection>, registry: Arc<Registry>) -> Wire {
        Wire {
            connection,
            registry,
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        // Others may hold the connection for a moment longer; the client shall not wait for them.
        self.connection.end();
        self.registry.forget(self.connection.number);
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let room = match &self.connection.socket {
                Socket::Tcp(stream) => {
                    ready!(stream.poll_read_ready(cx))?;
                    stream.try_read(buf.initialize_unfilled())
                }
                Socket::Unix(stream) => {
                    ready!(stream.poll_read_ready(cx))?;
                    stream.try_read(buf.initialize_unfilled())
                }
            };
            match room {
                Ok(length) => {
                    buf.advance(length);
                    if length > 0 {
                        self.connection.has_read();
                        self.registry.note_moved(length);
                    }
                    return Poll::Ready(Ok(()));
                }
                Err(problem) if problem.kind() == io::ErrorKind::WouldBlock => {}
                Err(problem) => return Poll::Ready(Err(problem)),
            }
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            let ready = match &self.connection.socket {
                Socket::Tcp(stream) => stream.poll_write_ready(cx),
                Socket::Unix(stream) => stream.poll_write_ready(cx),
            };
            if ready.is_pending() {
                self.connection.has_written(true);
            }
            ready!(ready)?;
            let written = match &self.connection.socket {
                Socket::Tcp(stream) => stream.try_write(bytes),
                Socket::Unix(stream) => stream.try_write(bytes),
            };
            match written {
                Err(problem) if problem.kind() == io::ErrorKind::WouldBlock => {}
                written => {
                    self.connection.has_written(false);
                    self.registry.note_moved(*written.as_ref().unwrap_or(&0));
                    return Poll::Ready(written);
                }
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.connection.has_flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let write = rustix::net::Shutdown::Write;
        let _ = match &self.connection.socket {
            Socket::Tcp(stream) => rustix::net::shutdown(stream, write),
            Socket::Unix(stream) => rustix::net::shutdown(stream, write),
        };
        Poll::Ready(Ok(()))
    }
}
