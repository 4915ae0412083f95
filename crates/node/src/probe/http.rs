//! What does a GET request answer, and what does that mean for a probe or a hook?

use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::header::LOCATION;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use outrigger_lifecycle::Outcome;
use outrigger_pod::{HttpGet, Scheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio::time;

use super::dial::dial;
use super::headers::Headers;
use super::tls::{self, TlsFailure};
use super::url::{Url, is_absolute};
use super::{Agent, Sockets};

const BODY_MAX_BYTES: usize = 10 << 10;
const REDIRECTS_MAX: usize = 10;

/// Why there is no answer.
#[derive(Debug)]
enum Failed {
    /// The server answers HTTPS in clear text.
    PlainHttp,
    Other(String),
}

/// An answer, with the task that drives its connection; both end together.
struct Answer {
    response: Response<Incoming>,
    _driver: JoinSet<()>,
}

pub(super) async fn probe(sockets: &impl Sockets, get: &HttpGet, timeout: Duration) -> Outcome {
    let url = Url::of(get);
    let asked = time::timeout(timeout, async {
        let headers = Headers::new(&get.headers, Agent::Probe).map_err(Failed::Other)?;
        let mut answer = follow(sockets, url.clone(), headers).await?;
        let body = body_of(&mut answer.response).await?;
        Ok::<_, Failed>((answer.response.status().as_u16(), body))
    });
    match asked.await {
        Err(_elapsed) => Outcome::Failure(format!(
            "Get \"{url}\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
        )),
        Ok(Err(failed)) => Outcome::Failure(format!("Get \"{url}\": {}", failed.words())),
        Ok(Ok((200..=299, _))) => Outcome::Success,
        Ok(Ok((300..=399, body))) => {
            Outcome::Warning(format!("Probe terminated redirects, Response body: {body}"))
        }
        Ok(Ok((status, _))) => {
            Outcome::Failure(format!("HTTP probe failed with statuscode: {status}"))
        }
    }
}

pub(super) async fn hook(sockets: &impl Sockets, get: &HttpGet) -> Result<(), String> {
    let url = Url::of(get);
    let headers = Headers::new(&get.headers, Agent::Lifecycle)?;
    let answered = match follow(sockets, url.clone(), headers.clone()).await {
        // Older manifests say HTTPS and mean HTTP, and once that worked.
        Err(Failed::PlainHttp) if url.scheme == Scheme::Https => {
            let url = Url {
                scheme: Scheme::Http,
                ..url.clone()
            };
            follow(sockets, url, headers.without_credentials()).await
        }
        answered => answered,
    };
    match answered {
        Ok(_any_status) => Ok(()),
        Err(failed) => Err(format!("Get \"{url}\": {}", failed.words())),
    }
}

/// Asks, and follows redirects as long as they stay on the same host.
async fn follow(
    sockets: &impl Sockets,
    first: Url,
    mut headers: Headers,
) -> Result<Answer, Failed> {
    let mut url = first.clone();
    for _ in 0..REDIRECTS_MAX {
        let answer = ask(sockets, &url, &headers).await?;
        let Some(location) = location(&answer.response) else {
            return Ok(answer);
        };
        let Some(next) = url.follow(&location) else {
            return Err(Failed::Other(format!(
                "failed to parse Location header {location:?}"
            )));
        };
        if next.host != first.host {
            return Ok(answer);
        }
        // A host of the manifest's own goes with the address it was meant for.
        if is_absolute(&location) {
            headers.host = None;
        }
        url = next;
    }
    Err(Failed::Other(format!(
        "stopped after {REDIRECTS_MAX} redirects"
    )))
}

/// Where the answer sends us, if it does.
fn location(response: &Response<Incoming>) -> Option<String> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = response.headers().get(LOCATION)?;
    Some(String::from_utf8_lossy(location.as_bytes()).into_owned())
        .filter(|location| !location.is_empty())
}

/// One request on a connection of its own.
async fn ask(sockets: &impl Sockets, url: &Url, headers: &Headers) -> Result<Answer, Failed> {
    let stream = dial(sockets, &url.host, url.port)
        .await
        .map_err(Failed::Other)?;
    match url.scheme {
        Scheme::Http => over_http1(stream, url, headers).await,
        Scheme::Https => {
            let stream = tls::secure(stream, &url.host)
                .await
                .map_err(|failure| match failure {
                    TlsFailure::NotTls => Failed::PlainHttp,
                    TlsFailure::Other(words) => Failed::Other(words),
                })?;
            if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                over_http2(stream, url, headers).await
            } else {
                over_http1(stream, url, headers).await
            }
        }
    }
}

async fn over_http1<S>(stream: S, url: &Url, headers: &Headers) -> Result<Answer, Failed>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let handshake = http1::Builder::new()
        .title_case_headers(true)
        .handshake(TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.map_err(failed)?;
    let mut driver = JoinSet::new();
    // What ends the connection reaches the request or the body, which report it.
    driver.spawn(async move { _ = connection.await });
    let mut request = request(&url.path)?;
    *request.headers_mut() = headers.for_http1(&url.authority()).map_err(Failed::Other)?;
    let response = sender.send_request(request).await.map_err(failed)?;
    Ok(Answer {
        response,
        _driver: driver,
    })
}

async fn over_http2<S>(stream: S, url: &Url, headers: &Headers) -> Result<Answer, Failed>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.map_err(failed)?;
    let mut driver = JoinSet::new();
    driver.spawn(async move { _ = connection.await });
    let authority = headers.host.as_ref().and_then(|host| host.to_str().ok());
    let authority = authority.map_or_else(|| url.authority(), str::to_owned);
    let mut request = request(&format!("https://{authority}{}", url.path))?;
    *request.headers_mut() = headers.for_http2();
    let response = sender.send_request(request).await.map_err(failed)?;
    Ok(Answer {
        response,
        _driver: driver,
    })
}

fn request(uri: &str) -> Result<Request<Empty<Bytes>>, Failed> {
    Request::get(uri)
        .body(Empty::new())
        .map_err(|error| Failed::Other(error.to_string()))
}

/// The beginning of the body; what is longer stays unread.
async fn body_of(response: &mut Response<Incoming>) -> Result<String, Failed> {
    let mut body = Vec::new();
    while body.len() < BODY_MAX_BYTES {
        let Some(frame) = response.frame().await else {
            break;
        };
        if let Ok(data) = frame.map_err(failed)?.into_data() {
            let room = BODY_MAX_BYTES - body.len();
            body.extend_from_slice(&data[..data.len().min(room)]);
        }
    }
    Ok(String::from_utf8_lossy(&body).into_owned())
}

/// hyper's errors keep the cause beneath them, and the cause is what helps.
fn failed(error: hyper::Error) -> Failed {
    let cause = std::error::Error::source(&error)
        .map(|cause| format!(": {cause}"))
        .unwrap_or_default();
    Failed::Other(format!("{error}{cause}"))
}

impl Failed {
    fn words(self) -> String {
        match self {
            Failed::PlainHttp => "http: server gave HTTP response to HTTPS client".to_owned(),
            Failed::Other(words) => words,
        }
    }
}
