//! Does a gRPC server say that it serves? One call of the health protocol, its two small messages
//! written and read by hand.

use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http2;
use hyper::header::{CONTENT_TYPE, HeaderMap, TE, USER_AGENT};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use outrigger_lifecycle::Outcome;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time;

use super::dial::dial;
use super::{Agent, Sockets, seconds};

const SERVING: u64 = 1;
const UNIMPLEMENTED: &str = "12";
const DEADLINE_EXCEEDED: &str = "4";
const ANSWER_MAX_BYTES: usize = 10 << 10;

pub(super) async fn probe(
    sockets: &impl Sockets,
    host: &str,
    port: u16,
    service: &str,
    timeout: Duration,
) -> Outcome {
    let deadline = time::Instant::now() + timeout;
    let within = seconds(timeout);
    let address = format!("{host}:{port}");
    let stream = match time::timeout_at(deadline, dial(sockets, host, port)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(failure)) => {
            return Outcome::Failure(format!(
                "error: failed to connect service at {address:?}: {failure}"
            ));
        }
        Err(_elapsed) => {
            let words = "context deadline exceeded";
            return Outcome::Failure(format!(
                "timeout: failed to connect service {address:?} within {within}: {words}"
            ));
        }
    };
    let late = || {
        Outcome::Failure(format!(
            "timeout: health rpc did not complete within {within}"
        ))
    };
    match time::timeout_at(deadline, check(stream, &address, service, timeout)).await {
        Err(_elapsed) => late(),
        Ok(Err(failure)) => Outcome::Failure(format!("error: health rpc probe failed: {failure}")),
        Ok(Ok(Reply {
            status: Some(status),
            ..
        })) if status == DEADLINE_EXCEEDED => late(),
        Ok(Ok(Reply {
            status: Some(status),
            message,
            ..
        })) if status == UNIMPLEMENTED => {
            let words = "error: this server does not implement the grpc health protocol (grpc.health.v1.Health)";
            Outcome::Failure(format!("{words}: {message}"))
        }
        Ok(Ok(Reply {
            status: Some(status),
            message,
            ..
        })) if status != "0" => Outcome::Failure(format!(
            "error: health rpc probe failed: rpc error: code = {status} desc = {message}"
        )),
        Ok(Ok(Reply { body, .. })) => judge(&body),
    }
}

/// What came back: the call's status, if the server gave one, and the messages.
struct Reply {
    status: Option<String>,
    message: String,
    body: Bytes,
}

async fn check(
    stream: TcpStream,
    address: &str,
    service: &str,
    timeout: Duration,
) -> Result<Reply, String> {
    let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.map_err(|error| words(&error))?;
    // Dropped at the end of the call, which ends the connection.
    let mut driver = JoinSet::new();
    driver.spawn(async move { _ = connection.await });
    let request = Request::post(format!("http://{address}/grpc.health.v1.Health/Check"))
        .header(CONTENT_TYPE, "application/grpc")
        .header(TE, "trailers")
        .header(USER_AGENT, Agent::Probe.name())
        .header("grpc-timeout", format!("{}m", timeout.as_millis()))
        .body(Full::new(Bytes::from(question(service))))
        .map_err(|error| error.to_string())?;
    let response = sender
        .send_request(request)
        .await
        .map_err(|error| words(&error))?;
    read(response).await
}

async fn read(response: Response<Incoming>) -> Result<Reply, String> {
    if response.status() != 200 {
        return Err(format!(
            "unexpected HTTP status code received from server: {}",
            response.status().as_u16()
        ));
    }
    // An error without messages stands in the headers, any other status in the trailers.
    let early = status_of(response.headers());
    let limited = Limited::new(response.into_body(), ANSWER_MAX_BYTES);
    let collected = limited.collect().await.map_err(|error| error.to_string())?;
    let late = collected.trailers().and_then(status_of);
    let (status, message) = late.or(early).unzip();
    Ok(Reply {
        status,
        message: message.unwrap_or_default(),
        body: collected.to_bytes(),
    })
}

fn status_of(headers: &HeaderMap) -> Option<(String, String)> {
    let text = |name| {
        headers
            .get(name)
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    Some((
        text("grpc-status")?,
        text("grpc-message").unwrap_or_default(),
    ))
}

/// A `HealthCheckRequest` in its five-byte frame.
fn question(service: &str) -> Vec<u8> {
    let mut message = Vec::new();
    if !service.is_empty() {
        // Field 1, length-delimited.
        message.push(0x0a);
        push_varint(&mut message, service.len());
        message.extend_from_slice(service.as_bytes());
    }
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let mut frame = vec![0];
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(&message);
    frame
}

fn push_varint(out: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Reads a framed `HealthCheckResponse`.
fn judge(body: &[u8]) -> Outcome {
    let Some(status) = status_in(body) else {
        return Outcome::Failure(
            "error: health rpc probe failed: the answer is no health status".to_owned(),
        );
    };
    let word = match status {
        SERVING => return Outcome::Success,
        0 => "UNKNOWN".to_owned(),
        2 => "NOT_SERVING".to_owned(),
        3 => "SERVICE_UNKNOWN".to_owned(),
        other => other.to_string(),
    };
    Outcome::Failure(format!("service unhealthy (responded with {word:?})"))
}

/// Field 1 as a varint, 0 when absent; other fields are skipped, as protobuf wants.
fn status_in(body: &[u8]) -> Option<u64> {
    let (head, rest) = body.split_at_checked(5)?;
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
    // Compression was not offered, so a compressed message is a broken one.
    let mut message = rest
        .get(..usize::try_from(length).ok()?)
        .filter(|_| head[0] == 0)?;
    let mut status = 0;
    while !message.is_empty() {
        let key = varint(&mut message)?;
        match (key >> 3, key & 7) {
            (1, 0) => status = varint(&mut message)?,
            (_, 0) => _ = varint(&mut message)?,
            (_, 1) => message = message.get(8..)?,
            (_, 2) => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                message = message.get(length..)?;
            }
            (_, 5) => message = message.get(4..)?,
            _ => return None,
        }
    }
    Some(status)
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = message.split_first()?;
        *message = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn words(error: &hyper::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_messages_are_protobuf() {
        assert_eq!(question(""), [0, 0, 0, 0, 0]);
        assert_eq!(question("ab"), [0, 0, 0, 0, 4, 0x0a, 2, b'a', b'b']);
        let long = question(&"x".repeat(300));
        assert_eq!(long[..8], [0, 0, 0, 0x01, 0x2f, 0x0a, 0xac, 0x02]);
        for (body, status) in [
            (&[0u8, 0, 0, 0, 2, 0x08, 1][..], Some(1)),
            (&[0, 0, 0, 0, 0], Some(0)),
            (&[0, 0, 0, 0, 5, 0x12, 1, 9, 0x08, 2], Some(2)),
            (&[0, 0, 0, 0, 3, 0x08, 0x80, 0x01], Some(128)),
            (&[1, 0, 0, 0, 2, 0x08, 1], None),
            (&[0, 0, 0, 0, 3, 0x08, 1], None),
            (&[0, 0, 0, 0, 1, 0x08], None),
            (&[], None),
        ] {
            assert_eq!(status_in(body), status, "{body:?}");
        }
    }
}
