//! What the node and a Pod's shim say to each other: messages ([`Call`], [`Message`]), their
//! framing ([`frame`]), and the formats of the files they share: the container log ([`cri_log`])
//! and the exit ledger ([`LedgerEntry`]), whose lines carry a checksum ([`checked_line`]).
//!
//! Pure: bytes in, messages out. The shim's README is the protocol's specification.

pub mod checked_line;
pub mod cri_log;
mod event;
mod flow;
pub mod frame;
mod message;

pub use event::{Event, EventKind, LedgerEntry, Stamp};
pub use flow::{Interact, Stats, Stdio, Streams, Usage};
pub use message::{
    Call, Connect, Exec, ExecResult, Family, Lease, Lent, LogFile, Message, PodCgroup, Prepare,
    Refusal, Reply, Request, RootFs, SharedNamespaces, Stage, Start, Tmpfs, VERSION,
};
