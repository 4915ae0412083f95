//! How do bytes flow between a client and a running Pod? Logs as a body that grows; commands,
//! attachments and forwarded ports over a connection that changes its protocol.

mod channels;
pub(crate) mod container;
mod handshake;
mod ports;
mod sessions;
mod spdy;

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Message, Role, WebSocketConfig};

use crate::route::StreamKind;
use crate::serve::body::{self, Body};
use crate::{Cluster, PodRef};
use handshake::{Protocol, Upgrade};

/// The largest message that a client may send.
const MESSAGE_MAX: usize = 4 * 1024 * 1024;
/// The pieces in which output is read and sent.
const PIECE: usize = 32 * 1024;

/// Answers a request for a running Pod's streams.
pub(crate) async fn handle<C: Cluster>(
    cluster: Arc<C>,
    pod: PodRef,
    what: StreamKind,
    mut request: Request<Incoming>,
) -> Response<Body> {
    if let StreamKind::Log(query) = what {
        return match cluster.logs(&pod, query).await {
            Ok(log) => body::growing(StatusCode::OK, "text/plain", log),
            Err(refused) => body::failure(&refused.into()),
        };
    }
    let offered = match &what {
        StreamKind::PortForward(_) => handshake::FORWARDING,
        _ => handshake::CHANNELS,
    };
    let upgrade = match handshake::read(request.headers(), offered) {
        Ok(upgrade) => upgrade,
        Err(refusal) => return body::failure(&refusal),
    };
    let upgraded = hyper::upgrade::on(&mut request);
    let answer = handshake::answer(&upgrade);
    tokio::spawn(async move {
        if let Err(problem) = converse(cluster, pod, what, upgrade, upgraded).await {
            tracing::debug!(%problem, "a client's connection did not change its protocol");
        }
    });
    answer
}

async fn converse<C: Cluster>(
    cluster: Arc<C>,
    pod: PodRef,
    what: StreamKind,
    upgrade: Upgrade,
    upgraded: OnUpgrade,
) -> hyper::Result<()> {
    let raw = TokioIo::new(upgraded.await?);
    if upgrade.protocol == Protocol::Spdy {
        let (reader, writer) = tokio::io::split(raw);
        let inbound = futures_util::stream::unfold(reader, |mut reader| async move {
            let mut piece = vec![0; PIECE];
            let length = reader.read(&mut piece).await.ok().filter(|n| *n > 0)?;
            piece.truncate(length);
            Some((piece, reader))
        });
        let outbound =
            futures_util::sink::unfold(writer, |mut writer, piece: Vec<u8>| async move {
                writer.write_all(&piece).await?;
                writer.flush().await?;
                Ok::<_, std::io::Error>(writer)
            });
        sessions::forward(cluster, pod, Box::pin(inbound), Box::pin(outbound)).await;
        return Ok(());
    }
    let config = WebSocketConfig::default()
        .read_buffer_size(16 * 1024)
        .write_buffer_size(0)
        .max_write_buffer_size(8 * MESSAGE_MAX)
        .max_message_size(Some(MESSAGE_MAX))
        .max_frame_size(Some(MESSAGE_MAX));
    let socket = WebSocketStream::from_raw_socket(raw, Role::Server, Some(config)).await;
    match what {
        StreamKind::Log(_) => {}
        StreamKind::Exec(exec) => {
            let begin = async { cluster.exec(&pod, exec).await };
            channels::converse(socket, begin, channels::Ending::ExitCode).await;
        }
        StreamKind::Attach(attach) => {
            let begin = async { cluster.attach(&pod, attach).await };
            channels::converse(socket, begin, channels::Ending::Over).await;
        }
        StreamKind::PortForward(_) if upgrade.protocol == Protocol::SpdyInMessages => {
            let (sink, source) = socket.split();
            let inbound = source.filter_map(|message| async {
                match message {
                    Ok(Message::Binary(bytes)) => Some(bytes.to_vec()),
                    _ => None,
                }
            });
            let outbound = sink.with(|piece: Vec<u8>| async {
                Ok::<_, tokio_tungstenite::tungstenite::Error>(Message::binary(piece))
            });
            sessions::forward(cluster, pod, Box::pin(inbound), Box::pin(outbound)).await;
        }
        StreamKind::PortForward(ports) => ports::forward(cluster, pod, &ports, socket).await,
    }
    Ok(())
}

/// The `connection` header's words, for the answer to an upgrade.
const UPGRADE: (header::HeaderName, &str) = (header::CONNECTION, "Upgrade");
