//! What do facts change that contradict what was seen before?

use outrigger_pod::{Kind, RestartPolicy, Slot};

use crate::fixture::{container, pod, seen, started};
use crate::{Fact, StartFailure};

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
