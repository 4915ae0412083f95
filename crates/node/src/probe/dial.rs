//! How does a socket from the Pod's network become a connection?

use std::io;
use std::net::{SocketAddr, TcpStream as Unconnected};

use outrigger_wire::Family;
use tokio::net::{TcpSocket, TcpStream, lookup_host};

use super::Sockets;

/// Connects to the first of the host's addresses that answers. Names are looked up on the node,
/// as the kubelet does.
pub(super) async fn dial(
    sockets: &impl Sockets,
    host: &str,
    port: u16,
) -> Result<TcpStream, String> {
    let addresses = lookup_host((host, port))
        .await
        .map_err(|error| format!("dial tcp: lookup {host}: {}", words(&error)))?;
    let mut failure = format!("dial tcp: lookup {host}: no such host");
    for address in addresses {
        match connect(sockets, address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = format!("dial tcp {address}: connect: {}", words(&error)),
        }
    }
    Err(failure)
}

async fn connect(sockets: &impl Sockets, address: SocketAddr) -> io::Result<TcpStream> {
    let family = if address.is_ipv4() {
        Family::V4
    } else {
        Family::V6
    };
    let socket = Unconnected::from(sockets.open(family).await?);
    // The shim made it so; a blocking one would stall every other Pod.
    socket.set_nonblocking(true)?;
    TcpSocket::from_std_stream(socket).connect(address).await
}

/// An error's words without Rust's number behind them: `connection refused`.
pub(super) fn words(error: &io::Error) -> String {
    let text = error.to_string();
    match (error.raw_os_error(), text.split_once(" (os error")) {
        (Some(_), Some((words, _))) => words.to_lowercase(),
        _ => text,
    }
}
