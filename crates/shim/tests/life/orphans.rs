//! Who waits for what commands leave behind, in a container whose first process waits for nobody?

use std::fs;

use outrigger_wire::{Exec, Lease, Request};

use super::pod::{Pod, may_run};
use super::{client, result, soon};

/// How many commands leave something behind: few here, as many as `OUTRIGGER_ORPHANS` says at night.
fn rounds() -> u32 {
    let asked = std::env::var("OUTRIGGER_ORPHANS");
    asked.map_or(60, |count| count.parse().unwrap())
}

/// Leaves children and grandchildren behind, dead and alive, some of them in a session of their own.
const LEAVES: [&str; 3] = [
    "sh",
    "-c",
    "(true & true &) ; (setsid sh -c 'sleep 1000 & sleep 1000' &) ; sleep 1000 & exit 3",
];

/// The processes of a PID namespace that have ended and that nobody has waited for.
fn zombies(of: u32) -> Vec<String> {
    let namespace = |process: &str| fs::read_link(format!("/proc/{process}/ns/pid")).ok();
    let wanted = namespace(&of.to_string());
    assert!(wanted.is_some(), "there is no process {of}");
    let all = fs::read_dir("/proc").unwrap().flatten();
    all.map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
        .filter(|name| {
            let stat = fs::read_to_string(format!("/proc/{name}/stat")).unwrap_or_default();
            stat.rsplit(") ")
                .next()
                .is_some_and(|rest| rest.starts_with('Z'))
        })
        .filter(|name| namespace(name) == wanted)
        .collect()
}

/// Sees that nothing is left of the commands but the container's first process.
fn nothing_is_left(pod: &Pod, first: u32) {
    soon("all that commands started is dead", || {
        pod.cgroup_state().1 == [first]
    });
    soon("all that commands started has been waited for", || {
        zombies(first).is_empty()
    });
}

#[test]
fn what_commands_leave_behind_is_waited_for_though_the_first_process_waits_for_nobody() {
    if !may_run() {
        return;
    }
    let pod = Pod::new();
    let mut client = pod.prepare(Lease::Forever);
    let first = pod.start(&mut client, "c1", &["/bin/sleep", "100000"]);
    for round in 0..rounds() {
        let (args, code): (&[&str], _) = match round % 3 {
            0 => (&LEAVES, 3),
            1 => (&["sh", "-c", "(true &); kill -9 $$"], 137),
            _ => (&["true"], 0),
        };
        assert_eq!(result(client.exec("c1", args, None)).code, code);
    }
    nothing_is_left(&pod, first);
    // A command that was not there, one that is too slow, one that is cancelled, one whose node goes.
    client.exec("c1", &["/bin/nothing"], None).unwrap_err();
    let slow: &[&str] = &["sh", "-c", "sleep 1000 & setsid sleep 1000"];
    let done = result(client.exec("c1", slow, Some(50)));
    assert_eq!((done.code, done.timed_out), (137, true));
    nothing_is_left(&pod, first);
    let call = client.send(Request::Exec(client::exec("c1", slow, None)));
    client.ask(Request::CancelExec { call });
    assert_eq!(result(client.answer(call)).code, 137);
    let call = client.send(Request::Exec(client::exec("c1", slow, None)));
    let (mut client, _) = client::Client::hello(&pod.state, 0);
    assert!(call > 0);
    nothing_is_left(&pod, first);
    pod.release(&mut client);
}

#[test]
fn a_command_is_answered_when_it_ends_though_it_leaves_something_behind() {
    if !may_run() {
        return;
    }
    let pod = Pod::new();
    let mut client = pod.prepare(Lease::Forever);
    let first = pod.start(&mut client, "c1", &["/bin/sleep", "100000"]);
    // Who cannot be killed by a signal that can be caught must not keep anybody waiting.
    let stays = "(trap '' HUP INT TERM; setsid sleep 1000 >/dev/null 2>&1 &) ; echo $PPID; exit 4";
    let token = Some("hook".to_owned());
    let exec = Exec {
        token,
        ..client::exec("c1", &["sh", "-c", stays], None)
    };
    let done = result(client.call(Request::Exec(exec.clone())));
    assert_eq!(done.code, 4);
    assert_ne!(done.output.trim(), "1", "nobody stands over the command");
    assert_eq!(result(client.call(Request::Exec(exec))), done);
    nothing_is_left(&pod, first);
    pod.release(&mut client);
}

/// Waits until who stands over a command has nothing to do but that.
const STANDS: &str =
    "p=/proc/$PPID; until grep -q '^State:.S' $p/status && grep -q exec $p/comm; do :; done;";

#[test]
fn who_stands_over_a_command_has_nothing_that_its_container_could_take() {
    if !may_run() {
        return;
    }
    let pod = Pod::new();
    let mut client = pod.prepare(Lease::Forever);
    let first = pod.start(&mut client, "c1", &["/bin/sleep", "100000"]);
    let script = format!(
        "{STANDS} grep -E '^(Cap(Prm|Eff|Bnd)|NoNewPrivs|Seccomp):' $p/status; ls $p/fd/ | wc -l; \
         cat $p/environ 2>&1 | grep -c denied; kill -TERM $PPID; echo on"
    );
    let done = client.call(Request::Exec(Exec {
        output_limit: 4096,
        ..client::exec("c1", &["sh", "-c", &script], None)
    }));
    let done = result(done);
    let nothing = "0000000000000000";
    let wanted = format!(
        "CapPrm:\t{nothing}\nCapEff:\t{nothing}\nCapBnd:\t{nothing}\nNoNewPrivs:\t1\nSeccomp:\t2\n4\n1\non\n"
    );
    assert_eq!(done.output, wanted);
    // Killed, it takes its command along.
    let kills = format!("{STANDS} kill -9 $PPID; sleep 1000");
    let done = result(client.exec("c1", &["sh", "-c", &kills], None));
    assert_eq!(done.code, 137);
    soon("the command is dead", || pod.cgroup_state().1 == [first]);
    // Stopped, it keeps nobody waiting for longer than the command may take.
    let stops = format!("{STANDS} kill -STOP $PPID; exit 1");
    let done = result(client.exec("c1", &["sh", "-c", &stops], Some(100)));
    assert!(done.timed_out, "{done:?}");
    // Killed before it has told that the command runs, it leaves nothing that runs on.
    let early = &["sh", "-c", "kill -9 $PPID; sleep 1000 & sleep 1000"];
    match client.exec("c1", early, None) {
        Ok(reply) => assert_eq!(result(Ok(reply)).code, 137),
        Err(refusal) => assert_eq!(refusal.stage, outrigger_wire::Stage::Create),
    }
    soon("the last command is dead", || {
        pod.cgroup_state().1 == [first]
    });
    pod.release(&mut client);
}
