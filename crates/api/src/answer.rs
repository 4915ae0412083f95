//! What is the answer to a request? A value that `serve` turns into HTTP.

mod body;
mod change;
mod create;
mod delete;
mod event_form;
mod houses;
mod lines;
mod place;
mod read;
mod review;
#[cfg(test)]
mod tests;
mod turns;
mod usage;

pub use body::Body;
pub use create::MOST_PODS;
pub(crate) use lines::word;
pub use lines::{Line, Lines};
pub(crate) use place::CORDONED;

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use outrigger_pod::bounds;
use turns::Turns;

use crate::{
    Cause, Cluster, Document, Failure, Key, PodRef, Reason, Request, Resource, Store, Stored,
};

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// `User-Agent`, for `managedFields` and the log.
    pub agent: String,
}

/// The answer to a request.
#[derive(Debug)]
pub enum Answer {
    /// An object, a list, a table or a `Status`.
    Object {
        /// The HTTP status.
        status: u16,
        /// The body, to be written as JSON.
        body: Body,
        /// For the client's `Warning` headers.
        warnings: Vec<String>,
    },
    /// A document that brings its own media type.
    Document(Document),
    /// Plain text: `/healthz`, `/metrics`.
    Text {
        /// The HTTP status.
        status: u16,
        /// The body.
        body: String,
    },
    /// Lines of JSON as things happen, until the client goes or the time is over.
    Watching {
        /// What happens.
        lines: Lines,
        /// After this many seconds the answer ends.
        timeout_s: u64,
    },
}

impl Answer {
    /// A body with status 200 and without warnings.
    pub(crate) fn ok(body: impl Into<Body>) -> Answer {
        Answer::Object {
            status: 200,
            body: body.into(),
            warnings: Vec::new(),
        }
    }
}

/// The front: what answers requests.
#[derive(Debug)]
pub struct Front<C> {
    /// What only a running Pod can give.
    pub cluster: Arc<C>,
    desk: Desk,
    turns: Turns,
}

/// The part of the front that needs no running Pod. Its methods may wait for the disk.
#[derive(Debug, Clone)]
pub(crate) struct Desk {
    store: Store,
    /// The name of the one node.
    node: Arc<str>,
}

impl<C: Cluster> Front<C> {
    /// A front over these objects, on the node of this name.
    #[must_use]
    pub fn new(store: Store, cluster: Arc<C>, node: &str) -> Front<C> {
        let desk = Desk {
            store,
            node: node.into(),
        };
        Front {
            cluster,
            desk,
            turns: Turns::new(),
        }
    }

    /// The objects.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.desk.store
    }

    /// Answers a request, but for streams of a Pod ([`Request::Stream`]), which have no such answer.
    ///
    /// # Errors
    /// What the client is to be told as a `Status`.
    pub async fn answer(
        &self,
        request: Request,
        body: &[u8],
        caller: &Caller,
    ) -> Result<Answer, Failure> {
        // The query of a stream is a command, and a command may have a password in it.
        if !matches!(request, Request::Stream(_)) {
            tracing::debug!(agent = caller.agent, ?request, "request");
        }
        match request {
            Request::Document { path, accept } => document(&path, &accept),
            Request::Live => Ok(Answer::Text {
                status: 200,
                body: "ok".to_owned(),
            }),
            Request::Ready => Ok(usage::ready(&self.cluster.unready())),
            Request::Metrics => Ok(Answer::Text {
                status: 200,
                body: self.cluster.metrics().await?,
            }),
            Request::Get { key, form } => self.desk.get(&key, form),
            Request::List { listed, form } if self.desk.is_long(listed.resource) => {
                let list = move |desk: &Desk| desk.list(&listed, form);
                self.turns.at_list(&self.desk, list).await
            }
            Request::List { listed, form } => self.desk.list(&listed, form),
            Request::Watch { listed, form } => self.desk.watch(listed, form),
            Request::Usage {
                shown,
                namespace: _,
                name,
                listed,
                form,
            } => self.usage(shown, name.as_deref(), &listed, form).await,
            Request::Review(review) => {
                let answer = move |_: &Desk, body: &[u8]| review::answer(review, body);
                self.turns.at_body(&self.desk, body, answer).await
            }
            Request::Stream(_) => Err(Failure::new(Reason::BadRequest, "Upgrade request required")),
            Request::Create { .. }
            | Request::Update { .. }
            | Request::Patch { .. }
            | Request::Delete { .. }
            | Request::DeleteCollection { .. }
            | Request::Evict { .. } => {
                // It waits for the disk, too.
                let write = move |desk: &Desk, body: &[u8]| desk.write(request, body);
                self.turns.at_body(&self.desk, body, write).await
            }
        }
    }

    /// The Pod of this name, for its streams.
    ///
    /// # Errors
    /// If there is none.
    pub fn pod(&self, namespace: &str, name: &str) -> Result<PodRef, Failure> {
        let key = Key {
            resource: Resource::Pods,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        let found = self.desk.find(&key)?;
        if place::node_of(&found.object).is_empty() {
            let message = format!("pod {name} does not have a host assigned");
            return Err(Failure::new(Reason::BadRequest, message));
        }
        Ok(pod_ref(&found))
    }

    /// Ends namespaces that are being deleted when their last Pod is gone. To be run for as long as the
    /// front is.
    pub async fn keep_house(&self) {
        let desk = self.desk.clone();
        houses::keep(desk).await;
    }
}

impl Desk {
    fn write(&self, request: Request, body: &[u8]) -> Result<Answer, Failure> {
        match request {
            Request::Create {
                resource,
                namespace,
                options,
            } => self.create(resource, &namespace, &options, body),
            Request::Update { key, part, options } => self.update(&key, part, &options, body),
            Request::Patch {
                key,
                part,
                kind,
                options,
            } => self.patch(&key, (part, kind), &options, body),
            Request::Delete { key, options } => self.delete_one(&key, options, body),
            Request::DeleteCollection { listed, options } => {
                self.delete_all(&listed, options, body)
            }
            Request::Evict { key, options } => self.evict(&key, &options, body),
            _ => Err(crate::route::not_allowed()),
        }
    }

    /// Whether there are so many objects of a kind that all others would have to wait for a list of them.
    fn is_long(&self, resource: Resource) -> bool {
        const LONG: usize = 100;
        self.store.count(resource) > LONG
    }

    /// The object of this name.
    fn find(&self, key: &Key) -> Result<Stored, Failure> {
        self.store.get(key).ok_or_else(|| missing(key))
    }
}

/// A body that must be JSON. `reading` says what it is, as in "reading the review".
fn json_of(body: &[u8], reading: &str) -> Result<Value, Failure> {
    bounds::json(body).map_err(|excess| too_large(&excess))?;
    serde_json::from_slice(body)
        .map_err(|error| Failure::new(Reason::BadRequest, format!("{reading}: {error}")))
}

/// What the API server says of a body that is too long, for one that is too much.
pub(crate) fn too_large(why: &dyn std::fmt::Display) -> Failure {
    let message = format!("Request entity too large: {why}");
    Failure::new(Reason::RequestEntityTooLarge, message)
}

/// `pods "web" not found`
fn missing(key: &Key) -> Failure {
    Failure::not_found(key.resource.plural(), &key.name)
}

/// The life of the Pod that an object is about.
fn pod_ref(stored: &Stored) -> PodRef {
    PodRef {
        namespace: stored.key.namespace.clone(),
        name: stored.key.name.clone(),
        uid: text(&stored.object, "/metadata/uid").to_owned(),
    }
}

fn document(path: &str, accept: &str) -> Result<Answer, Failure> {
    crate::discovery::answer(path, accept).ok_or_else(|| {
        Failure::new(
            Reason::NotFound,
            "the server could not find the requested resource",
        )
    })
}

/// The text at a path of names; empty if there is none.
fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// The file that an object comes from, if it can be changed only there.
fn is_from_file(object: &Value) -> bool {
    text(object, "/metadata/annotations/kubernetes.io~1config.source") == "file"
}

/// Objects of files follow their files.
fn refuse_from_file(key: &Key, object: &Value, change: &str) -> Result<(), Failure> {
    if !is_from_file(object) {
        return Ok(());
    }
    let file = text(object, "/metadata/annotations/outrigger.run~1config.file");
    let place = if file.is_empty() {
        "a file in the folder of manifests".to_owned()
    } else {
        format!("the file {file}")
    };
    Err(Failure::forbidden(
        key.resource.plural(),
        &key.name,
        &format!("it comes from {place}; {change} that file instead"),
    ))
}

/// Only the daemon says that an object comes from a file: what a client says so of, nobody could change
/// or delete any more.
fn refuse_pretence(key: &Key, object: &Value) -> Result<(), Failure> {
    if !is_from_file(object) {
        return Ok(());
    }
    let cause = Cause {
        reason: "FieldValueForbidden",
        message: "Forbidden: \"file\" is what the daemon says of objects in its folder of manifests; leave it out"
            .to_owned(),
        field: "metadata.annotations[kubernetes.io/config.source]".to_owned(),
    };
    Err(Failure::invalid(key.resource.kind(), &key.name, &[cause]))
}

/// Now, by the wall clock.
fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let ns = i128::try_from(since.as_nanos()).unwrap_or(i128::MAX);
    Timestamp::from_nanosecond(ns).unwrap_or(Timestamp::MAX)
}

/// A moment as objects have it, to the second.
fn stamp(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
