//! What do unit tests plan for? Pods and instances without a manifest.

use outrigger_pod::{
    Action, Container, ContainerName, Kind, Lifecycle, Pod, PodUid, Probe, Probes, RestartPolicy,
    Slot,
};

use crate::{
    Because, Exit, ExitReason, Fact, Instance, Life, ProbeSeen, Seen, Step, Stop, StopCause, Time,
};

pub(crate) fn pod(restart_policy: RestartPolicy, containers: Vec<Container>) -> Pod {
    Pod {
        name: "pod".to_owned(),
        namespace: "default".to_owned(),
        uid: PodUid("uid".to_owned()),
        restart_policy,
        grace_s: 30,
        active_deadline_s: None,
        containers,
        manifest: Default::default(),
    }
}

pub(crate) fn container(kind: Kind, name: &str) -> Container {
    Container {
        name: ContainerName(name.to_owned()),
        kind,
        restart_policy: None,
        restart_rules: Vec::new(),
        probes: Probes::default(),
        lifecycle: Lifecycle::default(),
        stop_signal: None,
        spec: Default::default(),
    }
}

pub(crate) fn probe(success_threshold: u32, failure_threshold: u32) -> Probe {
    Probe {
        action: Action::Exec {
            command: vec!["probe".to_owned()],
        },
        initial_delay_s: 0,
        period_s: 1,
        timeout_s: 1,
        success_threshold,
        failure_threshold,
        grace_s: None,
    }
}

pub(crate) fn exit(at_ms: u64, code: i32) -> Exit {
    let reason = match code {
        0 => ExitReason::Completed,
        _ => ExitReason::Error,
    };
    Exit {
        at: Time::from_ms(at_ms),
        code,
        reason,
        message: String::new(),
    }
}

/// An instance that ended, stopped for `cause` or by itself.
pub(crate) fn ended(attempt: u32, exit: Exit, cause: Option<StopCause>) -> Instance {
    let stop = cause.map(|cause| Stop::begin(exit.at, cause, exit.at));
    Instance {
        attempt,
        began: Time::default(),
        life: Life::Exited {
            started: None,
            exit,
        },
        probes: [
            ProbeSeen::default(),
            ProbeSeen::default(),
            ProbeSeen::default(),
        ],
        stop,
        resize: None,
    }
}

/// What is known after these facts, a millisecond between each and the next.
pub(crate) fn seen(pod: &Pod, facts: &[Fact]) -> Seen {
    let mut seen = Seen::new(pod, Time::default());
    for (ms, fact) in (1..).zip(facts) {
        seen.observe(pod, Time::from_ms(ms), fact);
    }
    seen
}

/// The facts of a container that was started as its `attempt`-th instance.
pub(crate) fn started(slot: usize, attempt: u32) -> [Fact; 2] {
    let slot = Slot(slot);
    [
        Fact::Began(Step::Start { slot, attempt }, Because::SandboxReady),
        Fact::Started { slot, attempt },
    ]
}

/// The fact of an end by itself.
pub(crate) fn exited(slot: usize, attempt: u32, code: i32) -> Fact {
    Fact::Exited {
        slot: Slot(slot),
        attempt,
        exit: exit(0, code),
    }
}
