//! How does a request come in, and what keeps strangers from using the machine up?
//!
//! Two doors: TCP with TLS, where only a certificate of our authority is let further than a 401, and a
//! unix socket for root. Everything a client can hold open is counted and has an end; one clock,
//! [`registry::Registry::sweep`], looks at all connections and ends those that are overdue.

mod begun;
pub(crate) mod body;
mod connection;
mod door;
mod ledger;
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
use hyper::{Request, Response, header};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::{Failure, Reason};
use begun::Begun;
use body::Body;
use connection::{Connection, Phase, Socket, Wire};
use ledger::Ledger;
use registry::Registry;
use texts::Texts;

pub use door::{DoorError, listen_unix};
pub use respond::serve;

/// After so much silence a client's machine is asked whether it is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// How much of what was encrypted waits for a client that does not read.
const TLS_BUFFER_BYTES: usize = 8 * 1024;

/// How much the kernel holds for one (it doubles that): without a bound it would be megabytes.
const KERNEL_BUFFER_BYTES: usize = 128 * 1024;

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

/// What a client may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// For the TLS handshake.
    pub handshake_ms: u64,
    /// From the first byte of a request's head to its last; and for the first request to begin.
    pub head_ms: u64,
    /// The longest head of a request.
    pub head_bytes: usize,
    /// For the body of a request.
    pub body_ms: u64,
    /// The longest body of a request.
    pub body_bytes: usize,
    /// Connections at once.
    pub connections: usize,
    /// Of these, how many only the unix socket may use.
    pub connections_reserved: usize,
    /// Bytes of requests that are being read or carried out, of all remote clients together; one more may
    /// come while there is less.
    pub sent_bytes: usize,
    /// Bytes of answers that wait for remote clients, likewise. From half of it on those who take nothing are
    /// cut off early.
    pub waiting_bytes: usize,
    /// Watches at once.
    pub watchers: usize,
    /// A client that reads nothing for so long is cut off.
    pub stall_ms: u64,
    /// The same for logs, commands and ports, where a person may be thinking.
    pub stall_interactive_ms: u64,
    /// Between two requests.
    pub idle_ms: u64,
    /// For requests under way when the server stops.
    pub drain_ms: u64,
    /// How often the clock looks.
    pub sweep_ms: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            handshake_ms: 10_000,
            head_ms: 10_000,
            head_bytes: 64 * 1024,
            body_ms: 30_000,
            body_bytes: 3 * 1024 * 1024,
            connections: 1_024,
            connections_reserved: 64,
            sent_bytes: 32 * 1024 * 1024,
            waiting_bytes: 32 * 1024 * 1024,
            watchers: 1_000,
            stall_ms: 60_000,
            stall_interactive_ms: 4 * 3_600_000,
            idle_ms: 300_000,
            drain_ms: 2_000,
            sweep_ms: 1_000,
        }
    }
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
            sent: Ledger::new(sent_bytes),
            texts: Texts::new(Ledger::new(waiting_bytes)),
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

struct Shared<R> {
    respond: Arc<R>,
    remote: Arc<Terms>,
    /// Root may do what it wants, also while others have used up what there is.
    local: Arc<Terms>,
    registry: Arc<Registry>,
    acceptor: TlsAcceptor,
    shutdown: watch::Receiver<bool>,
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
        local: Terms::new(&limits, usize::MAX, usize::MAX),
        registry: Arc::clone(&registry),
        acceptor: TlsAcceptor::from(tls),
        shutdown: shutdown.clone(),
    });
    let mut tasks = JoinSet::new();
    let mut clock = interval(Duration::from_millis(limits.sweep_ms.max(1)));
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let came = tokio::select! {
            came = tcp.accept() => came.map(|(stream, _)| {
                // Small answers must not wait for each other; without it they are only slower.
                let _ = stream.set_nodelay(true);
                let _ = rustix::net::sockopt::set_socket_send_buffer_size(&stream, KERNEL_BUFFER_BYTES);
                // Whose machine is gone says no goodbye; a quiet log or port would be held for ever.
                let _ = rustix::net::sockopt::set_socket_keepalive(&stream, true);
                let _ = rustix::net::sockopt::set_tcp_keepidle(&stream, KEEP_ALIVE);
                Socket::Tcp(stream)
            }),
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
                    relax();
                }
                continue;
            }
            () = stopped(&mut shutdown) => break,
        };
        match came {
            Ok(socket) => {
                if let Some(connection) = registry.admit(socket) {
                    tasks.spawn(attend(Arc::clone(&shared), connection));
                }
            }
            Err(problem) => {
                // Most likely there are no file descriptors left: make some free, and do not spin.
                tracing::warn!(%problem, "accept a connection; trying again");
                registry.shed();
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop((tcp, unix));
    let drained = timeout(Duration::from_millis(limits.drain_ms), async {
        while let Some(ended) = tasks.join_next().await {
            report(ended);
        }
    });
    // Whoever is still there is cut off, upgraded connections with them.
    let _ = drained.await;
    registry.end_all();
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
            Peer::Nobody => unauthorized(),
            Peer::Known => {
                let respond = Arc::clone(&shared.respond);
                Box::pin(respond.respond(request, Arc::clone(terms))).await
            }
        };
        Ok::<_, std::convert::Infallible>(body::guarded(answer, &connection, &terms.limits))
    });
    let mut http = http1::Builder::new();
    http.max_buf_size(terms.limits.head_bytes.max(8_192))
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

fn unauthorized() -> Response<Body> {
    let mut answer = body::failure(&Failure::new(
        Reason::Unauthorized,
        "Unauthorized: this API wants a client certificate of its own authority; the kubeconfig that `outrigger daemon` writes has one",
    ));
    let close = header::HeaderValue::from_static("close");
    answer.headers_mut().insert(header::CONNECTION, close);
    answer
}

#[cfg(test)]
mod tests;
