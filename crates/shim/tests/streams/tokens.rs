//! Is what is asked twice done once, whichever connection asks?

use outrigger_wire::{Exec, ExecResult, Lease, Refusal, Reply, Request};

use super::client::{Client, exec};
use super::pod::{Pod, ROOM, may_run};
use super::soon;

fn hook(script: &str, token: &str) -> Request {
    let token = Some(token.to_owned());
    Request::Exec(Exec {
        token,
        ..exec("c1", &["sh", "-c", script], None)
    })
}

fn told(reply: Result<Reply, Refusal>) -> ExecResult {
    match reply.unwrap() {
        Reply::ExecDone(result) => result,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_command_with_a_name_runs_once_and_outlives_its_connection() {
    if !may_run() {
        return;
    }
    let pod = Pod::new();
    let mut client = pod.prepare(Lease::Forever);
    let pid = pod.start(&mut client, "c1", &["/bin/sleep", "1000"]);
    let root = format!("/proc/{pid}/root");
    let script = "echo run >> /runs; while ! test -e /go; do sleep 0.01; done; echo done; exit 3";
    client.send(hook(script, "post"));
    soon("it runs", || {
        std::fs::exists(format!("{root}/runs")).unwrap()
    });
    // The one without a name goes with its connection, and shows that the other was left.
    client.send(Request::Exec(exec("c1", &["sleep", "1000"], None)));
    drop(client);
    let (mut second, _) = Client::hello(&pod.state, 0);
    let first_call = second.send(hook(script, "post"));
    let second_call = second.send(hook(script, "post"));
    soon("only the named command and its container run", || {
        let processes = pod.cgroup_state().1;
        !processes.is_empty()
            && processes
                .iter()
                .all(|process| !is_sleep_of_exec(*process, pid))
    });
    // Asked after the ones above, answered after they were looked at.
    second.ask(Request::Stats);
    std::fs::write(format!("{root}/go"), "").unwrap();
    let expected = ExecResult {
        code: 3,
        timed_out: false,
        output: "done\n".to_owned(),
    };
    assert_eq!(told(second.answer(first_call)), expected);
    assert_eq!(told(second.answer(second_call)), expected);
    let runs = || std::fs::read_to_string(format!("{root}/runs")).unwrap();
    assert_eq!(told(second.call(hook(script, "post"))), expected);
    assert_eq!(runs(), "run\n");
    assert_eq!(told(second.call(hook(script, "other"))), expected);
    assert_eq!(runs(), "run\nrun\n");
    // Its answer is there as long as the container is.
    second.ask(Request::Kill {
        container: "c1".to_owned(),
    });
    second.exit("c1");
    assert_eq!(told(second.call(hook(script, "post"))), expected);
    second.ask(Request::Remove {
        container: "c1".to_owned(),
        recorded: 0,
    });
    assert!(second.call(hook(script, "post")).is_err());
    pod.release(&mut second);
}

/// Whether it is the `sleep 1000` that is not the container's first process.
fn is_sleep_of_exec(process: u32, first: u32) -> bool {
    let words = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
    process != first && words == b"sleep\x001000\x00"
}

#[test]
fn a_stop_signal_is_sent_once() {
    if !may_run() {
        return;
    }
    let pod = Pod::new();
    let mut client = pod.prepare(Lease::Forever);
    let script = "trap 'echo got' TERM; echo up; while :; do sleep 0.01; done";
    pod.start(&mut client, "c1", &["/bin/sh", "-c", script]);
    let log = || std::fs::read_to_string(format!("{ROOM}/c1/0.log")).unwrap_or_default();
    soon("it is up", || log().contains("up"));
    let signal = || Request::Signal {
        container: "c1".to_owned(),
        signal: 15,
    };
    client.ask(signal());
    soon("it came", || log().contains("got"));
    client.ask(signal());
    let (mut client, _) = Client::hello(&pod.state, 0);
    client.ask(signal());
    // A shell that had it again would say so before this has run.
    let waited = client.exec("c1", &["sleep", "0.2"], None);
    assert_eq!(told(waited).code, 0);
    assert_eq!(log().matches("got").count(), 1, "{}", log());
    pod.release(&mut client);
}

#[test]
fn the_next_node_is_told_which_containers_there_are_and_unread_calls_are_forgotten() {
    if !may_run() {
        return;
    }
    let pod = Pod::new();
    let mut client = pod.prepare(Lease::Forever);
    pod.start(&mut client, "c1", &["/bin/sleep", "1000"]);
    pod.start(&mut client, "c2", &["/bin/true"]);
    client.exit("c2");
    let hello = Request::Hello {
        version: outrigger_wire::VERSION,
        resume_after: 0,
    };
    // The shim stands still while both speak: the newer one is heard whatever it reads first.
    let stop = |signal: i32| outrigger_sys::signals::send(pod.shim.id(), signal).unwrap();
    let mut next = Client::connect(&pod.state);
    next.ask(Request::Hello {
        version: outrigger_wire::VERSION,
        resume_after: 0,
    });
    assert!(client.is_hung_up());
    stop(19);
    let mut last = Client::connect(&pod.state);
    let call = last.send(hello);
    next.send(Request::Start(Box::new(
        pod.container("c3", &["/bin/sleep", "1000"]),
    )));
    stop(18);
    let Ok(Reply::Hello { containers, .. }) = last.answer(call) else {
        panic!("not greeted")
    };
    // What was read before the answer was carried out before it, and is told.
    last.ask(Request::Stats);
    let known = match last.ask(Request::Stats) {
        Reply::Stats(stats) => stats.containers.len(),
        other => panic!("{other:?}"),
    };
    let running = containers.iter().filter(|id| *id != "c2").count();
    assert!(containers.contains(&"c2".to_owned()), "{containers:?}");
    assert_eq!(running, known, "{containers:?}");
    pod.release(&mut last);
}
