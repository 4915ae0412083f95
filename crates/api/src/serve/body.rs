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
use http_body_util::{BodyExt, Empty, Full, LengthLimitError, Limited, StreamBody};
use hyper::body::{Bytes, Frame, Incoming, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use super::Limits;
use super::connection::{Connection, Phase};
use crate::{Failure, Reason};

/// The body of an answer.
pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;

const PIECE: usize = 16 * 1024;

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
    whole(status, "application/json", failure.status().to_string())
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
    F: Future<Output = Option<(Vec<u8>, T)>> + Send + 'static,
{
    let lines = futures_util::stream::unfold(state, move |state| {
        let line = next(state);
        async move {
            let (line, state) = line.await?;
            Some((Ok::<_, io::Error>(Frame::data(Bytes::from(line))), state))
        }
    });
    with_type(
        StatusCode::OK,
        media_type,
        StreamBody::new(lines).boxed_unsync(),
    )
}

/// What the client sends, within the limits.
pub(super) async fn collect(body: Incoming, limits: &Limits) -> Result<Bytes, Failure> {
    let whole = Limited::new(body, limits.body_bytes).collect();
    let Ok(whole) = timeout(Duration::from_millis(limits.body_ms), whole).await else {
        return Err(Failure::new(
            Reason::Timeout,
            "the request's body did not come in time",
        ));
    };
    whole.map(|whole| whole.to_bytes()).map_err(|problem| {
        if problem.is::<LengthLimitError>() {
            let limit = limits.body_bytes;
            Failure::new(
                Reason::RequestEntityTooLarge,
                format!("Request entity too large: limit is {limit}"),
            )
        } else {
            Failure::new(
                Reason::BadRequest,
                format!("read the request's body: {problem}"),
            )
        }
    })
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
        self.connection.enter(Phase::Idle);
    }
}

impl hyper::body::Body for Guarded {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Poll::Ready(ready!(Pin::new(&mut self.body).poll_frame(cx)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
