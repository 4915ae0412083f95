//! What do facts change that contradict what was seen before?

use outrigger_pod::{Kind, ProbeKind, RestartPolicy, Slot};

use crate::fixture::{container, pod, seen, started};
use crate::{Fact, HookKind, Outcome, StartFailure};

#[test]
fn a_start_that_was_answered_by_nobody_and_yet_succeeded_is_no_failure() {
    let pod = pod(RestartPolicy::Always, vec![container(Kind::Main, "m")]);
    let failure = StartFailure {
        reason: "CreateContainerError".to_owned(),
        message: "the pod's shim is gone".to_owned(),
        created: false,
    };
    let failed = Fact::StartFailed {
        slot: Slot(0),
        attempt: 0,
        failure,
    };
    let [begin, up] = started(0, 0);
    let facts = [Fact::SandboxReady, begin.clone(), up, failed.clone()];
    assert!(seen(&pod, &facts).history(Slot(0)).is_live());
    let facts = [Fact::SandboxReady, begin, failed];
    assert!(!seen(&pod, &facts).history(Slot(0)).is_live());
}

#[test]
fn no_fact_keeps_a_text_of_any_length() {
    let long = || "x".repeat(1 << 20);
    let failure = StartFailure {
        reason: "CreateContainerError".to_owned(),
        message: long(),
        created: false,
    };
    let (slot, attempt) = (Slot(0), 0);
    let facts = [
        Fact::SandboxFailed {
            reason: "FailedMount".to_owned(),
            message: long(),
        },
        Fact::StartFailed {
            slot,
            attempt,
            failure,
        },
        Fact::HookEnded {
            slot,
            attempt,
            hook: HookKind::PreStop,
            result: Err(long()),
        },
        Fact::Probed {
            slot,
            attempt,
            kind: ProbeKind::Readiness,
            outcome: Outcome::Failure(long()),
        },
        Fact::Resized {
            slot,
            attempt,
            result: Err(long()),
        },
    ];
    for mut fact in facts {
        fact.bound();
        assert!(format!("{fact:?}").len() < 20 << 10);
    }
}
