//! Of which variants must there be a frame? Of all: a new one does not compile until it stands here, and then it stands
//! among those that an earlier revision did not know.

use std::collections::BTreeSet;

use outrigger_wire::{Call, EventKind, Family, Lease, Message, Reply, Request, Stage};

/// The names of a type's variants that b1e0b9e knew, and the name of a value's.
macro_rules! variants {
    ($($list:ident, $name:ident, $type:ident: [$($known:ident),+], newer [$($newer:ident),*];)+) => {
        $(
            const $list: &[&str] = &[$(concat!(stringify!($type), "::", stringify!($known))),+];

            fn $name(value: &$type) -> &'static str {
                match value {
                    $($type::$known { .. } => concat!(stringify!($type), "::", stringify!($known)),)+
                    $($type::$newer { .. } => concat!(stringify!($type), "::", stringify!($newer)),)*
                }
            }
        )+

        /// All that b1e0b9e could say.
        pub(crate) fn of_b1e0b9e() -> impl Iterator<Item = &'static str> {
            [$($list),+].into_iter().flatten().copied()
        }
    };
}

variants! {
    REQUESTS, request, Request: [
        Hello, Prepare, Start, Signal, Kill, Exec, Interact, Attach, Update, Stats, CancelExec, Connect, Remove, Release
    ], newer [];
    MESSAGES, message, Message: [Reply, Event, Ended], newer [];
    REPLIES, reply, Reply: [Hello, Done, Started, ExecDone, Socket, Streams, Stats, Released], newer [];
    STAGES, stage, Stage: [Protocol, Create, Execute], newer [];
    EVENTS, event, EventKind: [Started, Exited], newer [];
    LEASES, lease, Lease: [Forever, Connection], newer [];
    FAMILIES, family, Family: [V4, V6], newer [];
}

/// The variants that stand in these.
pub(crate) fn said(
    calls: impl Iterator<Item = Call>,
    messages: impl Iterator<Item = Message>,
) -> BTreeSet<&'static str> {
    let mut said = BTreeSet::new();
    for call in calls {
        said.insert(request(&call.request));
        match &call.request {
            Request::Prepare(prepare) => said.insert(lease(&prepare.lease)),
            Request::Connect(connect) => said.insert(family(&connect.family)),
            _ => false,
        };
    }
    for one in messages {
        said.insert(message(&one));
        match &one {
            Message::Reply { result: Ok(ok), .. } => said.insert(reply(ok)),
            Message::Reply {
                result: Err(refusal),
                ..
            } => said.insert(stage(&refusal.stage)),
            Message::Event(happened) => said.insert(event(&happened.kind)),
            Message::Ended { .. } => false,
        };
    }
    said
}
