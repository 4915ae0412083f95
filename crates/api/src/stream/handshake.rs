//! Into which protocol shall the connection change?

use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::UPGRADE;
use crate::serve::body::{self, Body};
use crate::{Failure, Reason};

const STREAM_PROTOCOL: HeaderName = HeaderName::from_static("x-stream-protocol-version");
const SPDY_FORWARDING: &str = "portforward.k8s.io";

/// How the two sides will speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// WebSocket messages that begin with a channel's number; since version 5 a channel can be closed.
    Channels,
    /// The bytes of a SPDY connection in WebSocket messages.
    SpdyInMessages,
    /// The bytes of a SPDY connection.
    Spdy,
}

/// What was agreed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Upgrade {
    pub(super) protocol: Protocol,
    name: &'static str,
    accept: Option<String>,
}

/// A subprotocol by name.
type Offer = (&'static str, Protocol);

/// What `exec` and `attach` speak, the best first.
pub(super) const CHANNELS: &[Offer] = &[
    ("v5.channel.k8s.io", Protocol::Channels),
    ("v4.channel.k8s.io", Protocol::Channels),
];

/// What `portforward` speaks, the best first.
pub(super) const FORWARDING: &[Offer] = &[
    ("SPDY/3.1+portforward.k8s.io", Protocol::SpdyInMessages),
    ("v4.channel.k8s.io", Protocol::Channels),
];

/// Reads what the client wants.
pub(super) fn read(headers: &HeaderMap, offered: &[Offer]) -> Result<Upgrade, Failure> {
    let wanted = words(headers, &header::UPGRADE);
    if wanted
        .iter()
        .any(|word| word.eq_ignore_ascii_case("websocket"))
    {
        return websocket(headers, offered);
    }
    let forwards = offered
        .iter()
        .any(|(_, protocol)| *protocol == Protocol::SpdyInMessages);
    if wanted
        .iter()
        .any(|word| word.eq_ignore_ascii_case("SPDY/3.1"))
    {
        if forwards && words(headers, &STREAM_PROTOCOL).contains(&SPDY_FORWARDING) {
            return Ok(Upgrade {
                protocol: Protocol::Spdy,
                name: SPDY_FORWARDING,
                accept: None,
            });
        }
        return Err(Failure::new(
            Reason::BadRequest,
            "Outrigger speaks WebSocket here and not SPDY: use kubectl 1.31 or newer (or 1.30 with KUBECTL_REMOTE_COMMAND_WEBSOCKETS=true)",
        ));
    }
    Err(Failure::new(
        Reason::BadRequest,
        "Upgrade request required: this is a stream, ask for it with a WebSocket (Upgrade: websocket)",
    ))
}

fn websocket(headers: &HeaderMap, offered: &[Offer]) -> Result<Upgrade, Failure> {
    let bad = |message: String| Failure::new(Reason::BadRequest, message);
    let key = headers.get(header::SEC_WEBSOCKET_KEY);
    let version = headers.get(header::SEC_WEBSOCKET_VERSION);
    let (Some(key), true) = (key, version.is_some_and(|version| version == "13")) else {
        return Err(bad(
            "a WebSocket needs Sec-WebSocket-Key and Sec-WebSocket-Version: 13".to_owned(),
        ));
    };
    let asked = words(headers, &header::SEC_WEBSOCKET_PROTOCOL);
    let Some((name, protocol)) = offered.iter().find(|(name, _)| asked.contains(name)) else {
        let names: Vec<&str> = offered.iter().map(|(name, _)| *name).collect();
        return Err(bad(format!(
            "no subprotocol in common: the client asks for [{}], the server speaks [{}]",
            asked.join(", "),
            names.join(", ")
        )));
    };
    Ok(Upgrade {
        protocol: *protocol,
        name,
        accept: Some(derive_accept_key(key.as_bytes())),
    })
}

/// `101 Switching Protocols`.
pub(super) fn answer(upgrade: &Upgrade) -> Response<Body> {
    let mut answer = Response::new(body::empty());
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = answer.headers_mut();
    headers.insert(UPGRADE.0, HeaderValue::from_static(UPGRADE.1));
    let name = HeaderValue::from_static(upgrade.name);
    if let Some(accept) = &upgrade.accept {
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        if let Ok(accept) = HeaderValue::from_str(accept) {
            headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
        }
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, name);
    } else {
        headers.insert(header::UPGRADE, HeaderValue::from_static("SPDY/3.1"));
        headers.insert(STREAM_PROTOCOL, name);
    }
    answer
}

fn words<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Vec<&'a str> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    #[test]
    fn the_best_subprotocol_in_common_is_chosen() {
        let asked = headers(&[
            ("upgrade", "websocket"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("sec-websocket-version", "13"),
            (
                "sec-websocket-protocol",
                "v4.channel.k8s.io, v5.channel.k8s.io",
            ),
        ]);
        let upgrade = read(&asked, CHANNELS).unwrap();
        assert_eq!(upgrade.name, "v5.channel.k8s.io");
        assert_eq!(
            upgrade.accept.as_deref(),
            Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        );
        assert_eq!(
            read(&asked, FORWARDING).unwrap().protocol,
            Protocol::Channels
        );
    }

    #[test]
    fn spdy_is_spoken_for_ports_only() {
        let asked = headers(&[
            ("upgrade", "SPDY/3.1"),
            ("x-stream-protocol-version", "portforward.k8s.io"),
        ]);
        assert_eq!(read(&asked, FORWARDING).unwrap().protocol, Protocol::Spdy);
        let refusal = read(&asked, CHANNELS).unwrap_err();
        assert!(refusal.message.contains("kubectl 1.31"), "{refusal:?}");
        assert!(read(&HeaderMap::new(), CHANNELS).is_err());
    }
}
