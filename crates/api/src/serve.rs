//! How does a request come in, and what keeps strangers from using the machine up?
//!
//! Two doors: TCP with TLS, where only a certificate of our authority is let further than a 401, and a
//! unix socket for root. Everything a client can hold open is counted and has an end; one clock,
//! [`registry::Registry::sweep`], looks at all connections and ends those that are overdue.

mod begun;
pub(crate) mod body;
mod connection;
mod door;
mod head;
mod ledger;
mod limits;
mod registry;
mod respond;
mod texts;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use begun::Begun;
use body::Body;
use connection::{Connection, Phase, Socket, Wire};
use ledger::Ledger;
use registry::Registry;
use texts::Texts;

pub use door::{DoorError, listen_unix};
pub use limits::Limits;
pub use respond::serve;

/// How long nobody is let in when there is no file descriptor left: those who were sent away need a moment to be gone.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
/// The same when that did not help.
const LONGEST_PAUSE: Duration = Duration::from_millis(128);

/// After so much silence a client's machine is asked whether it is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// How much of what was encrypted waits for a client that does not read.
const TLS_BUFFER_BYTES: usize = 8 * 1024;

/// How much the kernel holds for one (it doubles that): without a bound it would be megabytes.
const KERNEL_BUFFER_BYTES: usize = 128 * 1024;

/// The least that the HTTP library takes as its bound.
const LEAST_BUFFER_BYTES: usize = 8 * 1024;

/// Reading a body takes many times its bytes, so a few of them leave much behind.
const SENT_STIR_BYTES: usize = 256 * 1024;
const WAITING_STIR_BYTES: usize = 8 * 1024 * 1024;

/// What was needed is not given back at once: more like it may come, and the threads that worked at it hold some of it
/// until they end.
const RELIEF_AFTER: Duration = Duration::from_secs(2);

/// Where clients come in.
#[derive(Debug)]
pub struct Edges {
    /// TCP.
    pub tcp: TcpListener,
    /// What TLS is spoken there ([`crate::Pki::server_config`]).
    pub tls: Arc<rustls::ServerConfig>,
    /// The unix socket, for root only.
    pub unix: UnixListener,
    /// Called when a crowd of clients has gone: what was needed for them can be given back.
    pub relax: fn(),
}

/// Who is at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// It came by the unix socket and is root, or has a certificate of ours.
    Known,
    /// It came by TCP and showed no certificate.
    Nobody,
}

/// What a client's requests may cost, and what those of all of its kind cost.
#[derive(Debug)]
pub(crate) struct Terms {
    limits: Arc<Limits>,
    /// What they send.
    sent: Arc<Ledger>,
    /// What waits for them.
    texts: Texts,
}

impl Terms {
    fn new(limits: &Arc<Limits>, sent_bytes: usize, waiting_bytes: usize) -> Arc<Terms> {
        Arc::new(Terms {
            limits: Arc::clone(limits),
            sent: Ledger::new(sent_bytes, SENT_STIR_BYTES),
            texts: Texts::new(Ledger::new(waiting_bytes, WAITING_STIR_BYTES)),
        })
    }
}

/// What turns requests into answers.
pub(crate) trait Respond: Send + Sync + 'static {
    fn respond(
        self: Arc<Self>,
        request: Request<Incoming>,
        terms: Arc<Terms>,
    ) -> impl Future<Output = Response<Body>> + Send;
}

impl Terms {
    /// Waits until much has been read or answered and next to nothing of it is held any more.
    async fn at_rest(&self) {
        tokio::select! {
            () = self.sent.at_rest() => {}
            () = self.texts.ledger().at_rest() => {}
        }
    }
}

struct Shared<R> {
    respond: Arc<R>,
    remote: Arc<Terms>,
    /// Root has an account of its own, which others cannot use up.
    local: Arc<Terms>,
    registry: Arc<Registry>,
    acceptor: TlsAcceptor,
    shutdown: watch::Receiver<bool>,
}

impl<R> Shared<R> {
    /// Whether bodies have been read since this was asked.
    fn has_read(&self) -> bool {
        // Both are asked.
        self.remote.sent.has_passed() | self.local.sent.has_passed()
    }

    async fn at_rest(&self) {
        tokio::select! {
            () = self.remote.at_rest() => {}
            () = self.local.at_rest() => {}
        }
    }
}

/// Serves until told to stop, then lets requests under way end and cuts off what remains.
pub(crate) async fn serve_with<R: Respond>(
    respond: Arc<R>,
    edges: Edges,
    limits: Limits,
    mut shutdown: watch::Receiver<bool>,
) {
    let Edges {
        tcp,
        tls,
        unix,
        relax,
    } = edges;
    let limits = Arc::new(limits);
    let registry = Registry::new(Arc::clone(&limits));
    let shared = Arc::new(Shared {
        respond,
        remote: Terms::new(&limits, limits.sent_bytes, limits.waiting_bytes),
        local: Terms::new(&limits, limits.sent_bytes, limits.waiting_bytes),
        registry: Arc::clone(&registry),
        acceptor: TlsAcceptor::from(tls),
        shutdown: shutdown.clone(),
    });
    let mut tasks = JoinSet::new();
    let mut pause = FIRST_PAUSE;
    let mut clock = interval(Duration::from_millis(limits.sweep_ms.max(1)));
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // When what was needed for many or large requests is given back; never while nothing has happened.
    let mut relief: Option<Instant> = None;
    loop {
        let came = tokio::select! {
            came = tcp.accept() => came.map(|(stream, _)| tuned(stream)),
            came = unix.accept() => came.map(|(stream, _)| Socket::Unix(stream)),
            // Nobody there, nothing to look at: an idle machine is not woken for it.
            _ = clock.tick(), if !registry.is_empty() => {
                let now = Instant::now();
                registry.sweep(now);
                registry.relieve(now, shared.remote.texts.ledger().excess());
                continue;
            }
            Some(ended) = tasks.join_next() => {
                report(ended);
                if registry.has_calmed() {
                    relief = Some(Instant::now());
                }
                continue;
            }
            () = shared.at_rest() => {
                relief.get_or_insert_with(|| Instant::now() + RELIEF_AFTER);
                continue;
            }
            () = sleep_until(relief.unwrap_or_else(Instant::now)), if relief.is_some() => {
                // Whatever was read meanwhile has left something behind, too, however little it was.
                relief = shared.has_read().then(|| Instant::now() + RELIEF_AFTER);
                // It takes its time where there was much, and nobody waits for it.
                tokio::task::spawn_blocking(relax);
                continue;
            }
            () = stopped(&mut shutdown) => break,
        };
        match came {
            Ok(socket) => {
                pause = FIRST_PAUSE;
                if let Some(connection) = registry.admit(socket) {
                    tasks.spawn(attend(Arc::clone(&shared), connection));
                }
            }
            Err(problem) => {
                registry.shed();
                rest(&mut pause, &problem).await;
            }
        }
    }
    drop((tcp, unix));
    // Whoever is still there then is cut off, upgraded connections with them.
    let _ = timeout(Duration::from_millis(limits.drain_ms), drained(&mut tasks)).await;
    registry.end_all();
}

/// Waits until all connections have ended.
async fn drained(tasks: &mut JoinSet<()>) {
    while let Some(ended) = tasks.join_next().await {
        report(ended);
    }
}

fn tuned(stream: TcpStream) -> Socket {
    // Small answers must not wait for each other; without it they are only slower.
    let _ = stream.set_nodelay(true);
    let _ = rustix::net::sockopt::set_socket_send_buffer_size(&stream, KERNEL_BUFFER_BYTES);
    // Whose machine is gone says no goodbye; a quiet log or port would be held for ever.
    let _ = rustix::net::sockopt::set_socket_keepalive(&stream, true);
    let _ = rustix::net::sockopt::set_tcp_keepidle(&stream, KEEP_ALIVE);
    Socket::Tcp(stream)
}

/// Most likely there are no file descriptors left, and some were just made free: nobody goes round in circles.
async fn rest(pause: &mut Duration, problem: &std::io::Error) {
    if *pause == LONGEST_PAUSE {
        tracing::warn!(
            %problem,
            "accept a connection; trying again. If too many files are open, raise the hard limit (LimitNOFILE=)"
        );
    }
    sleep(*pause).await;
    *pause = (*pause * 2).min(LONGEST_PAUSE);
}

/// When it is time to stop, also if nobody is left who could say so.
async fn stopped(shutdown: &mut watch::Receiver<bool>) {
    let _ = shutdown.wait_for(|stop| *stop).await;
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(problem) = ended
        && problem.is_panic()
    {
        tracing::error!(%problem, "a request broke the task that served it; the others go on");
    }
}

/// Everything that is large is in a box of its own: a connection pays for what it is doing only.
async fn attend<R: Respond>(shared: Arc<Shared<R>>, connection: Arc<Connection>) {
    let wire = Wire::new(Arc::clone(&connection), Arc::clone(&shared.registry));
    if connection.is_local() {
        if connection.is_root() {
            connection.enter(Phase::Fresh);
            Box::pin(converse(shared, connection, wire, Peer::Known)).await;
        }
        return;
    }
    if let Some((stream, peer)) = Box::pin(agree(&shared.acceptor, wire)).await {
        match peer {
            Peer::Known if !shared.registry.prove(&connection) => return,
            Peer::Known => {}
            Peer::Nobody => connection.be_strange(),
        }
        connection.enter(Phase::Fresh);
        Box::pin(converse(shared, connection, stream, peer)).await;
    }
}

/// The TLS handshake. A client that gives up during it, or shows a certificate of somebody else, has been told
/// so by TLS.
async fn agree(acceptor: &TlsAcceptor, wire: Wire) -> Option<(Box<TlsStream<Wire>>, Peer)> {
    match acceptor.accept(wire).await {
        Ok(mut stream) => {
            // What a client does not read waits in the daemon's memory.
            stream.get_mut().1.set_buffer_limit(Some(TLS_BUFFER_BYTES));
            let is_known = stream.get_ref().1.peer_certificates().is_some();
            let peer = if is_known { Peer::Known } else { Peer::Nobody };
            Some((Box::new(stream), peer))
        }
        Err(problem) => {
            tracing::debug!(%problem, "a TLS handshake failed");
            None
        }
    }
}

async fn converse<R, S>(shared: Arc<Shared<R>>, connection: Arc<Connection>, stream: S, peer: Peer)
where
    R: Respond,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut shutdown = shared.shutdown.clone();
    let begun = tokio::select! {
        begun = begun::begun(stream) => begun,
        () = stopped(&mut shutdown) => None,
    };
    if let Some(begun) = begun {
        Box::pin(speak(shared, connection, begun, peer)).await;
    }
}

async fn speak<R, S>(
    shared: Arc<Shared<R>>,
    connection: Arc<Connection>,
    stream: Begun<S>,
    peer: Peer,
) where
    R: Respond,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let terms = if connection.is_local() {
        &shared.local
    } else {
        &shared.remote
    };
    let service = service_fn(|request: Request<Incoming>| async {
        connection.enter(Phase::Serving);
        let answer = match peer {
            Peer::Nobody => head::unauthorized(),
            Peer::Known if head::bytes(&request) > terms.limits.head_bytes => {
                head::too_long(terms.limits.head_bytes)
            }
            Peer::Known => {
                let respond = Arc::clone(&shared.respond);
                Box::pin(respond.respond(request, Arc::clone(terms))).await
            }
        };
        Ok::<_, std::convert::Infallible>(body::guarded(answer, &connection, &terms.limits))
    });
    let mut http = http1::Builder::new();
    let head = match peer {
        Peer::Known => terms.limits.head_bytes,
        Peer::Nobody => 0,
    };
    http.max_buf_size(head.max(LEAST_BUFFER_BYTES))
        .header_read_timeout(None);
    let mut serving = pin!(
        http.serve_connection(TokioIo::new(stream), service)
            .with_upgrades()
    );
    let mut shutdown = shared.shutdown.clone();
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = stopped(&mut shutdown) => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(problem) = ended {
        tracing::debug!(%problem, "a connection ended early");
    }
}

#[cfg(test)]
mod tests;
