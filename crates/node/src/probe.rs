//! How are probes and hooks asked over the network? On sockets that the shim made in the Pod's
//! network namespace, and never by way of a proxy.

mod dial;
mod grpc;
mod headers;
mod http;
mod tcp;
mod tls;
mod url;

use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use outrigger_lifecycle::Outcome;
use outrigger_pod::HttpGet;
use outrigger_wire::Family;

use crate::shim::Shim;

/// Where TCP sockets come from: new, not connected, non-blocking. One probe may need several,
/// because a redirect opens a further connection.
pub(crate) trait Sockets: Sync {
    /// Makes one.
    fn open(&self, family: Family) -> impl Future<Output = io::Result<OwnedFd>> + Send;
}

impl Sockets for Arc<Shim> {
    async fn open(&self, family: Family) -> io::Result<OwnedFd> {
        self.socket(family).await.map_err(io::Error::other)
    }
}

/// Who asks, as the server sees it in `User-Agent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Agent {
    Probe,
    Lifecycle,
}

impl Agent {
    fn name(self) -> &'static str {
        match self {
            Agent::Probe => "kube-probe/1.36",
            Agent::Lifecycle => "kube-lifecycle/1.36",
        }
    }
}

/// The Pod itself, while Pods have no addresses of their own.
const POD_HOST: &str = "127.0.0.1";

/// Sends a GET request; a status from 200 to 399 is success.
pub(crate) async fn http(sockets: &impl Sockets, get: &HttpGet, timeout: Duration) -> Outcome {
    http::probe(sockets, get, timeout).await
}

/// Opens a TCP connection and closes it.
pub(crate) async fn tcp(
    sockets: &impl Sockets,
    host: Option<&str>,
    port: u16,
    timeout: Duration,
) -> Outcome {
    tcp::probe(sockets, host.unwrap_or(POD_HOST), port, timeout).await
}

/// Calls `grpc.health.v1.Health/Check` in clear text; SERVING is success.
pub(crate) async fn grpc(
    sockets: &impl Sockets,
    port: u16,
    service: &str,
    timeout: Duration,
) -> Outcome {
    grpc::probe(sockets, POD_HOST, port, service, timeout).await
}

/// Sends a hook's GET request; any status is success, and nothing but the caller bounds its time.
pub(crate) async fn hook(sockets: &impl Sockets, get: &HttpGet) -> Result<(), String> {
    http::hook(sockets, get).await
}

/// What a `Duration` looks like in messages.
fn seconds(timeout: Duration) -> String {
    format!("{}s", timeout.as_secs_f64())
}

#[cfg(test)]
mod tests;
