//! What do the messages of a shim mean? A field that is new is written out here with what an earlier revision's frame says
//! of it, and what is wholly new stands last.

use outrigger_wire::{
    Event, EventKind, ExecResult, Message, Refusal, Reply, Stage, Stats, Streams, Usage,
};

use super::values::{at, container};

fn measured() -> Stats {
    let usage = |cpu_ns| Usage {
        cpu_ns,
        memory_bytes: 4_096,
        pids: 2,
    };
    Stats {
        pod: usage(1_000_000),
        containers: vec![(container(), usage(900_000))],
    }
}

fn replies() -> Vec<(&'static str, Reply)> {
    let warnings = vec!["set memory.swap.max of /outrigger: Permission denied".to_owned()];
    let streams = Streams {
        stdin: true,
        stdout: true,
        stderr: false,
        terminal: true,
    };
    vec![
        (
            "hello",
            Reply::Hello {
                pid: 4_711,
                prepared: true,
                containers: vec![container()],
                seccomp: false,
            },
        ),
        (
            "hello-fresh",
            Reply::Hello {
                pid: 1,
                prepared: false,
                containers: Vec::new(),
                seccomp: false,
            },
        ),
        (
            "done",
            Reply::Done {
                warnings: Vec::new(),
            },
        ),
        (
            "done-with-warnings",
            Reply::Done {
                warnings: warnings.clone(),
            },
        ),
        (
            "started",
            Reply::Started {
                pid: 4_712,
                at: at(1),
                warnings,
            },
        ),
        (
            "exec-done",
            Reply::ExecDone(ExecResult {
                code: 137,
                timed_out: true,
                output: "half a l\u{fffd}\n".to_owned(),
            }),
        ),
        ("socket", Reply::Socket),
        ("streams", Reply::Streams(streams)),
        ("stats", Reply::Stats(measured())),
        (
            "released",
            Reply::Released {
                leftovers: Vec::new(),
            },
        ),
        (
            "released-but",
            Reply::Released {
                leftovers: vec!["cgroup /outrigger/pod1: busy".to_owned()],
            },
        ),
    ]
}

/// The good answers, then the bad ones.
fn results() -> impl Iterator<Item = (&'static str, Result<Reply, Refusal>)> {
    let refused = |stage| Refusal {
        message: "mount overlay on /x: Invalid argument".to_owned(),
        stage,
    };
    let refusals = [
        ("refused-protocol", Stage::Protocol),
        ("refused-create", Stage::Create),
        ("refused-execute", Stage::Execute),
    ];
    let refusals = refusals.map(|(name, stage)| (name, Err(refused(stage))));
    let replies = replies().into_iter();
    replies
        .map(|(name, reply)| (name, Ok(reply)))
        .chain(refusals)
}

pub(crate) fn messages() -> Vec<(&'static str, Message)> {
    let mut messages: Vec<(&str, Message)> = results()
        .zip(1..)
        .map(|((name, result), id)| (name, Message::Reply { id, result }))
        .collect();
    let kinds = [
        (
            "event-started",
            EventKind::Started {
                container: container(),
                pid: 4_712,
            },
        ),
        (
            "event-exited",
            EventKind::Exited {
                container: container(),
                code: 3,
                signal: None,
                oom_killed: false,
                message: None,
            },
        ),
        (
            "event-killed",
            EventKind::Exited {
                container: container(),
                code: 137,
                signal: Some(9),
                oom_killed: true,
                message: None,
            },
        ),
    ];
    for ((name, kind), number) in kinds.into_iter().zip(7..) {
        let seq = 86_400_000_000_000 + number;
        messages.push((
            name,
            Message::Event(Event {
                seq,
                at: at(number),
                kind,
            }),
        ));
    }
    messages.push(("ended", Message::Ended { id: 11, code: 143 }));
    // What b1e0b9e did not know.
    let kind = EventKind::Exited {
        container: container(),
        code: 1,
        signal: None,
        oom_killed: false,
        message: Some("bye\n".to_owned()),
    };
    let (seq, at) = (86_400_000_000_010, at(10));
    messages.push(("event-message", Message::Event(Event { seq, at, kind })));
    messages
}
