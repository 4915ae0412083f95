//! What can a client want?

use super::query::{DeleteOptions, Listed, WriteOptions};
use super::stream::PodStream;
use crate::table::{Include, Shown};
use crate::{Key, Resource, patch};

/// What is known of an HTTP request before its body is read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ask<'a> {
    /// `GET`
    pub method: &'a str,
    /// The path, as it was sent.
    pub path: &'a str,
    /// What follows `?`, as it was sent.
    pub query: &'a str,
    /// `Accept`; empty if there was none.
    pub accept: &'a str,
    /// `Content-Type`; empty if there was none.
    pub content_type: &'a str,
    /// Now, in nanoseconds of Unix time, for `sinceSeconds`.
    pub now_ns: i64,
}

/// What a client wants.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// A document of discovery or OpenAPI, which `discovery` and `openapi` know.
    Document {
        /// The path.
        path: String,
        /// `Accept`
        accept: String,
    },
    /// `/livez`, `/healthz`
    Live,
    /// `/readyz`
    Ready,
    /// `/metrics`
    Metrics,
    /// One object.
    Get {
        /// Its name.
        key: Key,
        /// How it is shown.
        form: Form,
    },
    /// All objects of a kind.
    List {
        /// Which.
        listed: Listed,
        /// How they are shown.
        form: Form,
    },
    /// What happens to the objects of a kind.
    Watch {
        /// Which.
        listed: Listed,
        /// How they are shown.
        form: Form,
    },
    /// A new object.
    Create {
        /// Its kind.
        resource: Resource,
        /// Where it is to live; empty for what lives in no namespace.
        namespace: String,
        /// How to take it.
        options: WriteOptions,
    },
    /// Another state of an object.
    Update {
        /// Its name.
        key: Key,
        /// Which part of it.
        part: Part,
        /// How to take it.
        options: WriteOptions,
    },
    /// A change of an object.
    Patch {
        /// Its name.
        key: Key,
        /// Which part of it.
        part: Part,
        /// Which kind of patch the body is.
        kind: patch::Kind,
        /// How to take it.
        options: WriteOptions,
    },
    /// The end of an object.
    Delete {
        /// Its name.
        key: Key,
        /// What the query says; the body may say more.
        options: DeleteOptions,
    },
    /// The end of all objects of a kind that are chosen.
    DeleteCollection {
        /// Which.
        listed: Listed,
        /// What the query says; the body may say more.
        options: DeleteOptions,
    },
    /// The end of a Pod, as `kubectl drain` wants it.
    Evict {
        /// Its name.
        key: Key,
        /// What the query says.
        options: WriteOptions,
    },
    /// `metrics.k8s.io`
    Usage {
        /// Nodes or Pods.
        shown: Shown,
        /// In one namespace or in all.
        namespace: Option<String>,
        /// One, or all.
        name: Option<String>,
        /// Which of all.
        listed: Listed,
        /// How they are shown.
        form: Form,
    },
    /// `SelfSubjectAccessReview` and such: may I?
    Review(Review),
    /// Streams of a Pod, which `stream` serves.
    Stream(PodStream),
}

/// What is asked about oneself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Review {
    /// May I do that?
    Access,
    /// What may I do?
    Rules,
    /// Who am I?
    Subject,
}

/// Which part of an object is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// All but the status.
    Whole,
    /// `/status`
    Status,
    /// `/ephemeralcontainers`
    Ephemeral,
    /// `/resize`
    Resize,
}

/// How objects are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    /// Objects, rows, or metadata only.
    pub shape: Shape,
    /// Whether Events are shown as `events.k8s.io/v1` has them.
    pub is_new_event: bool,
}

/// Objects, rows, or metadata only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `application/json`
    Object,
    /// `as=Table`
    Table(Include),
    /// `as=PartialObjectMetadata`
    Metadata,
}
