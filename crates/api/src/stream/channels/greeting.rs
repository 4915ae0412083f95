//! Does the client listen yet? kubectl up to 1.33 begins to read before it has made its channels, and throws
//! away what comes for one that is not there: the error of a command that fails at once, or its first output.
//! So nothing is said until the client has answered a ping, and a little longer.

use std::time::Duration;

use futures_util::{Sink, SinkExt, Stream, StreamExt};
use hyper::body::Bytes;
use tokio_tungstenite::tungstenite::protocol::Message;

/// How long a client may take to answer. One that reads only when it wants to is not waited for.
const ANSWERS_WITHIN: Duration = Duration::from_millis(100);
/// How long a client may take from its answer to its channels, which it makes at the same time.
const MAKES_CHANNELS_WITHIN: Duration = Duration::from_millis(3);

/// Waits until the client listens; gives what it has said meanwhile, or `None` if it is gone.
pub(super) async fn greet<E>(
    sink: &mut (impl Sink<Message, Error = E> + Unpin),
    source: &mut (impl Stream<Item = Result<Message, E>> + Unpin),
) -> Option<Option<Message>> {
    sink.send(Message::Ping(Bytes::new())).await.ok()?;
    let said = match tokio::time::timeout(ANSWERS_WITHIN, source.next()).await {
        Ok(Some(Ok(Message::Pong(_)))) | Err(_) => None,
        Ok(Some(Ok(message))) => Some(message),
        Ok(Some(Err(_)) | None) => return None,
    };
    tokio::time::sleep(MAKES_CHANNELS_WITHIN).await;
    Some(said)
}
