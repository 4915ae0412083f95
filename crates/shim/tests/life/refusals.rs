//! What does a shim say when the kernel refuses: a process more, or a call that it does not know?

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use outrigger_wire::{Lease, Request, Stage};
use serde_json::json;

use super::pod::{Pod, may_run};
use super::{client, result, soon};

#[test]
fn without_room_for_a_process_commands_and_containers_are_refused_and_not_failed() {
    if !may_run() {
        return;
    }
    for free in 0..3 {
        let pod = Pod::new();
        let mut client = pod.prepare_as(Lease::Forever, |prepare| {
            prepare.cgroup.resources = json!({"pids": {"limit": 5}});
        });
        let sleeps = "sleep 1000 & all=\"$all $!\"; ".repeat(4 - free);
        let script = format!("{sleeps} trap 'kill $all' TERM; while :; do wait; done");
        pod.start(&mut client, "c1", &["bash", "-c", &script]);
        soon("it is full", || pod.cgroup_state().1.len() == 5 - free);
        let refused = client.exec("c1", &["true"], None);
        if free < 2 {
            let refusal = refused.unwrap_err();
            assert_eq!(refusal.stage, Stage::Create, "{}", refusal.message);
            let says = "Resource temporarily unavailable";
            assert!(refusal.message.contains(says), "{}", refusal.message);
        } else {
            // Who stands over the command, and the command.
            assert_eq!(result(refused).code, 0);
        }
        let start = Box::new(pod.container("c2", &["true"]));
        // Where the limit is that of a v1 tree, who comes in from outside is not counted.
        if let Err(refusal) = client.call(Request::Start(start)) {
            assert_eq!(refusal.stage, Stage::Create, "{}", refusal.message);
            assert_eq!(free, 0, "{}", refusal.message);
        }
        soon("nothing has come of it", || {
            pod.cgroup_state().1.len() == 5 - free
        });
        client.ask(Request::Signal {
            container: "c1".to_owned(),
            signal: 15,
        });
        soon("there is room", || pod.cgroup_state().1.len() == 1);
        assert_eq!(result(client.exec("c1", &["true"], None)).code, 0);
        pod.start(&mut client, "c3", &["true"]);
        pod.release(&mut client);
    }
}

/// The calls without which nothing can be done safely. Their numbers are the same on every machine.
const CALLS: [(&str, u32); 9] = [
    ("open_tree", 428),
    ("move_mount", 429),
    ("fsopen", 430),
    ("fsconfig", 431),
    ("fsmount", 432),
    ("clone3", 435),
    ("close_range", 436),
    ("openat2", 437),
    ("mount_setattr", 442),
];

/// A program that becomes the shim on a kernel without this call.
fn without(name: &str, number: u32, folder: &Path) -> PathBuf {
    let shim = client::program();
    let text = format!(
        "#!/usr/bin/env python3
import ctypes, os, struct, sys
words = [(0x20, 0, 0, 0), (0x15, 0, 1, {number}), (6, 0, 0, 0x00050000 | 38), (6, 0, 0, 0x7fff0000)]
code = ctypes.create_string_buffer(b''.join(struct.pack('HBBI', *word) for word in words))
program = ctypes.create_string_buffer(struct.pack('HxxxxxxQ', len(words), ctypes.addressof(code)))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, program, 0, 0) == 0, ctypes.get_errno()
os.execv({shim:?}, [{shim:?}] + sys.argv[1:])
"
    );
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn on_a_kernel_that_lacks_a_call_nothing_runs_and_the_refusal_says_so() {
    if !may_run() {
        return;
    }
    let folder = std::env::temp_dir().join(format!("outrigger-dev-calls-{}", std::process::id()));
    fs::create_dir(&folder).unwrap();
    let programs: Vec<PathBuf> = CALLS
        .iter()
        .map(|(name, number)| without(name, *number, &folder))
        .collect();
    for ((name, _), program) in CALLS.iter().zip(&programs) {
        // Each in a thread of its own, because a room is for ever.
        let program = program.clone();
        let tried = std::thread::spawn(move || try_without(&program));
        let told = tried.join().unwrap();
        assert!(
            told.contains("Function not implemented") || told.contains("not implemented"),
            "{name}: {told}"
        );
    }
    programs
        .iter()
        .for_each(|program| fs::remove_file(program).unwrap());
    fs::remove_dir(&folder).unwrap();
}

/// Starts a shim and a container; gives what is said instead.
fn try_without(program: &Path) -> String {
    let lone = std::process::Command::new(program)
        .args([
            "--socket",
            "/nowhere/shim.sock",
            "--ledger",
            "/nowhere/ledger",
        ])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&lone.stderr).into_owned();
    if told.contains("not implemented") {
        return told;
    }
    let pod = Pod::with_program(program);
    let (mut client, _) = client::Client::hello(&pod.state, 0);
    let prepare = pod.request(Lease::Forever);
    if let Err(refusal) = client.call(Request::Prepare(Box::new(prepare))) {
        pod.release(&mut client);
        return refusal.message;
    }
    let start = Box::new(pod.container("c1", &["true"]));
    let refusal = client.call(Request::Start(start)).unwrap_err();
    assert_eq!(pod.cgroup_state().1, [0; 0], "{}", refusal.message);
    pod.release(&mut client);
    refusal.message
}
