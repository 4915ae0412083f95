//! Are limits changed while something runs, is usage told, and can a container look into another?

use std::fs;
use std::path::Path;

use outrigger_wire::{EventKind, Lease, Reply, Request, Stats};
use serde_json::{Value, json};

use super::client::Client;
use super::pod::{Pod, may_run};
use super::{logged, soon};

fn update(client: &mut Client, container: Option<&str>, resources: Value) -> Result<(), String> {
    let container = container.map(str::to_owned);
    let asked = Request::Update {
        container,
        resources,
    };
    match client.call(asked) {
        Ok(Reply::Done { .. }) => Ok(()),
        Ok(other) => panic!("{other:?}"),
        Err(refusal) => Err(refusal.message),
    }
}

/// A file of the group at `below` the Pod's, in whichever tree has it.
fn read(pod: &Pod, below: &str, names: [&str; 2]) -> Option<String> {
    let folders = pod.cgroup_state().0;
    let wanted = format!("{}{below}", pod.cgroup);
    let of = folders
        .iter()
        .filter(|folder| folder.ends_with(Path::new(wanted.trim_start_matches('/'))));
    let files = of.flat_map(|folder| names.map(|name| folder.join(name)));
    let texts = files.filter_map(|file| fs::read_to_string(file).ok());
    texts.map(|text| text.trim().to_owned()).next()
}

fn stats(client: &mut Client) -> Stats {
    match client.ask(Request::Stats) {
        Reply::Stats(stats) => stats,
        other => panic!("{other:?}"),
    }
}

const MEMORY: [&str; 2] = ["memory.limit_in_bytes", "memory.max"];

#[test]
fn limits_change_while_it_runs_and_never_below_what_is_used() {
    if !may_run() {
        return;
    }
    let pod = Pod::new();
    let mut client = pod.prepare(Lease::Forever);
    // A variable of 20 MB, which no kernel can take back.
    let script = "x=$(head -c 20000000 /dev/zero | tr '\\0' x); echo up; sleep 1000";
    pod.start_as(&mut client, "c1", &["/bin/sh", "-c", script], |config| {
        config["linux"]["resources"] =
            json!({"memory": {"limit": 128 << 20}, "cpu": {"shares": 512, "quota": 50000, "period": 100000}});
    });
    soon("it is up", || pod.log("c1").contains("up"));
    for limit in [256_u64 << 20, 64 << 20, 96 << 20] {
        update(&mut client, Some("c1"), json!({"memory": {"limit": limit}})).unwrap();
        assert_eq!(read(&pod, "/c1", MEMORY), Some(limit.to_string()));
    }
    let refused = update(
        &mut client,
        Some("c1"),
        json!({"memory": {"limit": 4 << 20}, "cpu": {"quota": 10000}}),
    );
    assert!(refused.unwrap_err().contains("are in use"));
    assert_eq!(read(&pod, "/c1", MEMORY), Some((96 << 20).to_string()));
    let quota = ["cpu.cfs_quota_us", "cpu.max"];
    let of = |text: Option<String>| text.map(|text| text.split(' ').next().unwrap().to_owned());
    assert_eq!(of(read(&pod, "/c1", quota)).as_deref(), Some("50000"));
    update(
        &mut client,
        None,
        json!({"memory": {"limit": 300 << 20}, "cpu": {"quota": 80000, "period": 100000}}),
    )
    .unwrap();
    assert_eq!(read(&pod, "", MEMORY), Some((300 << 20).to_string()));
    assert_eq!(of(read(&pod, "", quota)).as_deref(), Some("80000"));
    update(
        &mut client,
        Some("c1"),
        json!({"cpu": {"quota": 70000, "period": 100000}}),
    )
    .unwrap();
    assert_eq!(of(read(&pod, "/c1", quota)).as_deref(), Some("70000"));
    assert!(update(&mut client, Some("c9"), json!({})).is_err());
    assert!(update(&mut client, None, json!({"memory": 7})).is_err());
    pod.release(&mut client);
}

#[test]
fn what_a_pod_uses_is_told_for_it_and_for_each_container_that_runs() {
    if !may_run() {
        return;
    }
    let pod = Pod::new();
    let mut client = pod.prepare(Lease::Forever);
    pod.start(&mut client, "c0", &["/bin/true"]);
    client.exit("c0");
    pod.start(&mut client, "c1", &["/bin/sleep", "1000"]);
    let script = "x=$(head -c 20000000 /dev/zero | tr '\\0' x); i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo up; sleep 1000 & sleep 1000";
    pod.start(&mut client, "c2", &["/bin/sh", "-c", script]);
    soon("it has worked", || {
        pod.log("c2").contains("up")
            && stats(&mut client)
                .containers
                .iter()
                .any(|one| one.1.pids == 3)
    });
    let stats = stats(&mut client);
    let of = |id: &str| stats.containers.iter().find(|one| one.0 == id).unwrap().1;
    assert_eq!(stats.containers.len(), 2, "{stats:?}");
    let (idle, busy) = (of("c1"), of("c2"));
    assert_eq!((idle.pids, busy.pids, stats.pod.pids), (1, 3, 4));
    assert!(busy.memory_bytes > 20_000_000, "{stats:?}");
    assert!(idle.memory_bytes < 10_000_000, "{stats:?}");
    assert!(
        busy.cpu_ns > 20_000_000 && busy.cpu_ns > idle.cpu_ns,
        "{stats:?}"
    );
    // The kernel adds memory up a little late.
    assert!(stats.pod.memory_bytes > 20_000_000, "{stats:?}");
    assert!(stats.pod.cpu_ns >= busy.cpu_ns, "{stats:?}");
    pod.release(&mut client);
}

#[test]
fn a_container_that_joins_another_sees_its_processes_and_ends_with_it() {
    if !may_run() {
        return;
    }
    let pod = Pod::new();
    let mut client = pod.prepare(Lease::Forever);
    pod.start(&mut client, "c1", &["/bin/sleep", "987"]);
    let script = "tr '\\0' ' ' < /proc/1/cmdline; echo; set -- /proc/[0-9]*; echo $#; sleep 1000";
    let mut start = pod.container("c2", &["/bin/sh", "-c", script]);
    start.join_pid_of = Some("c1".to_owned());
    client.ask(Request::Start(Box::new(start)));
    soon("it has looked", || logged(&pod.log("c2")).len() == 2);
    let log = logged(&pod.log("c2"));
    assert_eq!(log[0].1, "/bin/sleep 987 ");
    // The one that it looks at, and the shell.
    assert_eq!(log[1].1, "2");
    let mut start = pod.container("c3", &["/bin/true"]);
    start.join_pid_of = Some("c9".to_owned());
    assert!(client.call(Request::Start(Box::new(start))).is_err());
    client.ask(Request::Kill {
        container: "c1".to_owned(),
    });
    // Either may be told first.
    let mut ended = Vec::new();
    while ended.len() < 2 {
        if let EventKind::Exited {
            container, code, ..
        } = client.event().kind
        {
            ended.push((container, code));
        }
    }
    ended.sort();
    assert_eq!(ended, [("c1".to_owned(), 137), ("c2".to_owned(), 137)]);
    pod.release(&mut client);
}
