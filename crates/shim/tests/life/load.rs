//! Is nothing lost or left when there is much of it?

use outrigger_wire::{Lease, Request};

use super::pod::{Pod, may_run};
use super::{result, soon, texts};

#[test]
fn a_busy_log_loses_nothing_across_rotations() {
    if !may_run() {
        return;
    }
    let pod = Pod::new();
    let mut client = pod.prepare(Lease::Forever);
    let mut start = pod.container("c1", &["/bin/sh", "-c", "seq 1 200000; seq 1 100 >&2"]);
    start.log.max_bytes = 100_000;
    start.log.max_files = 10_000;
    let folder = start.bundle.clone();
    client.ask(Request::Start(Box::new(start)));
    assert_eq!(client.exit("c1"), (0, None));
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.retain(|file| {
        file.file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with("0.log")
    });
    assert!(files.len() > 50, "{}", files.len());
    let mut numbers = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.len() <= 100_000);
        let stdout = texts(&text)
            .into_iter()
            .filter(|(stream, _)| *stream == "stdout");
        numbers.extend(stdout.map(|(_, number)| number.parse::<u32>().unwrap()));
    }
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(1..=200_000));
    pod.release(&mut client);
}

#[test]
fn without_a_pid_namespace_orphans_are_reaped_and_no_exit_is_lost() {
    if !may_run() {
        return;
    }
    let pod = Pod::new();
    let mut client = pod.prepare(Lease::Forever);
    let script = "for i in $(seq 100); do (sh -c 'exit 9' &); done; (setsid sleep 1000 &); sleep 0.2; exit 4";
    let start = pod.container("c1", &["/bin/sh", "-c", script]);
    pod.configure(
        "c1",
        &["/bin/sh", "-c", script],
        &serde_json::json!([{"type": "mount"}]),
    );
    client.ask(Request::Start(Box::new(start)));
    pod.start(&mut client, "c2", &["/bin/sleep", "1000"]);
    for code in 0..20 {
        let done = result(client.exec("c2", &["sh", "-c", &format!("exit {code}")], None));
        assert_eq!(done.code, code);
    }
    assert_eq!(client.exit("c1"), (4, None));
    let own = format!("PPid:\t{}\n", pod.shim.id());
    let zombies = || {
        let all = std::fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| std::fs::read_to_string(entry.ok()?.path().join("status")).ok());
        all.filter(|status| status.contains(&own) && status.contains("State:\tZ"))
            .count()
    };
    soon("all orphans are reaped", || zombies() == 0);
    assert_eq!(
        pod.cgroup_state().1.len(),
        1,
        "only the second container runs"
    );
    pod.release(&mut client);
}

#[test]
fn many_short_commands_leave_nothing() {
    if !may_run() {
        return;
    }
    let pod = Pod::new();
    let mut client = pod.prepare(Lease::Forever);
    let first = pod.start(&mut client, "c0", &["/bin/sleep", "1000"]);
    let descriptors = || {
        std::fs::read_dir(format!("/proc/{}/fd", pod.shim.id()))
            .unwrap()
            .count()
    };
    let before = descriptors();
    for round in 1..100 {
        let id = format!("c{round}");
        pod.start(
            &mut client,
            &id,
            &["/bin/sh", "-c", &format!("exit {round}")],
        );
        assert_eq!(client.exit(&id), (round, None));
        client.ask(Request::Remove {
            container: id,
            recorded: 0,
        });
        result(client.exec("c0", &["/bin/true"], Some(1000)));
    }
    soon("as many descriptors as before", || descriptors() == before);
    assert_eq!(pod.cgroup_state().1, [first]);
    pod.release(&mut client);
}
