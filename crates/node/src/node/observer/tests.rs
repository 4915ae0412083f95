//! Which exit code a Pod's life amounts to.

use std::sync::Arc;

use outrigger_lifecycle::{ContainerStatus, Exit, ExitReason, Phase, State, Status, Time};
use outrigger_pod::manifest::{SourceFile, read};

use super::Finished;

const MANIFEST: &str = "
apiVersion: v1
kind: Pod
metadata: {name: p, uid: u}
spec:
  initContainers:
  - {name: i, image: 'host:/', restartPolicy: Always}
  containers:
  - {name: a, image: 'host:/'}
  - {name: b, image: 'host:/'}
";

/// Exits by slot: milliseconds and code.
fn finished(phase: Phase, exits: [(u64, i32); 3]) -> Finished {
    let file = SourceFile {
        name: "pod.yaml".into(),
        text: MANIFEST.into(),
    };
    let pod = read(&[file], &mut || "u".to_owned())
        .unwrap()
        .pods
        .remove(0);
    let containers = exits.into_iter().map(|(ms, code)| {
        let exit = Exit {
            at: Time::from_ms(ms),
            code,
            reason: ExitReason::Error,
            message: String::new(),
        };
        let state = State::Terminated {
            started: None,
            exit,
        };
        ContainerStatus {
            state,
            last: None,
            ready: false,
            started: false,
            restart_count: 0,
            has_still: None,
        }
    });
    let containers = containers.collect();
    let status = Status {
        phase,
        reason: "",
        message: String::new(),
        conditions: Vec::new(),
        containers,
    };
    Finished {
        object: pod.manifest.clone(),
        pod: Arc::new(pod),
        status,
    }
}

#[test]
fn a_pod_that_succeeded_is_zero_whatever_else_it_had() {
    assert_eq!(
        finished(Phase::Succeeded, [(9, 137), (1, 0), (2, 0)]).exit_code(),
        0
    );
}

#[test]
fn the_main_that_failed_first_gives_the_code_and_only_mains_do() {
    assert_eq!(
        finished(Phase::Failed, [(0, 9), (5, 4), (3, 7)]).exit_code(),
        7
    );
    assert_eq!(
        finished(Phase::Failed, [(0, 9), (3, 4), (3, 7)]).exit_code(),
        4
    );
    assert_eq!(
        finished(Phase::Failed, [(0, 9), (3, 0), (3, 7)]).exit_code(),
        7
    );
    assert_eq!(
        finished(Phase::Failed, [(0, 9), (3, 0), (3, 0)]).exit_code(),
        1
    );
}
