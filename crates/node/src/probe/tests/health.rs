//! gRPC: what a health server is asked, and what is made of its answer.

use std::convert::Infallible;

use http_body_util::BodyExt;
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{HeaderMap, HeaderValue};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::*;
use crate::probe;

/// What the server sends: message bytes, then trailers; or a status in the headers alone.
#[derive(Clone, Copy)]
enum Says {
    Health(&'static [u8]),
    Status(&'static str),
    Http(u16),
    Nothing,
}

async fn serve(says: Says) -> (u16, mpsc::UnboundedReceiver<(String, Bytes)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (asked, received) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let service = hyper::service::service_fn(|request: Request<Incoming>| {
            let asked = asked.clone();
            async move {
                let head = format!(
                    "{} {} {:?}",
                    request.method(),
                    request.uri().path(),
                    request.headers()
                );
                let body = request.into_body().collect().await.unwrap().to_bytes();
                asked.send((head, body)).unwrap();
                respond(says).await
            }
        });
        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        _ = server.serve_connection(TokioIo::new(stream), service).await;
    });
    (port, received)
}

type Frames = Vec<Result<Frame<Bytes>, Infallible>>;

/// The frames of a body, one after the other.
struct Steps(std::vec::IntoIter<Result<Frame<Bytes>, Infallible>>);

impl hyper::body::Body for Steps {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        std::task::Poll::Ready(self.0.next())
    }
}

async fn respond(says: Says) -> Result<Response<Steps>, hyper::http::Error> {
    let response = Response::builder().header("content-type", "application/grpc");
    let mut frames = Frames::new();
    let response = match says {
        Says::Health(message) => {
            let length = u32::try_from(message.len()).unwrap().to_be_bytes();
            let framed = [&[0][..], &length, message].concat();
            frames.push(Ok(Frame::data(Bytes::from(framed))));
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", HeaderValue::from_static("0"));
            frames.push(Ok(Frame::trailers(trailers)));
            response
        }
        Says::Status(status) => response
            .header("grpc-status", status)
            .header("grpc-message", "told so"),
        Says::Http(status) => response.status(status),
        Says::Nothing => std::future::pending().await,
    };
    response.body(Steps(frames.into_iter()))
}

#[tokio::test]
async fn serving_is_success_and_the_question_is_the_health_protocols() {
    let (port, mut asked) = serve(Says::Health(&[0x08, 1])).await;
    assert_eq!(
        probe::grpc(&Own, port, "db", PATIENCE).await,
        Outcome::Success
    );
    let (head, body) = asked.recv().await.unwrap();
    assert!(
        head.starts_with("POST /grpc.health.v1.Health/Check "),
        "{head}"
    );
    for part in [
        "\"content-type\": \"application/grpc\"",
        "\"te\": \"trailers\"",
        "\"user-agent\": \"kube-probe/1.36\"",
    ] {
        assert!(head.contains(part), "{head}");
    }
    assert_eq!(
        body,
        Bytes::from_static(&[0, 0, 0, 0, 4, 0x0a, 2, b'd', b'b'])
    );
}

#[tokio::test]
async fn whatever_else_a_server_says_is_failure() {
    for (says, expected) in [
        (
            Says::Health(&[0x08, 2]),
            "service unhealthy (responded with \"NOT_SERVING\")",
        ),
        (
            Says::Health(&[]),
            "service unhealthy (responded with \"UNKNOWN\")",
        ),
        (
            Says::Status("12"),
            "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): told so",
        ),
        (
            Says::Status("5"),
            "error: health rpc probe failed: rpc error: code = 5 desc = told so",
        ),
        (
            Says::Status("4"),
            "timeout: health rpc did not complete within 60s",
        ),
        (
            Says::Http(503),
            "error: health rpc probe failed: unexpected HTTP status code received from server: 503",
        ),
    ] {
        let (port, _asked) = serve(says).await;
        assert_eq!(words(probe::grpc(&Own, port, "", PATIENCE).await), expected);
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_in_time_is_failure() {
    let (port, _asked) = serve(Says::Nothing).await;
    let words = words(probe::grpc(&Own, port, "", IMPATIENCE).await);
    assert_eq!(words, "timeout: health rpc did not complete within 0.3s");
}
