//! Do groups do on a real kernel what they promise? Needs root; makes groups below
//! `/outrigger-dev-cg-<pid>` only.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod place;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use outrigger_runtime::cgroup::{CgroupError, Level};

use place::{Place, inside, remove_top, until};

#[test]
fn limits_stand_in_the_files_and_nothing_stays_after_removal() {
    let Some(place) = Place::new() else { return };
    let json = r#"{"cpu":{"shares":512,"quota":50000,"period":100000},"memory":{"limit":67108864},"pids":{"limit":50}}"#;
    let pod = place.create("/burstable/pod1", json, Level::Pod).unwrap();
    let container = place
        .create("/burstable/pod1/c", json, Level::Container)
        .unwrap();
    let expected: &[(&str, &str)] = if place.v2() {
        &[
            ("cpu.weight", "59"),
            ("cpu.max", "50000 100000"),
            ("memory.max", "67108864"),
            ("pids.max", "50"),
        ]
    } else {
        &[
            ("cpu.shares", "512"),
            ("cpu.cfs_quota_us", "50000"),
            ("memory.limit_in_bytes", "67108864"),
            ("pids.max", "50"),
        ]
    };
    for (file, value) in expected {
        for below in ["/burstable/pod1", "/burstable/pod1/c"] {
            assert_eq!(
                place.read(below, file).as_deref(),
                Some(*value),
                "{below}/{file}"
            );
        }
    }
    if place.v2() {
        assert_eq!(
            place
                .read("/burstable/pod1/c", "memory.oom.group")
                .as_deref(),
            Some("1")
        );
    } else {
        let list = place.read("/burstable/pod1/c", "devices.list").unwrap();
        assert!(
            list.contains("c 1:3 rw\n") && !list.contains("a *:*"),
            "{list}"
        );
    }
    for below in ["/burstable/pod1", "/burstable/pod1/c"] {
        let swap = place.read(
            below,
            if place.v2() {
                "memory.swap.max"
            } else {
                "memory.memsw.limit_in_bytes"
            },
        );
        let none = if place.v2() { "0" } else { "67108864" };
        assert!(swap.is_none_or(|swap| swap == none), "{below} may swap");
    }
    container.remove().unwrap();
    pod.remove().unwrap();
    assert_eq!(place.directories(), Vec::<PathBuf>::new());
}

#[test]
fn on_v1_a_pods_limits_are_those_that_libcgroups_would_write() {
    use libcgroups::common::{CgroupManager, ControllerOpt};
    let Some(place) = Place::with(|line| !line.contains("- cgroup2 ")) else {
        return;
    };
    let json = r#"{"cpu":{"shares":512,"quota":50000,"period":200000},"memory":{"limit":67108864,"swap":67108864},"pids":{"limit":50}}"#;
    let ours = place.create("/ours", json, Level::Pod).unwrap();
    let theirs = place.create("/theirs", "{}", Level::Pod).unwrap();
    let resources = serde_json::from_str(json).unwrap();
    let options = ControllerOpt {
        resources: &resources,
        disable_oom_killer: false,
        oom_score_adj: None,
        freezer_state: None,
    };
    let manager = libcgroups::v1::Manager::new(theirs.path().as_ref()).unwrap();
    manager.apply(&options).unwrap();
    for file in [
        "cpu.shares",
        "cpu.cfs_quota_us",
        "cpu.cfs_period_us",
        "memory.limit_in_bytes",
        "memory.memsw.limit_in_bytes",
        "pids.max",
    ] {
        let other = place.read("/theirs", file);
        assert_eq!(place.read("/ours", file), other, "{file}");
    }
    // What its containers may use is decided for each of them.
    let devices = place.read("/ours", "devices.list");
    assert_eq!(devices.as_deref(), Some("a *:* rwm"));
    ours.remove().unwrap();
    theirs.remove().unwrap();
    assert_eq!(place.directories(), Vec::<PathBuf>::new());
}

#[test]
fn a_processes_group_is_seen_killed_and_removed() {
    let Some(place) = Place::new() else { return };
    seen_killed_and_removed(&place);
}

#[test]
fn the_same_holds_on_v1_with_no_unified_tree() {
    let Some(place) = Place::with(|line| !line.contains("- cgroup2 ")) else {
        return;
    };
    seen_killed_and_removed(&place);
}

#[test]
fn the_same_holds_on_v1_without_a_freezer() {
    let Some(place) = Place::with(|line| !line.contains("- cgroup2 ") && !line.contains("freezer"))
    else {
        return;
    };
    seen_killed_and_removed(&place);
}

fn seen_killed_and_removed(place: &Place) {
    let container = place.create("/pod/c", "{}", Level::Container).unwrap();
    assert!(container.is_empty().unwrap());
    let mut child = inside(&container, "sleep 1000 & sleep 1000 & wait");
    let probe = container.sub("exec-1").unwrap();
    let mut probed = inside(&probe, "sleep 1000 & wait");
    assert!(!container.is_empty().unwrap());
    assert!(!probe.is_empty().unwrap());

    let refused = container.remove().unwrap_err();
    assert!(!refused.groups.is_empty());

    probe.kill_all().unwrap();
    probed.wait().unwrap();
    assert!(
        child.try_wait().unwrap().is_none(),
        "killing an exec must not kill its container"
    );
    until("the exec's end", || probe.is_empty().unwrap());
    probe.remove().unwrap();
    assert!(!container.is_empty().unwrap());

    container.kill_all().unwrap();
    child.wait().unwrap();
    until("the container's end", || container.is_empty().unwrap());
    container.remove().unwrap();
    container.kill_all().unwrap();
    let pod = place
        .layout
        .open(&format!("{}/pod", place.top), Level::Pod)
        .unwrap();
    pod.remove().unwrap();
    assert_eq!(place.directories(), Vec::<PathBuf>::new());
}

#[test]
fn what_is_frozen_stands_still_and_can_be_killed() {
    let Some(place) = Place::new() else { return };
    let container = place.create("/c", "{}", Level::Pod).unwrap();
    let mut child = inside(&container, "while :; do :; done");
    container.freeze().unwrap();
    until("freezing", || container.is_frozen().unwrap());
    container.thaw().unwrap();
    until("thawing", || !container.is_frozen().unwrap());
    container.freeze().unwrap();
    container.kill_all().unwrap();
    child.wait().unwrap();
    container.remove().unwrap();
    assert_eq!(place.directories(), Vec::<PathBuf>::new());
}

#[test]
fn a_kill_for_want_of_memory_is_counted() {
    let Some(place) = Place::new() else { return };
    let container = place
        .create("/c", r#"{"memory":{"limit":16777216}}"#, Level::Container)
        .unwrap();
    assert_eq!(container.oom_kills().unwrap(), 0);
    let mut child = inside(&container, "x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done");
    child.wait().unwrap();
    until("the count", || container.oom_kills().unwrap() >= 1);
    container.kill_all().unwrap();
    container.remove().unwrap();
    remove_top(&place);
}

#[test]
fn usage_is_counted() {
    let Some(place) = Place::new() else { return };
    let container = place
        .create("/c", r#"{"memory":{"limit":67108864}}"#, Level::Container)
        .unwrap();
    let mut child = inside(
        &container,
        "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; sleep 1000 & wait",
    );
    until("the processes", || container.stats().pids == Some(2));
    let stats = container.stats();
    assert!(stats.cpu_us.is_some_and(|used| used > 0), "{stats:?}");
    assert!(stats.memory_bytes.is_some_and(|used| used > 0), "{stats:?}");
    assert_eq!(stats.memory_limit_bytes, Some(67_108_864));
    container.kill_all().unwrap();
    child.wait().unwrap();
    container.remove().unwrap();
    remove_top(&place);
}

#[test]
fn an_impossible_limit_names_file_value_and_remedy_and_leaves_nothing() {
    let Some(place) = Place::new() else { return };
    let json = r#"{"hugepageLimits":[{"pageSize":"3MB","limit":3}]}"#;
    let error = place.create("/c", json, Level::Container).unwrap_err();
    assert!(
        matches!(
            error,
            CgroupError::Limit { .. } | CgroupError::NoController { .. }
        ),
        "{error}"
    );
    let json = r#"{"cpu":{"quota":1,"period":100000}}"#;
    let error = place.create("/c", json, Level::Container).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("cannot write \"1") && text.contains("outrigger-dev-cg"),
        "{text}"
    );
    remove_top(&place);
}

#[test]
fn huge_pages_that_nobody_asked_for_are_limited_to_none() {
    let Some(place) = Place::new() else { return };
    let json = r#"{"hugepageLimits":[{"pageSize":"2MB","limit":0},{"pageSize":"16GB","limit":0}]}"#;
    let pod = place.create("/pod", json, Level::Pod).unwrap();
    let limit = place
        .read("/pod", "hugetlb.2MB.max")
        .or(place.read("/pod", "hugetlb.2MB.limit_in_bytes"));
    assert!(limit.is_none_or(|limit| limit == "0"));
    pod.remove().unwrap();
    assert_eq!(place.directories(), Vec::<PathBuf>::new());
}

#[test]
fn a_container_does_not_move_into_a_group_that_runs_something() {
    let Some(place) = Place::new() else { return };
    let first = place.create("/c", "{}", Level::Container).unwrap();
    let mut child = inside(&first, "sleep 1000");
    let error = place.create("/c", "{}", Level::Container).unwrap_err();
    assert!(matches!(error, CgroupError::Occupied { .. }), "{error}");
    first.kill_all().unwrap();
    child.wait().unwrap();
    first.remove().unwrap();
    remove_top(&place);
}

#[test]
fn four_pods_at_once_make_and_remove_the_same_parents() {
    let Some(place) = Place::new() else { return };
    let json = r#"{"memory":{"limit":67108864},"pids":{"limit":50}}"#;
    let rounds = if place.v2() { 10 } else { 50 };
    std::thread::scope(|scope| {
        for pod in 0..4 {
            let place = &place;
            scope.spawn(move || {
                for _ in 0..rounds {
                    let group = place
                        .create(&format!("/burstable/pod{pod}"), json, Level::Pod)
                        .unwrap();
                    let container = place
                        .create(&format!("/burstable/pod{pod}/c"), json, Level::Container)
                        .unwrap();
                    container.remove().unwrap();
                    group.remove().unwrap();
                }
            });
        }
    });
    assert_eq!(place.directories(), Vec::<PathBuf>::new());
}

/// Prints what things cost; run with `--nocapture`. The bound is far above the figures, for a busy
/// machine; it fails when someone parses the mount table again.
#[test]
fn a_container_group_is_cheap() {
    let Some(place) = Place::new() else { return };
    let json = r#"{"cpu":{"shares":512,"quota":50000,"period":100000},"memory":{"limit":67108864},"pids":{"limit":50}}"#;
    let mut times: [Vec<Duration>; 5] = Default::default();
    for round in 0..100 {
        let mut start = Instant::now();
        let mut lap = |times: &mut Vec<Duration>| {
            times.push(start.elapsed());
            start = Instant::now();
        };
        let pod = (round < 20).then(|| place.create("/b/pod1", json, Level::Pod).unwrap());
        if pod.is_some() {
            lap(&mut times[0]);
        }
        let container = place.create("/b/pod1/c", json, Level::Container).unwrap();
        lap(&mut times[1]);
        let join = container.join().unwrap();
        lap(&mut times[2]);
        drop(join);
        let exec = container.sub("e").unwrap();
        exec.remove().unwrap();
        lap(&mut times[3]);
        container.remove().unwrap();
        lap(&mut times[4]);
    }
    for (what, times) in [
        "pod create",
        "container create",
        "join",
        "sub + remove",
        "remove",
    ]
    .iter()
    .zip(&mut times)
    {
        times.sort();
        println!(
            "{:?} {what}: min {:?} median {:?}",
            place.layout.mode(),
            times[0],
            times[times.len() / 2]
        );
    }
    remove_top(&place);
    assert_eq!(place.directories(), Vec::<PathBuf>::new());
    assert!(times[1][0] < Duration::from_millis(20), "{:?}", times[1][0]);
}
