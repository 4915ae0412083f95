//! What do the lines mean that tell everything that was known? A field that is new is written out here with what an
//! earlier revision's line says of it; a snapshot that is new stands last.

use k8s_openapi::api::core::v1 as core;
use outrigger_lifecycle::{
    BackOff, Definition, Deletion, Ending, Exit, ExitReason, Fact, History, Instance, Life,
    Outcome, PostStart, PreStop, ProbeSeen, Reset, Resizing, Sandbox, Seen, Sizes, StartFailure,
    Stop, StopCause, Teardown, Time,
};
use outrigger_pod::{ProbeKind, Slot};
use serde_json::json;

pub(super) use crate::record::Snapshot;
use crate::record::{Head, InstanceLine, Line, VERSION};

pub(super) fn at(ms: u64) -> Time {
    Time(86_400_000_000_000).plus_ms(ms)
}

/// As it stands in a record: defaulted, with its uid.
pub(super) fn manifest() -> core::Pod {
    let container = |name: &str| {
        json!({
            "name": name, "image": "host:/", "imagePullPolicy": "IfNotPresent", "resources": {},
            "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
        })
    };
    let with = |name: &str, more: serde_json::Value| {
        let mut container = container(name);
        container
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        container
    };
    let probe = json!({
        "tcpSocket": {"port": 80}, "timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3,
    });
    let hook = json!({"preStop": {"exec": {"command": ["/bin/sh", "-c", "echo \"ü\" > /x"]}}});
    let manifest = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "web-0", "namespace": "default", "uid": "0f5a0b6c", "annotations": {"a": "b\nc"}},
        "spec": {
            "restartPolicy": "Always", "terminationGracePeriodSeconds": 7, "dnsPolicy": "ClusterFirst",
            "enableServiceLinks": true, "schedulerName": "default-scheduler", "securityContext": {},
            "initContainers": [container("init"), with("proxy", json!({"restartPolicy": "Always"}))],
            "containers": [with("web", json!({"livenessProbe": probe, "lifecycle": hook}))],
        },
    });
    serde_json::from_value(manifest).unwrap()
}

pub(super) fn head() -> Head {
    Head {
        version: VERSION,
        boot: "b007".to_owned(),
        zero_ns: 1_795_000_000_000_000_000,
        accepted: at(0),
        pod: manifest(),
    }
}

pub(super) fn instance_line() -> InstanceLine {
    InstanceLine {
        slot: Slot(2),
        attempt: 1,
        id: "0a1b2c3d4e5f6071".repeat(4),
        image_id: "sha256:5f6071".to_owned(),
        stop_signal: 15,
    }
}

pub(super) fn conditions() -> Vec<(String, bool, Time)> {
    vec![
        ("Ready".to_owned(), false, at(3)),
        ("Initialized".to_owned(), true, at(2)),
    ]
}

fn exit(reason: ExitReason) -> Exit {
    Exit {
        at: at(9),
        code: 3,
        reason,
        message: "bye".to_owned(),
    }
}

fn sizes() -> Sizes {
    Sizes {
        cpu_request_milli: Some(100),
        cpu_limit_milli: None,
        memory_request_bytes: Some(1 << 20),
        memory_limit_bytes: Some(1 << 30),
    }
}

fn probed() -> [ProbeSeen; 3] {
    let liveness = ProbeSeen {
        last_began: Some(at(8)),
        in_flight: true,
        streak: Some((false, 2)),
        verdict: Some(true),
        last: Some((at(9), Outcome::Failure("no".to_owned()))),
    };
    [ProbeSeen::default(), liveness, ProbeSeen::default()]
}

fn instance(life: Life) -> Instance {
    Instance {
        attempt: 1,
        began: at(4),
        life,
        probes: probed(),
        stop: None,
        resize: None,
    }
}

fn history(current: Option<Instance>) -> History {
    History {
        current,
        previous: Some((Some(at(5)), exit(ExitReason::Error))),
        back_off: Some(BackOff {
            delay_ms: 20_000,
            updated: at(6),
        }),
        failure: None,
        failures: 0,
        sources_changed: false,
        next_attempt: 2,
        definition: Some(Definition {
            image: "host:/".to_owned(),
            sizes: sizes(),
        }),
    }
}

fn running(post_start: PostStart) -> Instance {
    let since = at(5);
    instance(Life::Running { since, post_start })
}

fn stopped(cause: StopCause, pre_stop: PreStop) -> Instance {
    let stop = Stop {
        began: at(10),
        cause,
        deadline: at(7_010),
        pre_stop,
        signalled: Some(at(11)),
        signalled_anew: true,
        killed: None,
    };
    Instance {
        stop: Some(stop),
        ..running(PostStart::Done)
    }
}

fn seen(sandbox: Sandbox, mains: Instance) -> Seen {
    let ended = instance(Life::Exited {
        started: Some(at(5)),
        exit: exit(ExitReason::Completed),
    });
    let mut proxy = running(PostStart::Waiting);
    proxy.resize = Some(Resizing {
        to: sizes(),
        failed: Some((at(12), "no such cgroup".to_owned())),
    });
    Seen {
        accepted: at(0),
        sandbox,
        containers: vec![
            history(Some(ended)),
            history(Some(proxy)),
            history(Some(mains)),
        ],
        deletion: None,
        teardown: None,
        reset: None,
        sources_changed: true,
        silence: None,
    }
}

fn snapshot(seen: Seen) -> Snapshot {
    Snapshot {
        seen,
        last_seq: 86_400_000_000_009,
        conditions: conditions(),
        instances: vec![instance_line()],
    }
}

/// A Pod in the middle of its life.
pub(super) fn of_running() -> Snapshot {
    snapshot(seen(
        Sandbox::Ready { since: at(1) },
        running(PostStart::Done),
    ))
}

/// Everything in every state that it can be in.
pub(super) fn all() -> Vec<Snapshot> {
    let failed = PostStart::Failed("command ended with 1".to_owned());
    let ended_badly = PreStop::Ended(Err("timed out".to_owned()));
    let probe = StopCause::Probe(ProbeKind::Liveness);
    let last = Some((at(2), "FailedMount".to_owned(), "no".to_owned()));
    let mut absent = Seen {
        sandbox: Sandbox::Absent { failures: 2, last },
        containers: vec![History::default(), History::default(), history(None)],
        ..of_running().seen
    };
    absent.containers[1].failure = Some((
        at(3),
        StartFailure {
            reason: "ErrImageNeverPull".to_owned(),
            message: "not here".to_owned(),
            created: false,
        },
    ));
    let mut going = seen(
        Sandbox::Releasing { since: at(14) },
        stopped(StopCause::Teardown, PreStop::Ended(Ok(()))),
    );
    going.deletion = Some(Deletion {
        at: at(10),
        deadline: at(7_010),
        forced: None,
    });
    going.teardown = Some(Teardown {
        began: at(10),
        ending: Ending::Deleted,
        grace_ms: 7_000,
    });
    let mut anew = seen(
        Sandbox::Preparing {
            since: at(1),
            failures: 1,
        },
        stopped(StopCause::Reset, ended_badly),
    );
    anew.reset = Some(Reset { began: at(10) });
    let ready = || Sandbox::Ready { since: at(1) };
    let running_since = |since| PostStart::Running { since };
    let stopping = stopped(probe, PreStop::Running { since: at(10) });
    let never = Life::Exited {
        started: None,
        exit: exit(ExitReason::StartError),
    };
    let seen = vec![
        of_running().seen,
        absent,
        going,
        anew,
        seen(ready(), instance(Life::Starting)),
        seen(ready(), running(running_since(at(6)))),
        seen(ready(), running(failed)),
        seen(ready(), stopping),
        seen(ready(), stopped(probe, PreStop::Waiting)),
        seen(Sandbox::Released { at: at(15) }, instance(never)),
    ];
    seen.into_iter().map(snapshot).collect()
}

/// The lines of a whole record, in which each kind of line comes up.
pub(super) fn life() -> Vec<Line> {
    let fact = |ms, seq, fact| Line::Fact {
        at: at(ms),
        seq,
        fact,
    };
    let (slot, attempt) = (Slot(0), 0);
    vec![
        Line::Head(Box::new(head())),
        fact(1, None, Fact::SandboxReady),
        Line::Instance(InstanceLine {
            slot,
            attempt,
            ..instance_line()
        }),
        fact(2, Some(86_400_000_000_007), Fact::Started { slot, attempt }),
        Line::Update {
            at: at(3),
            pod: Box::new(manifest()),
        },
        Line::Snapshot(Box::new(of_running())),
        Line::Instance(instance_line()),
        Line::Conditions(conditions()),
    ]
}
