//! What are answers made of? Whole texts, streams that grow, lines of a watch; and a note to the
//! connection when the last byte of an answer has been handed over.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::{Body as _, Bytes, Frame, Incoming, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use super::connection::Connection;
use super::ledger::Held;
use super::{Limits, Terms};
use crate::{Failure, Reason};

/// The body of an answer.
pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;

const PIECE: usize = 16 * 1024;

/// What a client is told that has asked for too much: when to try again.
const RETRY_S: u32 = 1;

/// Marks answers whose client may take its time.
#[derive(Debug, Clone, Copy)]
struct Interactive;

pub(crate) fn empty() -> Body {
    Empty::new()
        .map_err(|never: Infallible| match never {})
        .boxed_unsync()
}

/// A body that is known.
pub(crate) fn whole(
    status: StatusCode,
    media_type: &str,
    text: impl Into<Bytes>,
) -> Response<Body> {
    let body = Full::new(text.into()).map_err(|never: Infallible| match never {});
    with_type(status, media_type, body.boxed_unsync())
}

/// A `Status` object.
pub(crate) fn failure(failure: &Failure) -> Response<Body> {
    let status =
        StatusCode::from_u16(failure.reason.code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = whole(status, "application/json", failure.status().to_string());
    if failure.reason == Reason::TooManyRequests {
        let headers = answer.headers_mut();
        headers.insert(RETRY_AFTER, HeaderValue::from(RETRY_S));
    }
    answer
}

/// For somebody for whose wish there is no memory right now.
pub(super) fn too_much() -> Failure {
    Failure::new(
        Reason::TooManyRequests,
        "too many bytes of requests and answers are under way: try again later",
    )
}

/// A body that is read bit by bit, for a reader that may take its time.
pub(crate) fn growing(status: StatusCode, media_type: &str, from: crate::Bytes) -> Response<Body> {
    let pieces = futures_util::stream::try_unfold(from, |mut from| async move {
        let mut piece = vec![0; PIECE];
        let length = from.read(&mut piece).await?;
        piece.truncate(length);
        let frame = Frame::data(Bytes::from(piece));
        Ok::<_, io::Error>((length > 0).then_some((frame, from)))
    });
    let mut answer = with_type(status, media_type, StreamBody::new(pieces).boxed_unsync());
    answer.extensions_mut().insert(Interactive);
    answer
}

/// A body of lines, each sent when it is there.
pub(crate) fn lines<T, F>(
    media_type: &str,
    state: T,
    next: impl Fn(T) -> F + Send + 'static,
) -> Response<Body>
where
    T: Send + 'static,
    F: Future<Output = Option<(Bytes, T)>> + Send + 'static,
{
    let lines = futures_util::stream::unfold(state, move |state| {
        let line = next(state);
        async move {
            let (line, state) = line.await?;
            Some((Ok::<_, io::Error>(Frame::data(line)), state))
        }
    });
    with_type(
        StatusCode::OK,
        media_type,
        StreamBody::new(lines).boxed_unsync(),
    )
}

/// What a client has sent.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) bytes: Bytes,
    _held: Held,
}

/// What the client sends, within the limits.
pub(super) async fn collect(body: Incoming, terms: &Terms) -> Result<Sent, Failure> {
    let whole = collect_all(body, terms);
    let Ok(whole) = timeout(Duration::from_millis(terms.limits.body_ms), whole).await else {
        return Err(Failure::new(
            Reason::Timeout,
            "the request's body did not come in time",
        ));
    };
    whole
}

async fn collect_all(mut body: Incoming, terms: &Terms) -> Result<Sent, Failure> {
    let limit = terms.limits.body_bytes;
    let mut held = terms.sent.take(0);
    let (mut bytes, mut only) = (Vec::new(), Bytes::new());
    // Who says beforehand that it is too much is not listened to.
    let announced = body.size_hint().exact().unwrap_or(0);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|problem| {
            Failure::new(
                Reason::BadRequest,
                format!("read the request's body: {problem}"),
            )
        })?;
        let Ok(piece) = frame.into_data() else {
            continue;
        };
        let length = bytes.len() + only.len() + piece.len();
        if length > limit || usize::try_from(announced).is_ok_and(|announced| announced > limit) {
            return Err(Failure::new(
                Reason::RequestEntityTooLarge,
                format!("Request entity too large: limit is {limit}"),
            ));
        }
        if !held.has_room() {
            return Err(too_much());
        }
        held.grow(piece.len());
        // Most bodies come in one piece, which need not be copied.
        if length == piece.len() {
            only = piece;
            continue;
        }
        if bytes.is_empty() {
            // Memory that is not written to costs nothing yet; growing bit by bit would take up to twice as much.
            bytes.reserve_exact(usize::try_from(announced).unwrap_or(0).max(length));
        }
        bytes.extend_from_slice(&std::mem::take(&mut only));
        bytes.extend_from_slice(&piece);
    }
    let bytes = if bytes.is_empty() { only } else { bytes.into() };
    Ok(Sent { bytes, _held: held })
}

fn with_type(status: StatusCode, media_type: &str, body: Body) -> Response<Body> {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    if let Ok(value) = HeaderValue::from_str(media_type) {
        answer.headers_mut().insert(CONTENT_TYPE, value);
    }
    answer
}

/// Ties the answer to its connection, which is idle when the answer is over.
pub(super) fn guarded(
    mut answer: Response<Body>,
    connection: &Arc<Connection>,
    limits: &Limits,
) -> Response<Body> {
    let is_upgrade = answer.status() == StatusCode::SWITCHING_PROTOCOLS;
    let is_interactive = answer.extensions_mut().remove::<Interactive>().is_some();
    connection.be_patient(if is_upgrade || is_interactive {
        limits.stall_interactive_ms
    } else {
        limits.stall_ms
    });
    if is_upgrade {
        return answer;
    }
    let connection = Arc::clone(connection);
    answer.map(|body| Guarded { body, connection }.boxed_unsync())
}

struct Guarded {
    body: Body,
    connection: Arc<Connection>,
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.connection.be_made();
    }
}

impl hyper::body::Body for Guarded {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        // Without that the HTTP library would queue what a client does not take, up to its own bound.
        ready!(self.connection.poll_room(cx));
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            self.connection.hand_over(data.len());
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests;
