//! How do bytes flow to and from a running Pod? In messages of a WebSocket, each behind its channel's number.

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use hyper::StatusCode;
use hyper::body::Bytes;
use tokio::net::UnixStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::{Client, Place, Refusal};
use crate::failure::Failure;

/// What comes from there.
pub(crate) struct Channels {
    source: SplitStream<WebSocketStream<UnixStream>>,
}

/// What goes there.
pub(crate) struct Sender {
    sink: SplitSink<WebSocketStream<UnixStream>, Message>,
}

impl Client {
    /// Opens the channels of a stream.
    pub(crate) async fn channels(
        &self,
        place: Place,
        protocol: &'static str,
    ) -> Result<(Sender, Channels), Refusal> {
        let failed = |error: &Error| Refusal::Ours(Failure::of("speak with the daemon", error));
        let mut request = format!("ws://outrigger{place}")
            .into_client_request()
            .map_err(|error| failed(&error))?;
        request
            .headers_mut()
            .insert("Sec-WebSocket-Protocol", HeaderValue::from_static(protocol));
        let stream = self.connect().await?;
        match tokio_tungstenite::client_async(request, stream).await {
            Ok((socket, _)) => {
                let (sink, source) = socket.split();
                Ok((Sender { sink }, Channels { source }))
            }
            Err(Error::Http(answer)) => {
                let code = StatusCode::from_u16(answer.status().as_u16())
                    .unwrap_or(StatusCode::BAD_GATEWAY);
                let whole = answer.body().as_deref().unwrap_or_default();
                // Only what came with the head is here; the rest is asked for in the ordinary way.
                match Refusal::read(code, whole) {
                    status @ Refusal::Status(_) => Err(status),
                    ours => match self.send(super::Ask::get(place)).await {
                        Err(status @ Refusal::Status(_)) => Err(status),
                        _ => Err(ours),
                    },
                }
            }
            Err(error) => Err(failed(&error)),
        }
    }
}

impl Channels {
    /// The next piece with its channel's number; `None` when the other side is done or gone.
    pub(crate) async fn next(&mut self) -> Option<(u8, Bytes)> {
        loop {
            let mut bytes = match self.source.next().await?.ok()? {
                Message::Binary(bytes) => bytes,
                Message::Text(text) => text.into(),
                Message::Close(_) => return None,
                _ => continue,
            };
            if !bytes.is_empty() {
                let channel = bytes.split_to(1)[0];
                return Some((channel, bytes));
            }
        }
    }
}

impl Sender {
    /// Sends a piece; false if the other side is gone.
    pub(crate) async fn send(&mut self, channel: u8, piece: &[u8]) -> bool {
        let mut message = Vec::with_capacity(1 + piece.len());
        message.push(channel);
        message.extend_from_slice(piece);
        self.sink.send(Message::binary(message)).await.is_ok()
    }
}
