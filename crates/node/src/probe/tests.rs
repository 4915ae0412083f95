//! Probes and hooks against real servers on the loopback interface.

use std::io;
use std::net::{SocketAddr, TcpListener as Listener};
use std::os::fd::OwnedFd;
use std::time::Duration;

use outrigger_lifecycle::Outcome;
use outrigger_pod::{HttpGet, Scheme};
use outrigger_wire::Family;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::Sockets;

mod health;
mod requests;
mod servers;

/// Long enough never to be reached on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// For servers that never answer.
const IMPATIENCE: Duration = Duration::from_millis(300);

/// Sockets of the test's own network.
struct Own;

impl Sockets for Own {
    async fn open(&self, family: Family) -> io::Result<OwnedFd> {
        use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
        let family = match family {
            Family::V4 => AddressFamily::INET,
            Family::V6 => AddressFamily::INET6,
        };
        Ok(socket_with(
            family,
            SocketType::STREAM,
            SocketFlags::NONBLOCK | SocketFlags::CLOEXEC,
            None,
        )?)
    }
}

fn get(address: SocketAddr, path: &str) -> HttpGet {
    HttpGet {
        scheme: Scheme::Http,
        host: None,
        port: address.port(),
        path: path.to_owned(),
        headers: Vec::new(),
    }
}

fn with(get: HttpGet, headers: &[(&str, &str)]) -> HttpGet {
    let headers = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    HttpGet { headers, ..get }
}

/// A port at which nobody listens.
fn closed_port() -> u16 {
    Listener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .unwrap()
        .port()
}

fn words(outcome: Outcome) -> String {
    match outcome {
        Outcome::Failure(words) => words,
        other => panic!("{other:?}"),
    }
}
