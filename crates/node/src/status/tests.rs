//! The Pod object as it is shown.

use k8s_openapi::api::core::v1 as core;
use outrigger_lifecycle::{
    Condition, ContainerStatus, Exit, ExitReason, Phase, State, Status, Time,
};
use outrigger_pod::manifest::{SourceFile, read};
use outrigger_pod::{Pod, Signal, Slot};

use super::{Sizes, Transitions, View, resources};
use crate::clock::WallClock;
use crate::instances::{Instance, Instances};

const MANIFEST: &str = "
apiVersion: v1
kind: Pod
metadata: {name: p, uid: u}
spec:
  initContainers:
  - {name: second, image: 'host:/', restartPolicy: Always}
  - {name: first, image: 'host:/'}
  containers:
  - {name: z, image: 'host:/'}
  - {name: a, image: 'host:/'}
";

fn pod() -> Pod {
    let file = SourceFile {
        name: "pod.yaml".into(),
        text: MANIFEST.into(),
    };
    read(&[file], &mut || "u".to_owned())
        .unwrap()
        .pods
        .remove(0)
}

fn running() -> ContainerStatus {
    let state = State::Running {
        since: Time::from_ms(1000),
    };
    ContainerStatus {
        state,
        last: None,
        ready: true,
        started: true,
        restart_count: 0,
        has_still: None,
    }
}

fn status(containers: Vec<ContainerStatus>, ready: bool) -> Status {
    let ready = Condition {
        kind: "Ready",
        holds: ready,
        unknown: false,
        reason: "",
        message: String::new(),
    };
    Status {
        phase: Phase::Running,
        reason: "",
        message: String::new(),
        conditions: vec![ready],
        containers,
    }
}

fn show(
    pod: &Pod,
    status: &Status,
    transitions: &Transitions,
    instances: &Instances,
) -> core::PodStatus {
    let wall = WallClock::read();
    let view = View {
        pod,
        status,
        transitions,
        instances,
        accepted: Time::from_ms(0),
        wall,
    };
    view.object().status.unwrap()
}

fn instance(id: &str) -> Instance {
    Instance {
        id: id.to_owned(),
        image_id: "host".to_owned(),
        stop_signal: Signal::TERM,
        runs: false,
    }
}

#[test]
fn mains_stand_by_name_and_the_others_as_in_the_manifest() {
    let pod = pod();
    let status = status(vec![running(); 4], true);
    let shown = show(
        &pod,
        &status,
        &Transitions::default(),
        &Instances::default(),
    );
    let names = |statuses: Option<Vec<core::ContainerStatus>>| -> Vec<String> {
        statuses
            .unwrap()
            .into_iter()
            .map(|status| status.name)
            .collect()
    };
    assert_eq!(names(shown.init_container_statuses), ["second", "first"]);
    assert_eq!(names(shown.container_statuses), ["a", "z"]);
    assert_eq!(shown.qos_class.as_deref(), Some("BestEffort"));
    assert_eq!(shown.phase.as_deref(), Some("Running"));
}

#[test]
fn the_last_words_of_all_containers_together_are_bounded() {
    let pod = pod();
    let exit = Exit {
        at: Time::from_ms(2000),
        code: 1,
        reason: ExitReason::Error,
        message: "x".repeat(4096),
    };
    let mut ended = running();
    ended.state = State::Terminated {
        started: None,
        exit,
    };
    let status = status(vec![ended; 4], false);
    let shown = show(
        &pod,
        &status,
        &Transitions::default(),
        &Instances::default(),
    );
    let all = [shown.init_container_statuses, shown.container_statuses];
    let all = all.into_iter().flatten().flatten();
    let bytes = all.map(|status| {
        let ended = status.state.unwrap().terminated.unwrap();
        ended.message.unwrap().len()
    });
    assert_eq!(bytes.collect::<Vec<usize>>(), [3072; 4]);
}

#[test]
fn a_condition_keeps_its_time_until_it_changes() {
    let pod = pod();
    let mut transitions = Transitions::default();
    let mut at = |ready: bool, ms: u64| {
        let status = status(vec![running(); 4], ready);
        transitions.note(&status, Time::from_ms(ms));
        let shown = show(&pod, &status, &transitions, &Instances::default());
        shown.conditions.unwrap()[0]
            .last_transition_time
            .clone()
            .unwrap()
    };
    let first = at(false, 10_000);
    assert_eq!(at(false, 20_000), first);
    let changed = at(true, 30_000);
    assert_eq!(changed.0.as_second() - first.0.as_second(), 20);
}

#[test]
fn a_container_that_waits_for_its_restart_shows_its_end_as_the_last_state() {
    let pod = pod();
    let mut instances = Instances::default();
    instances.insert(Slot(2), 3, instance("abc"));
    let exit = Exit {
        at: Time::from_ms(5000),
        code: 3,
        reason: ExitReason::Error,
        message: "m".into(),
    };
    let waiting = ContainerStatus {
        state: State::Waiting {
            reason: "CrashLoopBackOff".into(),
            message: "back-off".into(),
        },
        last: Some((Some(Time::from_ms(4000)), exit)),
        ready: false,
        started: false,
        restart_count: 3,
        has_still: None,
    };
    let status = status(vec![running(), running(), waiting, running()], false);
    let shown = show(&pod, &status, &Transitions::default(), &instances)
        .container_statuses
        .unwrap();
    let z = &shown[1];
    let last = z.last_state.clone().unwrap().terminated.unwrap();
    assert_eq!(
        (
            last.exit_code,
            last.reason.as_deref(),
            last.message.as_deref()
        ),
        (3, Some("Error"), Some("m"))
    );
    assert_eq!(last.container_id.as_deref(), Some("outrigger://abc"));
    assert_eq!(z.container_id.as_deref(), Some("outrigger://abc"));
    assert_eq!(
        z.state.clone().unwrap().waiting.unwrap().reason.as_deref(),
        Some("CrashLoopBackOff")
    );
    assert_eq!(z.restart_count, 3);
}

#[test]
fn what_a_container_has_not_got_yet_is_not_shown() {
    let spec: core::Container = serde_json::from_value(serde_json::json!({
        "name": "main", "resources": { "requests": { "cpu": "2" }, "limits": { "memory": "250Mi" } },
    }))
    .unwrap();
    assert_eq!(resources(&spec, None), spec.resources);
    let sizes = Sizes {
        cpu_request_milli: Some(500),
        memory_limit_bytes: Some(1 << 20),
        ..Sizes::default()
    };
    let shown = resources(&spec, Some(sizes)).unwrap();
    assert_eq!(shown.requests.unwrap()["cpu"].0, "500m");
    assert_eq!(shown.limits.unwrap()["memory"].0, "1048576");
}
