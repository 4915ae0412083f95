//! Do those who attach to a container hear it and speak to it, without being able to harm it?

use std::io::Write;

use outrigger_sys::terminal::{Size, resize};
use outrigger_wire::{Lease, Request, Stdio};

use super::client::Client;
use super::pod::{Pod, may_run};
use super::{all, logged, soon, until, with_terminals};

fn attach(stdin: bool) -> Request {
    Request::Attach {
        container: "c1".to_owned(),
        stdin,
    }
}

fn start(pod: &Pod, client: &mut Client, script: &str, stdio: Stdio) {
    let mut start = pod.changed("c1", &["/bin/sh", "-c", script], with_terminals);
    start.stdio = stdio;
    client.ask(Request::Start(Box::new(start)));
}

#[test]
fn two_who_attach_hear_the_same_and_stdin_stays_open_after_them() {
    if !may_run() {
        return;
    }
    let pod = Pod::new();
    let mut client = pod.prepare(Lease::Forever);
    let stdio = Stdio {
        stdin: true,
        ..Stdio::default()
    };
    let script = "echo before; while read line; do echo got $line; echo err $line >&2; test $line != end || exit 4; done";
    start(&pod, &mut client, script, stdio);
    soon("it has spoken", || pod.log("c1").contains("before"));
    let (_, [mut stdin, mut stdout, mut stderr, terminal]) = client.streams(attach(true));
    assert!(terminal.is_none());
    let (_, [no_stdin, mut second, ..]) = client.streams(attach(false));
    assert!(no_stdin.is_none());
    stdin.as_mut().unwrap().write_all(b"one\n").unwrap();
    assert_eq!(until(&mut stdout, "\n"), "got one\n");
    assert_eq!(until(&mut stderr, "\n"), "err one\n");
    assert_eq!(until(&mut second, "\n"), "got one\n");
    drop((stdin, stdout, stderr));
    let (_, [mut stdin, mut stdout, ..]) = client.streams(attach(true));
    stdin.as_mut().unwrap().write_all(b"two\nend\n").unwrap();
    // They end with the container.
    assert_eq!(all(&mut stdout), "got two\ngot end\n");
    assert_eq!(all(&mut second), "got two\ngot end\n");
    assert_eq!(client.exit("c1"), (4, None));
    assert_eq!(logged(&pod.log("c1")).len(), 7);
    assert!(client.call(attach(false)).is_err());
    pod.release(&mut client);
}

#[test]
fn stdin_that_is_for_one_ends_with_that_one() {
    if !may_run() {
        return;
    }
    let pod = Pod::new();
    let mut client = pod.prepare(Lease::Forever);
    let stdio = Stdio {
        stdin: true,
        stdin_once: true,
        tty: false,
    };
    start(&pod, &mut client, "cat; echo end", stdio);
    let (_, [mut stdin, mut stdout, ..]) = client.streams(attach(true));
    let (_, [nothing, ..]) = client.streams(attach(true));
    assert!(nothing.is_none(), "it was given away twice");
    stdin.as_mut().unwrap().write_all(b"word\n").unwrap();
    until(&mut stdout, "word\n");
    drop(stdin);
    assert_eq!(client.exit("c1"), (0, None));
    assert_eq!(all(&mut stdout), "end\n");
    pod.start(&mut client, "c2", &["/bin/cat"]);
    assert_eq!(client.exit("c2"), (0, None), "it has no stdin to wait for");
    pod.release(&mut client);
}

#[test]
fn a_terminal_is_console_and_controls_and_its_output_is_logged_as_it_is() {
    if !may_run() {
        return;
    }
    let pod = Pod::new();
    let mut client = pod.prepare(Lease::Forever);
    let stdio = Stdio {
        stdin: true,
        stdin_once: false,
        tty: true,
    };
    let script = "tty; echo oh >&2; stat -c %F /dev/console; echo c > /dev/console; echo t > /dev/tty; ls /proc/$$/fd | tr '\\n' ' '; echo; \
                  while read line; do stty size; test $line != end || exit 6; done";
    start(&pod, &mut client, script, stdio);
    soon("it is up", || logged(&pod.log("c1")).len() >= 6);
    let (_, [stdin, mut stdout, stderr, mut terminal]) = client.streams(attach(true));
    assert!(stdin.is_none() && stderr.is_none());
    let size = Size {
        rows: 20,
        columns: 90,
    };
    resize(terminal.as_ref().unwrap(), size).unwrap();
    terminal.as_mut().unwrap().write_all(b"go\n").unwrap();
    assert_eq!(until(&mut stdout, "20 90\r\n"), "go\r\n20 90\r\n");
    drop((stdout, terminal));
    // The shim's own copy keeps the terminal up.
    let (_, [_, mut stdout, _, mut terminal]) = client.streams(attach(true));
    terminal.as_mut().unwrap().write_all(b"end\n").unwrap();
    assert_eq!(all(&mut stdout), "end\r\n20 90\r\n");
    assert_eq!(client.exit("c1"), (6, None));
    let log = logged(&pod.log("c1"));
    let texts: Vec<&str> = log.iter().map(|(_, text)| text.as_str()).collect();
    let first = [
        "/dev/pts/0\r",
        "oh\r",
        "character special file\r",
        "c\r",
        "t\r",
    ];
    assert_eq!(&texts[..5], &first, "{log:?}");
    assert!(texts[5].starts_with("0 1 2 "), "{log:?}");
    assert!(log.iter().all(|(stream, _)| stream == "stdout"), "{log:?}");
    pod.release(&mut client);
}

#[test]
fn who_does_not_read_is_cut_off_and_delays_nobody() {
    if !may_run() {
        return;
    }
    let pod = Pod::new();
    let mut client = pod.prepare(Lease::Forever);
    let stdio = Stdio {
        stdin: true,
        ..Stdio::default()
    };
    let script = "read line; seq 1 400000; echo all; read line";
    start(&pod, &mut client, script, stdio);
    let (_, [mut stdin, mut slow, ..]) = client.streams(attach(true));
    let (_, [_, mut quick, ..]) = client.streams(attach(false));
    let reader = std::thread::spawn(move || all(&mut quick).len());
    stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
    // Within a bound of time: who does not read would keep it waiting for ever.
    soon("all is in the log", || pod.log("c1").ends_with("F all\n"));
    // What it had room for is there, and then the end, though the container runs on.
    let got = all(&mut slow);
    assert!(
        got.starts_with("1\n2\n") && got.len() <= 1 << 20,
        "{}",
        got.len()
    );
    assert!(got.len() > 256 << 10, "{}", got.len());
    stdin.as_mut().unwrap().write_all(b"end\n").unwrap();
    assert_eq!(client.exit("c1"), (0, None));
    let everything = reader.join().unwrap();
    assert!(everything > got.len(), "{everything}");
    pod.release(&mut client);
}

#[test]
fn those_who_have_gone_are_forgotten_though_nothing_is_said() {
    if !may_run() {
        return;
    }
    let pod = Pod::new();
    let mut client = pod.prepare(Lease::Forever);
    start(&pod, &mut client, "sleep 1000", Stdio::default());
    let open = || {
        let folder = format!("/proc/{}/fd", pod.shim.id());
        std::fs::read_dir(folder).unwrap().count()
    };
    let before = open();
    // More than may be attached at once.
    for _ in 0..40 {
        drop(client.streams(attach(false)));
        soon("its pipes are closed", || open() == before);
    }
    pod.release(&mut client);
}
