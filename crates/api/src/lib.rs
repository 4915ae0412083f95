//! What does kubectl see? An API of Kubernetes' shape over one machine's Pods.
//!
//! The way of a request: `serve` (TLS, limits, HTTP) → `route` (method and path to a [`Request`]) →
//! `answer` (a [`Request`] and the [`Store`] to an [`Answer`]) → `serve` again. What only a running Pod
//! can give, such as its logs or a command run in it, comes from the [`Cluster`], which the node is.

mod admission;
pub mod age;
mod answer;
mod cluster;
pub mod discovery;
mod document;
mod failure;
mod kubeconfig;
pub mod openapi;
pub mod patch;
mod pki;
pub mod protobuf;
mod resource;
mod route;
pub mod selector;
mod serve;
mod store;
mod stream;
pub mod table;

pub use answer::{Answer, Body, Caller, Front, Line, Lines, MOST_PODS};
pub use cluster::{
    Answering, Attach, Bytes, Cluster, Exec, Interaction, LogQuery, PodRef, Refused, Session,
    Usage, UsageOf,
};
pub use document::Document;
pub use failure::{Cause, Failure, Reason};
pub use kubeconfig::{KubeconfigError, render as kubeconfig, write as write_kubeconfig};
pub use pki::{Identity, Pki, PkiError, prepare as prepare_pki};
pub use resource::Resource;
pub use route::{
    Ask, DeleteOptions, Form, Listed, Match, Part, PodStream, Request, Review, Shape, StreamKind,
    WriteOptions, route,
};
pub use serve::{DoorError, Edges, Limits, listen_unix, serve};
pub use store::{Change, Key, Listing, Notice, Store, StoreError, Stored, Trouble, Watch, Write};

/// Whoever changes this annotation of a Pod that is `NotTakenUp` asks for it to be tried again.
pub const RETRY_ANNOTATION: &str = "outrigger.run/retry";
