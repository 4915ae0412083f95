//! Does a command on streams of the node's own see what is typed, say what it has to, and end?

use std::io::Write;

use outrigger_sys::terminal::{Size, resize};
use outrigger_wire::{Interact, Lease, Request, Stage};

use super::client::Client;
use super::pod::{Pod, may_run};
use super::{all, soon, until, with_terminals};

fn asked(args: &[&str], tty: bool) -> Interact {
    Interact {
        container: "c1".to_owned(),
        args: args.iter().map(|&arg| arg.to_owned()).collect(),
        stdin: true,
        stdout: true,
        stderr: true,
        tty,
    }
}

#[test]
fn what_goes_into_a_command_comes_out_and_its_code_after_it() {
    if !may_run() {
        return;
    }
    let pod = Pod::new();
    let mut client = pod.prepare(Lease::Forever);
    let first = pod.start(&mut client, "c1", &["/bin/sleep", "1000"]);
    let script = "ls /proc/self/fd | tr '\\n' ' '; cat; echo oh >&2; setsid sleep 1000 & exit 5";
    let (call, [mut stdin, mut stdout, mut stderr, terminal]) =
        client.streams(Request::Interact(asked(&["sh", "-c", script], false)));
    assert!(terminal.is_none());
    stdin.as_mut().unwrap().write_all(b"words\n").unwrap();
    drop(stdin);
    assert_eq!(client.end(call), 5);
    // 3 is the folder that ls reads. The descendant that keeps the pipe open is dead.
    assert_eq!(all(&mut stdout), "0 1 2 3 words\n");
    assert_eq!(all(&mut stderr), "oh\n");
    soon("nothing of the command runs", || {
        pod.cgroup_state().1 == [first]
    });
    let mut silent = asked(&["sh", "-c", "echo x; cat; echo y >&2"], false);
    (silent.stdin, silent.stderr) = (false, false);
    let (call, [stdin, mut stdout, stderr, _]) = client.streams(Request::Interact(silent));
    assert!(stdin.is_none() && stderr.is_none());
    assert_eq!((all(&mut stdout).as_str(), client.end(call)), ("x\n", 0));
    pod.release(&mut client);
}

#[test]
fn a_terminal_is_the_containers_own_and_knows_its_name_size_owner_and_session() {
    if !may_run() {
        return;
    }
    let pod = Pod::new();
    let mut client = pod.prepare(Lease::Forever);
    pod.start_as(&mut client, "c1", &["/bin/sleep", "1000"], |config| {
        with_terminals(config);
        config["process"]["user"] = serde_json::json!({"uid": 1234, "gid": 2345});
    });
    let script = "tty; stat -c '%u %g %a' $(tty); echo term $TERM; read line; stty size; echo x > /dev/tty; \
                  ls /proc/$$/fd | tr '\\n' ' '; test $$ = $(cut -d' ' -f6 /proc/$$/stat) && echo leads; exit 7";
    let (call, [stdin, stdout, stderr, mut terminal]) =
        client.streams(Request::Interact(asked(&["sh", "-c", script], true)));
    assert!(stdin.is_none() && stdout.is_none() && stderr.is_none());
    let text = until(&mut terminal, "term xterm");
    assert!(text.starts_with("/dev/pts/0\r\n1234 5 620\r\n"), "{text}");
    let size = Size {
        rows: 33,
        columns: 111,
    };
    resize(terminal.as_ref().unwrap(), size).unwrap();
    terminal.as_mut().unwrap().write_all(b"go\n").unwrap();
    let text = all(&mut terminal);
    // The shell keeps a copy of the terminal at 10 for its own use on some machines.
    assert!(text.contains("33 111\r\nx\r\n0 1 2 "), "{text}");
    assert!(text.contains("leads"), "{text}");
    assert_eq!(client.end(call), 7);
    // Who types ends it as at any other terminal. Not a shell: that may miss the signal while it forks.
    let (call, [.., mut terminal]) = client.streams(Request::Interact(asked(&["cat"], true)));
    terminal.as_mut().unwrap().write_all(b"on\n").unwrap();
    until(&mut terminal, "on\r\non\r\n");
    terminal.as_mut().unwrap().write_all(b"\x03").unwrap();
    assert_eq!(client.end(call), 130);
    pod.release(&mut client);
}

#[test]
fn a_command_ends_with_its_connection_and_one_that_is_not_there_is_refused() {
    if !may_run() {
        return;
    }
    let pod = Pod::new();
    let mut client = pod.prepare(Lease::Forever);
    let first = pod.start(&mut client, "c1", &["/bin/sleep", "1000"]);
    let refused = |client: &mut Client, args: &[&str], tty| {
        let asked = Request::Interact(asked(args, tty));
        client.call(asked).unwrap_err()
    };
    let refusal = refused(&mut client, &["/bin/nothing"], false);
    assert_eq!(refusal.stage, Stage::Execute, "{refusal:?}");
    assert!(refusal.message.contains("no such file"), "{refusal:?}");
    // This container has no devpts.
    let refusal = refused(&mut client, &["/bin/true"], true);
    assert_eq!(refusal.stage, Stage::Create, "{refusal:?}");
    assert!(refusal.message.contains("terminal"), "{refusal:?}");
    let script = "trap '' HUP TERM; echo on; (setsid sleep 1000 &); sleep 1000";
    let (_, [_stdin, mut stdout, ..]) =
        client.streams(Request::Interact(asked(&["sh", "-c", script], false)));
    until(&mut stdout, "on");
    assert!(pod.cgroup_state().1.len() > 1);
    drop(client);
    soon("nothing of the command runs", || {
        pod.cgroup_state().1 == [first]
    });
    let (mut client, _) = Client::hello(&pod.state, 0);
    pod.release(&mut client);
}
