use super::super::tests::row_of;
use super::*;
use crate::Resource;

/// `READY STATUS RESTARTS` of a Pod with these containers.
fn told(init: Value, init_statuses: Value, statuses: Value) -> String {
    told_of(json!({
        "metadata": { "name": "web", "creationTimestamp": "2026-01-01T23:55:00Z" },
        "spec": { "initContainers": init, "containers": [{ "name": "a" }, { "name": "b" }] },
        "status": { "phase": "Pending", "initContainerStatuses": init_statuses, "containerStatuses": statuses },
    }))
}

fn told_of(pod: Value) -> String {
    let cells = row_of(Resource::Pods, pod);
    let text = |at: usize| cells[at].as_str().unwrap().to_owned();
    format!("{} {} {}", text(1), text(2), text(3))
}

fn running(name: &str, is_ready: bool) -> Value {
    json!({ "name": name, "ready": is_ready, "started": true, "state": { "running": {} } })
}

fn waiting(name: &str, reason: &str) -> Value {
    json!({ "name": name, "ready": false, "state": { "waiting": { "reason": reason } } })
}

fn ended(name: &str, code: i64, reason: &str) -> Value {
    json!({ "name": name, "state": { "terminated": { "exitCode": code, "reason": reason } } })
}

#[test]
fn main_containers_give_the_word() {
    for (statuses, said) in [
        (json!([]), "0/2 Pending 0"),
        (
            json!([
                waiting("a", "ContainerCreating"),
                waiting("b", "ContainerCreating")
            ]),
            "0/2 ContainerCreating 0",
        ),
        (
            json!([waiting("a", "ErrImagePull"), running("b", true)]),
            "1/2 ErrImagePull 0",
        ),
        (
            json!([running("a", true), waiting("b", "CrashLoopBackOff")]),
            "1/2 CrashLoopBackOff 0",
        ),
        (
            json!([ended("a", 1, "Error"), ended("b", 0, "Completed")]),
            "0/2 Error 0",
        ),
        (
            json!([ended("a", 137, "OOMKilled"), running("b", true)]),
            "1/2 OOMKilled 0",
        ),
        (
            json!([ended("a", 3, ""), running("b", false)]),
            "0/2 ExitCode:3 0",
        ),
        (
            json!([{ "state": { "terminated": { "exitCode": 137, "signal": 9 } } }]),
            "0/2 Signal:9 0",
        ),
        (
            json!([ended("a", 0, "Completed"), running("b", true)]),
            "1/2 NotReady 0",
        ),
        (
            json!([ended("a", 0, "Completed"), running("b", false)]),
            "0/2 Completed 0",
        ),
        // A `null` beside the state that is meant counts for nothing.
        (
            json!([{ "ready": true, "state": { "running": {}, "terminated": null, "waiting": null } }]),
            "1/2 Pending 0",
        ),
    ] {
        assert_eq!(
            told(json!([]), json!([]), statuses.clone()),
            said,
            "{statuses}"
        );
    }
}

#[test]
fn init_containers_give_the_word_until_they_are_done() {
    let init = json!([{ "name": "i" }, { "name": "j" }]);
    for (statuses, said) in [
        (
            json!([
                waiting("i", "PodInitializing"),
                waiting("j", "PodInitializing")
            ]),
            "0/2 Init:0/2 0",
        ),
        (
            json!([running("i", false), waiting("j", "PodInitializing")]),
            "0/2 Init:0/2 0",
        ),
        (
            json!([ended("i", 0, "Completed"), running("j", false)]),
            "0/2 Init:1/2 0",
        ),
        (
            json!([ended("i", 1, "Error"), waiting("j", "PodInitializing")]),
            "0/2 Init:Error 0",
        ),
        (
            json!([ended("i", 4, ""), waiting("j", "PodInitializing")]),
            "0/2 Init:ExitCode:4 0",
        ),
        (
            json!([{ "name": "i", "state": { "terminated": { "exitCode": 143, "signal": 15 } } }]),
            "0/2 Init:Signal:15 0",
        ),
        (
            json!([
                waiting("i", "CrashLoopBackOff"),
                waiting("j", "PodInitializing")
            ]),
            "0/2 Init:CrashLoopBackOff 0",
        ),
        (
            json!([ended("i", 0, "Completed"), ended("j", 0, "Completed")]),
            "0/2 PodInitializing 0",
        ),
    ] {
        let main = json!([
            waiting("a", "PodInitializing"),
            waiting("b", "PodInitializing")
        ]);
        assert_eq!(
            told(init.clone(), statuses.clone(), main),
            said,
            "{statuses}"
        );
    }
}

#[test]
fn init_containers_that_stay_count_as_containers() {
    let init = json!([{ "name": "s", "restartPolicy": "Always" }, { "name": "i" }]);
    let main = json!([running("a", true), running("b", true)]);
    let creating = json!([
        waiting("a", "PodInitializing"),
        waiting("b", "PodInitializing")
    ]);
    for (statuses, main, said) in [
        (
            json!([
                waiting("s", "PodInitializing"),
                waiting("i", "PodInitializing")
            ]),
            &creating,
            "0/3 Init:0/2 0",
        ),
        // It runs, but has not started by its startup probe.
        (
            json!([{ "name": "s", "started": false, "state": { "running": {} } }]),
            &creating,
            "0/3 Init:0/2 0",
        ),
        (
            json!([running("s", false), running("i", false)]),
            &creating,
            "0/3 Init:1/2 0",
        ),
        (
            json!([running("s", true), running("i", false)]),
            &creating,
            "1/3 Init:1/2 0",
        ),
        (
            json!([running("s", true), ended("i", 0, "Completed")]),
            &main,
            "3/3 Pending 0",
        ),
        (
            json!([running("s", false), ended("i", 0, "Completed")]),
            &main,
            "2/3 Pending 0",
        ),
        (
            json!([
                waiting("s", "CrashLoopBackOff"),
                waiting("i", "PodInitializing")
            ]),
            &creating,
            "0/3 Init:CrashLoopBackOff 0",
        ),
        (
            json!([ended("s", 1, "Error"), ended("i", 0, "Completed")]),
            &main,
            "0/3 Init:Error 0",
        ),
    ] {
        assert_eq!(
            told(init.clone(), statuses.clone(), main.clone()),
            said,
            "{statuses}"
        );
    }
}

#[test]
fn one_that_stays_and_waits_again_later_gives_the_word_but_hides_no_ready_container() {
    let pod = json!({
        "metadata": { "name": "web" },
        "spec": { "initContainers": [{ "name": "s", "restartPolicy": "Always" }], "containers": [{ "name": "a" }] },
        "status": {
            "phase": "Running",
            "conditions": [{ "type": "Initialized", "status": "True" }],
            "initContainerStatuses": [waiting("s", "CrashLoopBackOff")],
            "containerStatuses": [running("a", true)],
        },
    });
    assert_eq!(told_of(pod), "1/2 Init:CrashLoopBackOff 0");
}

#[test]
fn restarts_tell_of_the_newest_and_forget_what_ran_before_the_start() {
    let restarted = |name: &str, count: i64, at: &str| {
        json!({
            "name": name, "restartCount": count, "ready": true, "started": true, "state": { "running": {} },
            "lastState": { "terminated": { "exitCode": 1, "finishedAt": at } },
        })
    };
    let done = json!({
        "name": "i", "restartCount": 7, "state": { "terminated": { "exitCode": 0, "reason": "Completed" } },
        "lastState": { "terminated": { "finishedAt": "2026-01-01T23:59:59Z" } },
    });
    let init = json!([{ "name": "i" }, { "name": "s", "restartPolicy": "Always" }]);
    let main = json!([
        restarted("a", 2, "2026-01-01T23:58:00Z"),
        running("b", true)
    ]);
    let side = restarted("s", 1, "2026-01-01T23:57:30Z");
    assert_eq!(
        told(init.clone(), json!([done, side]), main),
        "3/3 Pending 3 (2m ago)"
    );
    // While it initializes, those restarts are what there is to tell.
    let again = restarted("i", 7, "2026-01-01T23:59:50Z");
    assert_eq!(
        told(init, json!([again]), json!([])),
        "0/3 Init:0/2 7 (10s ago)"
    );
}

#[test]
fn the_end_of_a_pod_has_words_of_its_own() {
    let pod = |phase: &str, reason: &str, deleted: bool, statuses: Value| {
        let mut pod = json!({
            "metadata": { "name": "web" }, "spec": { "containers": [{ "name": "a" }] },
            "status": { "phase": phase, "reason": reason, "containerStatuses": statuses },
        });
        if deleted {
            pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T23:59:59Z");
        }
        told_of(pod)
    };
    assert_eq!(
        pod("Running", "", true, json!([running("a", true)])),
        "1/1 Terminating 0"
    );
    assert_eq!(
        pod("Running", "NodeLost", true, json!([running("a", true)])),
        "1/1 Unknown 0"
    );
    assert_eq!(
        pod("Succeeded", "", true, json!([ended("a", 0, "Completed")])),
        "0/1 Completed 0"
    );
    assert_eq!(pod("Failed", "Evicted", false, json!([])), "0/1 Evicted 0");
    assert_eq!(
        pod(
            "Failed",
            "DeadlineExceeded",
            false,
            json!([ended("a", 137, "Error")])
        ),
        "0/1 Error 0"
    );
    let gated = json!({ "spec": { "containers": [{}] }, "status": { "phase": "Pending",
        "conditions": [{ "type": "PodScheduled", "status": "False", "reason": "SchedulingGated" }] } });
    assert_eq!(told_of(gated), "0/1 SchedulingGated 0");
}

#[test]
fn ready_makes_a_pod_run_on_although_one_container_is_done() {
    let pod = json!({
        "metadata": { "name": "web" }, "spec": { "containers": [{ "name": "a" }, { "name": "b" }] },
        "status": {
            "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }],
            "containerStatuses": [ended("a", 0, "Completed"), running("b", true)],
        },
    });
    assert_eq!(told_of(pod), "1/2 Running 0");
}

#[test]
fn wide_columns_have_a_word_for_what_is_not_there() {
    let cells = row_of(
        Resource::Pods,
        json!({
            "metadata": { "name": "web", "creationTimestamp": "2026-01-01T00:00:00Z" },
            "spec": { "nodeName": "here", "readinessGates": [{ "conditionType": "x" }, { "conditionType": "y" }] },
            "status": { "conditions": [{ "type": "y", "status": "True" }] },
        }),
    );
    assert_eq!(
        cells[4..],
        [
            json!("24h"),
            json!("<none>"),
            json!("here"),
            json!("<none>"),
            json!("1/2")
        ]
    );
}
