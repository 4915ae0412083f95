//! Does a Pod go whatever its containers have made of their cgroups: groups below, frozen ones, more processes
//! all the time?

use std::fs;
use std::path::{Path, PathBuf};

use outrigger_wire::{Lease, Request};
use serde_json::json;

use super::pod::{Pod, may_run};
use super::soon;

/// The directories of a container's group in all trees.
fn groups(pod: &Pod, container: &str) -> Vec<PathBuf> {
    let folders = pod.cgroup_state().0;
    folders
        .into_iter()
        .filter(|folder| folder.ends_with(container))
        .collect()
}

/// Makes groups below a container's as one may that is privileged, puts a process into each, and freezes it.
fn nest(group: &Path, processes: &[u32]) {
    let below = group.join("own").join("deeper");
    fs::create_dir_all(&below).unwrap();
    let list = if below.join("cgroup.freeze").exists() {
        "cgroup.procs"
    } else {
        "tasks"
    };
    for (folder, process) in [(group.join("own"), processes[0]), (below, processes[1])] {
        // A v1 group of processors takes nobody before it has some.
        if folder.join("cpuset.cpus").exists() {
            for name in ["cpuset.cpus", "cpuset.mems"] {
                let above = folder.parent().unwrap().join(name);
                fs::write(folder.join(name), fs::read(above).unwrap()).unwrap();
            }
        }
        fs::write(folder.join(list), process.to_string()).unwrap();
        for (name, frozen) in [("cgroup.freeze", "1"), ("freezer.state", "FROZEN")] {
            if folder.join(name).exists() {
                fs::write(folder.join(name), frozen).unwrap();
            }
        }
    }
}

#[test]
fn a_pod_whose_containers_have_frozen_groups_of_their_own_goes() {
    if !may_run() {
        return;
    }
    let pod = Pod::new();
    let mut client = pod.prepare(Lease::Forever);
    let script = "sleep 1000 & sleep 1000 & wait";
    pod.start(&mut client, "c1", &["sh", "-c", script]);
    pod.start(&mut client, "c2", &["sh", "-c", script]);
    soon("all of them sleep", || pod.cgroup_state().1.len() == 6);
    for container in ["c1", "c2"] {
        let all = groups(&pod, container);
        assert!(!all.is_empty());
        let unified = all.iter().find(|group| group.join("cgroup.procs").exists());
        let text = fs::read_to_string(unified.unwrap().join("cgroup.procs")).unwrap();
        let processes: Vec<u32> = text.lines().map(|line| line.parse().unwrap()).collect();
        all.iter().for_each(|group| nest(group, &processes[1..]));
    }
    // One by itself and the other with its Pod.
    client.ask(Request::Kill {
        container: "c1".to_owned(),
    });
    assert_eq!(client.exit("c1").0, 137);
    client.ask(Request::Remove {
        container: "c1".to_owned(),
        recorded: 0,
    });
    assert!(groups(&pod, "c1").is_empty());
    pod.release(&mut client);
}

#[test]
fn a_pod_goes_while_its_processes_fork_as_fast_as_they_can() {
    if !may_run() {
        return;
    }
    let pod = Pod::new();
    let mut client = pod.prepare_as(Lease::Forever, |prepare| {
        prepare.cgroup.resources = json!({"pids": {"limit": 100}});
    });
    // Each goes on by two others, in a session of its own, and those that cannot try again.
    let storm = "f() { setsid sh -c \"$0\" \"$0\" 2>/dev/null & }; trap '' HUP TERM; while :; do f; f; done";
    pod.start(&mut client, "c1", &["sh", "-c", storm, storm]);
    soon("it storms", || pod.cgroup_state().1.len() > 50);
    pod.release(&mut client);
}
