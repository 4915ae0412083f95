//! How are ports forwarded in channels of a WebSocket? The n-th port of the query has the channels 2n
//! for its bytes and 2n+1 for what went wrong; each channel's first message from here is its port.

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use hyper::body::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Message;

use super::PIECE;
use crate::{Cluster, PodRef, Refused};

/// Channels are numbered by one byte.
const PORTS_MAX: usize = 100;
const WAITING: usize = 16;

/// Forwards until all connections have ended or the client is gone.
pub(super) async fn forward<C: Cluster, S>(
    cluster: Arc<C>,
    pod: PodRef,
    ports: &[u16],
    socket: WebSocketStream<S>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut sink, mut source) = socket.split();
    let (tell, mut told) = mpsc::channel::<Vec<u8>>(WAITING);
    let mut flows = JoinSet::new();
    let mut inputs = Vec::new();
    for (channel, port) in (0..).step_by(2).zip(ports.iter().take(PORTS_MAX)) {
        let (input, bytes) = mpsc::channel(WAITING);
        inputs.push(input);
        flows.spawn(flow(
            (Arc::clone(&cluster), pod.clone()),
            *port,
            channel,
            bytes,
            tell.clone(),
        ));
    }
    drop(tell);
    let outbound = async {
        while let Some(message) = told.recv().await {
            if sink.send(Message::binary(message)).await.is_err() {
                return;
            }
        }
        // All connections have ended; a client that is gone need not hear it.
        let _ = sink.send(Message::Close(None)).await;
    };
    let inbound = async {
        while let Some(Ok(message)) = source.next().await {
            if let Message::Binary(mut bytes) = message
                && !bytes.is_empty()
            {
                let channel = bytes.split_to(1)[0];
                let input = inputs.get(usize::from(channel / 2));
                if let (0, Some(input)) = (channel % 2, input) {
                    // It fails when that connection has ended, which the client is told.
                    let _ = input.send(bytes).await;
                }
            }
        }
    };
    tokio::select! {
        () = outbound => {}
        () = inbound => {}
    }
}

async fn flow<C: Cluster>(
    (cluster, pod): (Arc<C>, PodRef),
    port: u16,
    channel: u8,
    mut bytes: mpsc::Receiver<Bytes>,
    tell: mpsc::Sender<Vec<u8>>,
) {
    let [low, high] = port.to_le_bytes();
    for number in [channel, channel + 1] {
        if tell.send(vec![number, low, high]).await.is_err() {
            return;
        }
    }
    let mut connection = match cluster.connect(&pod, port).await {
        Ok(connection) => connection,
        Err(refused) => {
            let mut message = vec![channel + 1];
            message.extend_from_slice(complaint(&pod, port, &refused).as_bytes());
            let _ = tell.send(message).await;
            return;
        }
    };
    let (mut reader, mut writer) = connection.split();
    let inward = async {
        while let Some(bytes) = bytes.recv().await {
            if writer.write_all(&bytes).await.is_err() {
                break;
            }
        }
        std::future::pending::<()>().await;
    };
    let outward = async {
        let mut piece = vec![0; PIECE];
        piece[0] = channel;
        while let Ok(length @ 1..) = reader.read(&mut piece[1..]).await {
            if tell.send(piece[..=length].to_vec()).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = inward => {}
        () = outward => {}
    }
}

/// What the client is told of a port that nobody can be reached at.
pub(super) fn complaint(pod: &PodRef, port: u16, refused: &Refused) -> String {
    let (Refused::NotFound(why) | Refused::BadRequest(why) | Refused::Internal(why)) = refused;
    format!(
        "error forwarding port {port} to pod {}, uid {}: {why}",
        pod.name, pod.uid
    )
}

#[cfg(test)]
mod tests;
