//! How does a request come in, and what keeps strangers from using the machine up?
//!
//! Two doors: TCP with TLS, where only a certificate of our authority is let further than a 401, and a
//! unix socket for root. Everything a client can hold open is counted and has an end; one clock,
//! [`registry::Registry::sweep`], looks at all connections and ends those that are overdue.

pub(crate) mod body;
mod connection;
mod door;
mod registry;
mod respond;

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

use crate::{Failure, Reason};
use body::Body;
use connection::{Connection, Phase, Socket, Wire};
use registry::Registry;

pub use door::{DoorError, listen_unix};
pub use respond::serve;

/// After so much silence a client's machine is asked whether it is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// How much of what was encrypted waits for a client that does not read.
const TLS_BUFFER_BYTES: usize = 16 * 1024;

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

/// What turns requests into answers.
pub(crate) trait Respond: Send + Sync + 'static {
    fn respond(
        self: Arc<Self>,
        request: Request<Incoming>,
        limits: Arc<Limits>,
    ) -> impl Future<Output = Response<Body>> + Send;
}

struct Shared<R> {
    respond: Arc<R>,
    limits: Arc<Limits>,
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
        limits: Arc::clone(&limits),
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
                // Whose machine is gone says no goodbye; a quiet log or port would be held for ever.
                let _ = rustix::net::sockopt::set_socket_keepalive(&stream, true);
                let _ = rustix::net::sockopt::set_tcp_keepidle(&stream, KEEP_ALIVE);
                Socket::Tcp(stream)
            }),
            came = unix.accept() => came.map(|(stream, _)| Socket::Unix(stream)),
            // Nobody there, nothing to look at: an idle machine is not woken for it.
            _ = clock.tick(), if !registry.is_empty() => {
                registry.sweep(Instant::now());
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

async fn attend<R: Respond>(shared: Arc<Shared<R>>, connection: Arc<Connection>) {
    let wire = Wire::new(Arc::clone(&connection), Arc::clone(&shared.registry));
    if connection.is_local() {
        if connection.is_root() {
            connection.enter(Phase::Fresh);
            converse(&shared, &connection, wire, Peer::Known).await;
        }
        return;
    }
    // A client that gives up during the handshake, or shows a certificate of somebody else, has been
    // told so by TLS.
    match shared.acceptor.accept(wire).await {
        Ok(mut stream) => {
            // What a client does not read waits in the daemon's memory: no more than a TLS record of it.
            stream.get_mut().1.set_buffer_limit(Some(TLS_BUFFER_BYTES));
            let is_known = stream.get_ref().1.peer_certificates().is_some();
            let peer = if is_known { Peer::Known } else { Peer::Nobody };
            connection.enter(Phase::Fresh);
            converse(&shared, &connection, stream, peer).await;
        }
        Err(problem) => tracing::debug!(%problem, "a TLS handshake failed"),
    }
}

async fn converse<R, S>(
    shared: &Arc<Shared<R>>,
    connection: &Arc<Connection>,
    stream: S,
    peer: Peer,
) where
    R: Respond,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(|request: Request<Incoming>| async {
        connection.enter(Phase::Serving);
        let answer = match peer {
            Peer::Nobody => unauthorized(),
            Peer::Known => {
                let limits = Arc::clone(&shared.limits);
                let respond = Arc::clone(&shared.respond);
                respond.respond(request, limits).await
            }
        };
        Ok::<_, std::convert::Infallible>(body::guarded(answer, connection, &shared.limits))
    });
    let mut http = http1::Builder::new();
    http.max_buf_size(shared.limits.head_bytes.max(8_192))
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
