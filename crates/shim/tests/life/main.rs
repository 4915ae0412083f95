//! Does a shim do what its README says, from a node's point of view?
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test's failure is a panic, and the measuring example shares these files"
)]

mod client;
mod edges;
mod groups;
mod load;
mod orphans;
mod pod;
mod refusals;

use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::path::Path;
use std::time::{Duration, Instant};

use client::{Client, exec};
use outrigger_wire::cri_log::parse;
use outrigger_wire::{Connect, EventKind, ExecResult, Family, Lease, Reply, Request, Stage};
use pod::{Pod, may_run};

fn texts(log: &str) -> Vec<(&str, &str)> {
    let entries = log.lines().map(|line| parse(line.as_bytes()).unwrap());
    entries
        .map(|entry| {
            (
                entry.stream.word(),
                std::str::from_utf8(entry.text).unwrap(),
            )
        })
        .collect()
}

fn result(reply: Result<Reply, outrigger_wire::Refusal>) -> ExecResult {
    match reply.unwrap() {
        Reply::ExecDone(result) => result,
        other => panic!("{other:?}"),
    }
}

/// Waits for what the kernel does in its own time.
fn soon(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(
            begin.elapsed() < Duration::from_secs(10),
            "not within 10 s: {what}"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_container_starts_writes_ends_and_goes() {
    if !may_run() {
        return;
    }
    let pod = Pod::new();
    let mut client = pod.prepare(Lease::Forever);
    let pid = pod.start(
        &mut client,
        "c1",
        &["/bin/sh", "-c", "echo out; hostname; echo err >&2; exit 7"],
    );
    let started = client.event();
    assert_eq!(
        started.kind,
        EventKind::Started {
            container: "c1".to_owned(),
            pid
        }
    );
    assert_eq!(client.exit("c1"), (7, None));
    assert_eq!(
        texts(&pod.log("c1")),
        [("stdout", "out"), ("stdout", "a-pod"), ("stderr", "err")]
    );
    let ledger = std::fs::read_to_string(pod.state.join("ledger")).unwrap();
    assert_eq!(ledger.lines().count(), 2, "{ledger}");
    let again = client
        .call(Request::Start(Box::new(
            pod.container("c1", &["/bin/true"]),
        )))
        .unwrap_err();
    assert_eq!(again.stage, Stage::Protocol);
    client.ask(Request::Remove {
        container: "c1".to_owned(),
        recorded: 0,
    });
    assert!(
        !pod.cgroup_state()
            .0
            .iter()
            .any(|folder| folder.ends_with("c1"))
    );
    pod.start(
        &mut client,
        "c2",
        &["/bin/sh", "-c", "kill -9 $$; sleep 100"],
    );
    pod.start(&mut client, "c3", &["/bin/sleep", "1000"]);
    client.ask(Request::Signal {
        container: "c3".to_owned(),
        signal: 9,
    });
    assert_eq!(client.exit("c3"), (137, Some(9)));
    client.ask(Request::Signal {
        container: "c3".to_owned(),
        signal: 15,
    });
    client.ask(Request::Kill {
        container: "c2".to_owned(),
    });
    pod.release(&mut client);
}

#[test]
fn a_command_that_is_not_there_is_refused_and_leaves_nothing() {
    if !may_run() {
        return;
    }
    let pod = Pod::new();
    let mut client = pod.prepare(Lease::Forever);
    let refusal = client
        .call(Request::Start(Box::new(
            pod.container("c1", &["/bin/nothing"]),
        )))
        .unwrap_err();
    assert_eq!(refusal.stage, Stage::Execute, "{}", refusal.message);
    assert!(
        refusal.message.contains("/bin/nothing"),
        "{}",
        refusal.message
    );
    assert!(
        !pod.cgroup_state()
            .0
            .iter()
            .any(|folder| folder.ends_with("c1"))
    );
    pod.start(&mut client, "c2", &["/bin/sleep", "1000"]);
    let refusal = client.exec("c2", &["/bin/nothing"], None).unwrap_err();
    assert_eq!(refusal.stage, Stage::Execute, "{}", refusal.message);
    let refusal = client.exec("c9", &["/bin/true"], None).unwrap_err();
    assert_eq!(refusal.stage, Stage::Protocol, "{}", refusal.message);
    pod.release(&mut client);
}

#[test]
fn an_exec_is_answered_and_nothing_that_it_started_lives_on() {
    if !may_run() {
        return;
    }
    let pod = Pod::new();
    let mut client = pod.prepare(Lease::Forever);
    let first = pod.start(&mut client, "c1", &["/bin/sleep", "1000"]);
    let only_first = |when| soon(when, || pod.cgroup_state().1 == [first]);
    let done = result(client.exec(
        "c1",
        &["sh", "-c", "echo hi; echo oh >&2; exit 3"],
        Some(5000),
    ));
    assert_eq!(
        done,
        ExecResult {
            code: 3,
            timed_out: false,
            output: "hi\noh\n".to_owned()
        }
    );
    let begin = Instant::now();
    let done = result(client.exec("c1", &["sh", "-c", "setsid sleep 1000 & echo bye"], None));
    assert_eq!((done.code, done.output.as_str()), (0, "bye\n"));
    assert!(
        begin.elapsed() < Duration::from_secs(5),
        "it waited for the descendant's pipe"
    );
    only_first("the descendant of a command that has ended is dead");
    let slow = &["sh", "-c", "(trap '' TERM; setsid sleep 1000) & sleep 1000"];
    let done = result(client.exec("c1", slow, Some(100)));
    assert_eq!((done.code, done.timed_out), (137, true));
    only_first("all of a command that was too slow is dead");
    let done = result(client.exec("c1", &["sh", "-c", "yes | head -c 1000000"], None));
    assert_eq!((done.code, done.output.len()), (0, 100));
    let call = client.send(Request::Exec(exec("c1", slow, None)));
    client.ask(Request::CancelExec { call });
    let done = result(client.answer(call));
    assert_eq!((done.code, done.timed_out), (137, false));
    only_first("all of a cancelled command is dead");
    // It goes just after the answer.
    soon("the group of the last command is gone", || {
        let folders = pod.cgroup_state().0;
        !folders
            .iter()
            .any(|folder| folder.to_string_lossy().contains("exec-"))
    });
    pod.release(&mut client);
}

#[test]
fn a_socket_is_of_the_pods_network() {
    if !may_run() {
        return;
    }
    let pod = Pod::new();
    let mut client = pod.prepare(Lease::Forever);
    let outside = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = outside.local_addr().unwrap().port();
    let mut socket = || {
        assert_eq!(
            client.ask(Request::Connect(Connect { family: Family::V4 })),
            Reply::Socket
        );
        let socket = client.descriptors.pop().unwrap();
        rustix::io::ioctl_fionbio(&socket, false).unwrap();
        socket
    };
    let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
    let refused = rustix::net::connect(socket(), &address);
    assert_eq!(
        refused,
        Err(rustix::io::Errno::CONNREFUSED),
        "the host's listener was reached"
    );
    let inside = socket();
    rustix::net::bind(&inside, &address).unwrap();
    rustix::net::listen(&inside, 1).unwrap();
    rustix::net::connect(socket(), &address).unwrap();
    drop(inside);
    pod.release(&mut client);
}

#[test]
fn the_next_node_hears_what_happened_in_between_and_the_newest_wins() {
    if !may_run() {
        return;
    }
    let pod = Pod::new();
    let mut client = pod.prepare(Lease::Forever);
    pod.start(&mut client, "c1", &["/bin/sh", "-c", "sleep 0.2; exit 5"]);
    let seen = client.event().seq;
    drop(client);
    soon("the exit is in the ledger", || {
        std::fs::read_to_string(pod.state.join("ledger"))
            .unwrap()
            .contains("Exited")
    });
    let (mut second, prepared) = Client::hello(&pod.state, seen);
    assert!(prepared);
    let event = second.event();
    assert_eq!(event.seq, seen + 1);
    assert!(
        matches!(event.kind, EventKind::Exited { code: 5, .. }),
        "{event:?}"
    );
    let (mut third, _) = Client::hello(&pod.state, 0);
    assert_eq!((third.event().seq, third.event().seq), (seen, seen + 1));
    assert!(second.is_hung_up());
    let mut rude = Client::connect(&pod.state);
    assert_eq!(
        rude.call(Request::Release).unwrap_err().stage,
        Stage::Protocol
    );
    pod.release(&mut third);
}

#[test]
fn with_a_lease_everything_ends_with_the_nodes_connection() {
    if !may_run() {
        return;
    }
    let mut pod = Pod::new();
    let mut client = pod.prepare(Lease::Connection);
    let pid = pod.start(
        &mut client,
        "c1",
        &["/bin/sh", "-c", "trap '' TERM INT HUP; sleep 1000 & wait"],
    );
    drop(client);
    pod.is_gone();
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
    let ledger = std::fs::read_to_string(pod.state.join("ledger")).unwrap();
    assert!(
        ledger.lines().last().unwrap().contains("\"code\":137"),
        "{ledger}"
    );
}

#[test]
fn only_kill_ends_a_shim_and_then_its_containers_die_too() {
    if !may_run() {
        return;
    }
    let mut pod = Pod::new();
    let mut client = pod.prepare(Lease::Forever);
    let pid = pod.start(&mut client, "c1", &["/bin/sleep", "1000"]);
    for signal in [1, 2, 15] {
        outrigger_sys::signals::send(pod.shim.id(), signal).unwrap();
    }
    assert_eq!(
        result(client.exec("c1", &["echo", "alive"], None)).output,
        "alive\n"
    );
    pod.shim.kill().unwrap();
    pod.shim.wait().unwrap();
    soon("the container is dead", || pod.cgroup_state().1.is_empty());
    assert!(client.is_hung_up());
    soon("its process is gone", || {
        !Path::new(&format!("/proc/{pid}/exe")).exists()
    });
    // What it could not clean up, its successor does.
    pod.shim = client::spawn(&client::program(), &pod.state);
    let mut client = pod.prepare(Lease::Forever);
    let first = client.event().seq;
    pod.start(&mut client, "c2", &["/bin/true"]);
    assert_eq!(client.event().seq, first + 1);
    pod.release(&mut client);
}
