//! How does HTTP become a request of the API, and its answer HTTP again?

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, Response, StatusCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep_until};

use super::body::{self, Body};
use super::texts::Texts;
use super::{Edges, Limits, Respond, Terms, serve_with};
use crate::answer::{Answer, Caller, Front, Lines};
use crate::route::{self, Ask, PodStream, StreamKind};
use crate::store::weight;
use crate::{Cluster, Document, Failure, Key, Reason, Resource, stream};

const JSON: &str = "application/json";
/// Shorter bodies are sent as they are: packing them costs more than it saves.
const GZIP_FROM: usize = 128 * 1024;
/// All warnings of an answer together.
const WARNINGS_BYTES: usize = 4 * 1024;
/// Longer lists, and large objects, are written by another thread: all other clients would wait meanwhile.
const LONG: usize = 100;
/// One of them, if they are too long together.
const WARNING_CHARS: usize = 256;

/// Serves the API until `shutdown` says true, then lets requests under way end and cuts off the rest.
pub async fn serve<C: Cluster>(
    front: Arc<Front<C>>,
    edges: Edges,
    limits: Limits,
    shutdown: watch::Receiver<bool>,
) {
    let desk = Desk {
        front,
        watchers: Arc::new(Semaphore::new(limits.watchers)),
        writer: Semaphore::new(1),
        shutdown: shutdown.clone(),
    };
    serve_with(Arc::new(desk), edges, limits, shutdown).await;
}

struct Desk<C> {
    front: Arc<Front<C>>,
    watchers: Arc<Semaphore>,
    /// Whoever writes a long list. One at a time, so that each knows what the others have taken up.
    writer: Semaphore,
    shutdown: watch::Receiver<bool>,
}

impl<C: Cluster> Respond for Desk<C> {
    async fn respond(
        self: Arc<Self>,
        request: Request<Incoming>,
        terms: Arc<Terms>,
    ) -> Response<Body> {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let answer = self.answer(request, &terms).await;
        let answer = answer.unwrap_or_else(|failure| body::failure(&failure));
        tracing::debug!(%method, path, status = answer.status().as_u16(), "answered");
        answer
    }
}

impl<C: Cluster> Desk<C> {
    async fn answer(
        &self,
        request: Request<Incoming>,
        terms: &Arc<Terms>,
    ) -> Result<Response<Body>, Failure> {
        let wanted = route::route(&Ask {
            method: request.method().as_str(),
            path: request.uri().path(),
            query: request.uri().query().unwrap_or_default(),
            accept: text(request.headers(), &header::ACCEPT),
            content_type: text(request.headers(), &header::CONTENT_TYPE),
            now_ns: now_ns(),
        })?;
        if let route::Request::Stream(wanted) = wanted {
            return self.stream(wanted, request).await;
        }
        let reader = Reader::of(request.headers());
        let caller = Caller {
            agent: text(request.headers(), &header::USER_AGENT).to_owned(),
        };
        if !terms.texts.ledger().has_room() {
            return Err(body::too_much());
        }
        let sent = body::collect(request.into_body(), terms).await?;
        match self.front.answer(wanted, &sent.bytes, &caller).await? {
            Answer::Object {
                status,
                body,
                warnings,
            } => {
                let mut answer = self.write(reader, status, body, terms).await?;
                for warning in bounded(&warnings) {
                    if let Ok(value) = HeaderValue::from_str(&warning_text(&warning)) {
                        answer.headers_mut().append(header::WARNING, value);
                    }
                }
                Ok(answer)
            }
            Answer::Text { status, body } => {
                Ok(body::whole(code(status), "text/plain; charset=utf-8", body))
            }
            Answer::Document(document) => reader.document(&document),
            Answer::Watching { lines, timeout_s } => self.watching(lines, timeout_s, terms),
        }
    }

    async fn write(
        &self,
        reader: Reader,
        status: u16,
        body: crate::Body,
        terms: &Arc<Terms>,
    ) -> Result<Response<Body>, Failure> {
        let is_long = match &body {
            crate::Body::List { items, .. } => items.len() > LONG,
            crate::Body::Made(value) => weight(value) >= GZIP_FROM,
            crate::Body::Kept(value) => weight(value) >= GZIP_FROM,
        };
        if !is_long {
            return reader.write(status, &body, terms);
        }
        let _turn = self.writer.acquire().await.map_err(broken)?;
        if !terms.texts.ledger().has_room() {
            return Err(body::too_much());
        }
        let terms = Arc::clone(terms);
        let written = tokio::task::spawn_blocking(move || reader.write(status, &body, &terms));
        written.await.map_err(broken)?
    }

    async fn stream(
        &self,
        wanted: PodStream,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Failure> {
        let PodStream {
            namespace,
            name,
            mut kind,
        } = wanted;
        let pod = self.front.pod(&namespace, &name)?;
        let key = Key {
            resource: Resource::Pods,
            namespace,
            name,
        };
        if let Some(stored) = self.front.store().get(&key) {
            let container = match &mut kind {
                StreamKind::Log(query) => Some(&mut query.container),
                StreamKind::Exec(exec) => Some(&mut exec.container),
                StreamKind::Attach(attach) => Some(&mut attach.container),
                StreamKind::PortForward(_) => None,
            };
            if let Some(container) = container {
                *container = stream::container::choose(&stored.object, container)?;
            }
        }
        let cluster = Arc::clone(&self.front.cluster);
        Ok(stream::handle(cluster, pod, kind, request).await)
    }

    fn watching(
        &self,
        lines: Lines,
        timeout_s: u64,
        terms: &Arc<Terms>,
    ) -> Result<Response<Body>, Failure> {
        let place = Arc::clone(&self.watchers).try_acquire_owned();
        let place = place.map_err(|_| {
            Failure::new(
                Reason::TooManyRequests,
                "too many watches are open: end some of them, or try again later",
            )
        })?;
        let watching = Watching {
            lines,
            until: Instant::now() + Duration::from_secs(timeout_s),
            shutdown: self.shutdown.clone(),
            terms: Arc::clone(terms),
            _place: place,
        };
        Ok(body::lines(JSON, watching, Watching::next))
    }
}

/// A watch that somebody reads.
struct Watching {
    lines: Lines,
    until: Instant,
    shutdown: watch::Receiver<bool>,
    terms: Arc<Terms>,
    _place: OwnedSemaphorePermit,
}

impl Watching {
    async fn next(mut self) -> Option<(Bytes, Watching)> {
        let line = tokio::select! {
            line = self.lines.next() => line?,
            () = sleep_until(self.until) => return None,
            () = super::stopped(&mut self.shutdown) => return None,
        };
        let texts = &self.terms.texts;
        if !texts.ledger().has_room() {
            // The client comes back and goes on from where it is.
            tracing::warn!("a watch ends early: too many bytes wait for clients");
            return None;
        }
        // Objects are JSON by themselves: writing one does not fail.
        let text = texts.line(line).ok()?;
        Some((text, self))
    }
}

/// What the client's headers say of how it reads.
struct Reader {
    takes_gzip: bool,
    knows: String,
}

impl Reader {
    fn of(headers: &HeaderMap) -> Reader {
        let encodings = text(headers, &header::ACCEPT_ENCODING);
        Reader {
            takes_gzip: encodings
                .split(',')
                .any(|word| word.split(';').next().map(str::trim) == Some("gzip")),
            knows: text(headers, &header::IF_NONE_MATCH).to_owned(),
        }
    }

    fn write(
        &self,
        status: u16,
        body: &crate::Body,
        terms: &Terms,
    ) -> Result<Response<Body>, Failure> {
        let text = serde_json::to_vec(body).map_err(broken)?;
        self.answer(status, text, &terms.texts)
    }

    fn answer(&self, status: u16, text: Vec<u8>, texts: &Texts) -> Result<Response<Body>, Failure> {
        if !self.takes_gzip || text.len() < GZIP_FROM {
            return Ok(body::whole(code(status), JSON, texts.own(text)));
        }
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(&text).map_err(broken)?;
        let packed = packed.finish().map_err(broken)?;
        Ok(gzipped(body::whole(code(status), JSON, texts.own(packed))))
    }

    fn document(&self, document: &Document) -> Result<Response<Body>, Failure> {
        if let Some(etag) = &document.etag
            && self.knows.split(',').any(|each| each.trim() == etag)
        {
            let mut answer = Response::new(body::empty());
            *answer.status_mut() = StatusCode::NOT_MODIFIED;
            insert(&mut answer, header::ETAG, etag);
            return Ok(answer);
        }
        let (text, is_packed) = document.body(self.takes_gzip).map_err(broken)?;
        let mut answer = body::whole(StatusCode::OK, document.content_type, text);
        if let Some(etag) = &document.etag {
            insert(&mut answer, header::ETAG, etag);
        }
        Ok(if is_packed { gzipped(answer) } else { answer })
    }
}

fn gzipped(mut answer: Response<Body>) -> Response<Body> {
    insert(&mut answer, header::CONTENT_ENCODING, "gzip");
    insert(&mut answer, header::VARY, "Accept-Encoding");
    answer
}

fn insert(answer: &mut Response<Body>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
}

/// No more than clients take in headers, as of the API server: all of them if they are short, else the
/// beginnings of as many as there is room for.
fn bounded(warnings: &[String]) -> Vec<String> {
    if warnings.iter().map(String::len).sum::<usize>() <= WARNINGS_BYTES {
        return warnings.to_vec();
    }
    let mut left = WARNINGS_BYTES;
    warnings
        .iter()
        .map(|warning| warning.chars().take(WARNING_CHARS).collect::<String>())
        .take_while(|warning| {
            let fits = warning.len() <= left;
            left = left.saturating_sub(warning.len());
            fits
        })
        .collect()
}

/// `299 - "…"`, in one line of plain characters.
fn warning_text(warning: &str) -> String {
    let mut text = String::with_capacity(warning.len() + 10);
    text.push_str("299 - \"");
    for character in warning.chars() {
        match character {
            '"' | '\\' => text.extend(['\\', character]),
            ' '..='~' => text.push(character),
            _ => text.push(' '),
        }
    }
    text.push('"');
    text
}

fn code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn broken(problem: impl std::fmt::Display) -> Failure {
    Failure::new(
        Reason::InternalError,
        format!("Internal error occurred: write the answer: {problem}"),
    )
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> &'a str {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default()
}

fn now_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_one_quoted_line() {
        assert_eq!(
            warning_text("unknown field \"spec.x\"\nand\tmore"),
            "299 - \"unknown field \\\"spec.x\\\" and more\""
        );
    }

    #[test]
    fn warnings_do_not_outgrow_a_clients_headers() {
        let short = vec!["one".to_owned(), "two".to_owned()];
        assert_eq!(bounded(&short), short);
        let many = bounded(&vec!["é".repeat(1_000_000); 100]);
        assert!(many.len() > 4 && many.iter().map(String::len).sum::<usize>() <= WARNINGS_BYTES);
    }

    #[test]
    fn only_long_answers_are_packed_and_only_for_those_who_ask() {
        let headers = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(value));
            headers
        };
        let is_packed = |accept: &'static str, length: usize| {
            let texts = Texts::new(crate::serve::ledger::Ledger::new(1, usize::MAX));
            let answer = Reader::of(&headers(accept)).answer(200, vec![b' '; length], &texts);
            answer
                .unwrap()
                .headers()
                .contains_key(header::CONTENT_ENCODING)
        };
        assert!(is_packed("br, gzip;q=1.0", GZIP_FROM));
        assert!(!is_packed("gzip", GZIP_FROM - 1));
        assert!(!is_packed("identity", GZIP_FROM));
    }
}
