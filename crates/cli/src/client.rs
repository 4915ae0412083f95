//! How do our commands speak with the daemon? In HTTP over its unix socket, one connection a request.

mod channels;
mod lines;
mod place;
mod refusal;

use std::io::ErrorKind;
use std::path::PathBuf;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;

use crate::args::Places;
use crate::failure::Failure;

pub(crate) use channels::{Channels, Sender};
pub(crate) use place::Place;
pub(crate) use refusal::Refusal;

/// The form in which the server writes tables.
pub(crate) const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
/// The form of objects as they are.
pub(crate) const JSON: &str = "application/json";

/// The way to the daemon.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    socket: PathBuf,
}

/// One request.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) method: Method,
    pub(crate) place: Place,
    pub(crate) accept: &'static str,
    pub(crate) body: Option<(&'static str, Vec<u8>)>,
}

impl Ask {
    /// A question.
    pub(crate) fn get(place: Place) -> Ask {
        Ask {
            method: Method::GET,
            place,
            accept: JSON,
            body: None,
        }
    }

    /// A wish, with an object that says what is wished.
    pub(crate) fn with(method: Method, place: Place, object: &Value) -> Ask {
        Ask {
            method,
            place,
            accept: JSON,
            body: Some((JSON, object.to_string().into_bytes())),
        }
    }
}

impl Client {
    /// The client of the daemon that works in these places.
    pub(crate) fn of(places: &Places) -> Result<Client, Failure> {
        Ok(Client {
            socket: places.socket()?,
        })
    }

    /// Carries a command out that needs the daemon.
    pub(crate) fn run<F>(command: F) -> Result<u8, Failure>
    where
        F: Future<Output = Result<u8, Failure>>,
    {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::of("start the runtime", &error))?;
        let done = runtime.block_on(command);
        // A thread may still wait for somebody to type something.
        runtime.shutdown_background();
        done
    }

    /// A connection.
    pub(crate) async fn connect(&self) -> Result<UnixStream, Failure> {
        let socket = self.socket.display();
        UnixStream::connect(&self.socket)
            .await
            .map_err(|error| match error.kind() {
                ErrorKind::NotFound | ErrorKind::ConnectionRefused => Failure::say(format!(
                    "the daemon does not run: nobody listens at {socket}; \
                     start it with `systemctl start outrigger` or `outrigger daemon`"
                )),
                ErrorKind::PermissionDenied => Failure::say(format!(
                    "only root may speak to the daemon at {socket}; run the same command with sudo"
                )),
                _ => Failure::of(&format!("connect to the daemon at {socket}"), &error),
            })
    }

    /// Sends a request; the answer's body is still to come.
    pub(crate) async fn send(&self, ask: Ask) -> Result<Response<Incoming>, Refusal> {
        let failed = |error: &dyn std::error::Error| {
            Refusal::Ours(Failure::of("speak with the daemon", error))
        };
        let stream = TokioIo::new(self.connect().await?);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream)
            .await
            .map_err(|error| failed(&error))?;
        // Its end is seen where the answer is read.
        tokio::spawn(connection);
        let mut request = Request::builder()
            .method(ask.method)
            .uri(ask.place.to_string())
            .header(header::HOST, "outrigger")
            .header(header::USER_AGENT, AGENT)
            .header(header::ACCEPT, ask.accept);
        let body = match ask.body {
            Some((kind, body)) => {
                request = request.header(header::CONTENT_TYPE, kind);
                Bytes::from(body)
            }
            None => Bytes::new(),
        };
        let request = request
            .body(Full::new(body))
            .map_err(|error| failed(&error))?;
        let answer = sender
            .send_request(request)
            .await
            .map_err(|error| failed(&error))?;
        for warning in answer.headers().get_all(header::WARNING) {
            let text = String::from_utf8_lossy(warning.as_bytes());
            crate::screen::error(&format!("Warning: {}", warned(&text)));
        }
        if answer.status().is_success() {
            return Ok(answer);
        }
        let code = answer.status();
        let body = answer
            .into_body()
            .collect()
            .await
            .map_err(|error| failed(&error))?;
        Err(Refusal::read(code, &body.to_bytes()))
    }

    /// Sends a request and reads the text of its answer.
    pub(crate) async fn text(&self, ask: Ask) -> Result<Bytes, Refusal> {
        let body = self.send(ask).await?.into_body().collect().await;
        let body =
            body.map_err(|error| Refusal::Ours(Failure::of("read the daemon's answer", &error)))?;
        Ok(body.to_bytes())
    }

    /// Sends a request and reads the object that it is answered with.
    pub(crate) async fn json(&self, ask: Ask) -> Result<Value, Refusal> {
        let body = self.text(ask).await?;
        serde_json::from_slice(&body)
            .map_err(|error| Refusal::Ours(Failure::of("read the daemon's answer", &error)))
    }
}

const AGENT: &str = concat!("outrigger/", env!("CARGO_PKG_VERSION"));

/// The sentence of a `Warning` header, `299 - "sentence"`.
fn warned(header: &str) -> String {
    let quoted = header.splitn(3, ' ').nth(2).unwrap_or(header).trim();
    let inner = quoted
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    inner
        .unwrap_or(quoted)
        .replace("\\\"", "\"")
        .replace("\\\\", "\\")
}

#[cfg(test)]
mod tests {
    use super::warned;

    #[test]
    fn a_warning_is_said_without_its_code_and_quotes() {
        let header = r#"299 - "unknown field \"spec.x\"""#;
        assert_eq!(warned(header), r#"unknown field "spec.x""#);
        assert_eq!(warned("odd"), "odd");
    }
}
