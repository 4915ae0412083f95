use outrigger_pod::{Container, HookAction, Kind, Pod, RestartPolicy, Slot};

use crate::fixture::{container, exited, pod, probe, seen, started};
use crate::{Because, Ending, Fact, Phase, Seen, StartFailure, State, Status, Step, Time};

use RestartPolicy::{Always, Never};

fn init_side_main() -> Vec<Container> {
    vec![
        container(Kind::Init, "init"),
        container(Kind::Sidecar, "side"),
        container(Kind::Main, "main"),
    ]
}

fn status(pod: &Pod, seen: &Seen) -> Status {
    Status::of(pod, seen, Time::from_ms(1_000))
}

fn after(pod: &Pod, facts: &[Fact]) -> Status {
    status(pod, &seen(pod, facts))
}

/// The facts of the three containers coming up one after the other.
fn all_up() -> Vec<Fact> {
    let mut facts = vec![Fact::SandboxReady];
    facts.extend(started(0, 0));
    facts.push(exited(0, 0, 0));
    facts.extend(started(1, 0));
    facts.extend(started(2, 0));
    facts
}

fn condition(status: &Status, kind: &str) -> (bool, &'static str, String) {
    let found = status.conditions.iter().find(|found| found.kind == kind);
    let found = found.expect("the condition is there");
    (found.holds, found.reason, found.message.clone())
}

fn waiting(state: &State) -> &str {
    match state {
        State::Waiting { reason, .. } => reason,
        other => panic!("{other:?} is not waiting"),
    }
}

#[test]
fn a_pod_with_inits_waits_for_them_in_every_container() {
    let pod = pod(Always, init_side_main());
    let status = after(&pod, &[]);
    assert_eq!(status.phase, Phase::Pending);
    for container in &status.containers {
        assert_eq!(waiting(&container.state), "PodInitializing");
    }
    assert_eq!(
        condition(&status, "Initialized"),
        (
            false,
            "ContainersNotInitialized",
            "containers with incomplete status: [init side]".to_owned()
        )
    );
    assert_eq!(
        condition(&status, "ContainersReady"),
        (
            false,
            "ContainersNotReady",
            "containers with unready status: [side main]".to_owned()
        )
    );
}

#[test]
fn a_pod_without_inits_is_initialized_from_the_first() {
    let pod = pod(Always, vec![container(Kind::Main, "main")]);
    let status = after(&pod, &[]);
    assert_eq!(waiting(&status.containers[0].state), "ContainerCreating");
    assert!(condition(&status, "Initialized").0);
    assert!(!condition(&status, "PodReadyToStartContainers").0);
    assert!(
        condition(
            &after(&pod, &[Fact::SandboxReady]),
            "PodReadyToStartContainers"
        )
        .0
    );
}

#[test]
fn the_phase_follows_the_start_order() {
    let pod = pod(Always, init_side_main());
    let facts = all_up();
    for count in 0..facts.len() {
        let phase = after(&pod, &facts[..count]).phase;
        assert_eq!(phase, Phase::Pending, "after {count} facts");
    }
    let status = after(&pod, &facts);
    assert_eq!(status.phase, Phase::Running);
    assert!(condition(&status, "Ready").0);
}

#[test]
fn an_init_that_runs_is_started_and_one_that_is_done_is_ready() {
    let pod = pod(Always, init_side_main());
    let mut facts = vec![Fact::SandboxReady];
    facts.extend(started(0, 0));
    let running = &after(&pod, &facts).containers[0];
    assert_eq!((running.started, running.ready), (true, false));
    facts.push(exited(0, 0, 0));
    let done = &after(&pod, &facts).containers[0];
    assert_eq!((done.started, done.ready), (false, true));
}

#[test]
fn a_crashed_main_leaves_the_pod_running_and_initialized_but_not_ready() {
    let pod = pod(Always, init_side_main());
    let mut facts = all_up();
    facts.push(exited(2, 0, 1));
    facts.extend(started(2, 1));
    facts.push(exited(2, 1, 1));
    let status = after(&pod, &facts);
    assert_eq!(status.phase, Phase::Running);
    assert!(condition(&status, "Initialized").0);
    assert_eq!(
        condition(&status, "Ready").2,
        "containers with unready status: [main]"
    );
    let main = &status.containers[2];
    assert_eq!(waiting(&main.state), "CrashLoopBackOff");
    assert_eq!(main.restart_count, 1);
    assert_eq!(main.last.as_ref().map(|(_, exit)| exit.code), Some(1));
}

#[test]
fn a_start_that_fails_for_want_of_its_image_is_no_restart() {
    let pod = pod(Always, init_side_main());
    let no_image = |attempt| Fact::StartFailed {
        slot: Slot(2),
        attempt,
        failure: StartFailure {
            reason: "ErrImagePull".to_owned(),
            message: String::new(),
            created: false,
        },
    };
    let mut facts = all_up();
    for attempt in [1, 2] {
        facts.push(exited(2, attempt - 1, 1));
        let [begin, up] = started(2, attempt);
        facts.extend([begin.clone(), no_image(attempt)]);
        let main = after(&pod, &facts).containers.remove(2);
        assert_eq!(waiting(&main.state), "ErrImagePull");
        assert_eq!(main.restart_count, attempt - 1);
        facts.extend([begin, up]);
        let main = after(&pod, &facts).containers.remove(2);
        assert_eq!(main.restart_count, attempt);
    }
}

#[test]
fn a_main_shows_as_waiting_until_its_hook_has_returned() {
    let mut main = container(Kind::Main, "main");
    main.lifecycle.post_start = Some(HookAction::Sleep { seconds: 1 });
    let pod = pod(Always, vec![main]);
    let mut facts = vec![Fact::SandboxReady];
    facts.extend(started(0, 0));
    let status = after(&pod, &facts);
    assert_eq!(waiting(&status.containers[0].state), "ContainerCreating");
    assert_eq!(status.phase, Phase::Pending);
}

#[test]
fn without_a_success_of_its_readiness_probe_a_main_is_not_ready() {
    let mut main = container(Kind::Main, "main");
    main.probes.readiness = Some(probe(1, 1));
    let pod = pod(Always, vec![main]);
    let mut facts = vec![Fact::SandboxReady];
    facts.extend(started(0, 0));
    let main = &after(&pod, &facts).containers[0];
    assert_eq!((main.started, main.ready), (true, false));
}

#[test]
fn without_a_success_of_its_startup_probe_a_container_is_not_started() {
    let mut main = container(Kind::Main, "main");
    main.probes.startup = Some(probe(1, 1));
    let pod = pod(Always, vec![main]);
    let mut facts = vec![Fact::SandboxReady];
    facts.extend(started(0, 0));
    let main = &after(&pod, &facts).containers[0];
    assert_eq!((main.started, main.ready), (false, false));
}

fn ended(ending: Ending, code: i32) -> Status {
    let pod = pod(Never, init_side_main());
    let mut facts = all_up();
    facts.push(exited(2, 0, code));
    let begin = Step::BeginTeardown {
        ending,
        grace_ms: 30_000,
    };
    facts.push(Fact::Began(begin, Because::Ending(ending)));
    facts.push(exited(1, 0, 9));
    assert_eq!(after(&pod, &facts).phase, Phase::Running, "not over yet");
    facts.push(Fact::SandboxReleased);
    after(&pod, &facts)
}

#[test]
fn only_the_mains_codes_decide_how_a_pod_ended() {
    let succeeded = ended(Ending::MainsDone, 0);
    assert_eq!(succeeded.phase, Phase::Succeeded);
    assert_eq!(condition(&succeeded, "Ready").1, "PodCompleted");
    assert_eq!(condition(&succeeded, "Initialized").1, "PodCompleted");
    let failed = ended(Ending::MainsDone, 1);
    assert_eq!(failed.phase, Phase::Failed);
    assert_eq!(condition(&failed, "Ready").1, "PodFailed");
}

#[test]
fn a_deleted_pod_whose_mains_exited_0_succeeded() {
    assert_eq!(ended(Ending::Deleted, 0).phase, Phase::Succeeded);
    assert_eq!(ended(Ending::Deleted, 143).phase, Phase::Failed);
}

#[test]
fn a_deadline_fails_a_pod_whatever_the_codes_say() {
    let status = ended(Ending::DeadlineExceeded, 0);
    assert_eq!(status.phase, Phase::Failed);
    assert_eq!(status.reason, "DeadlineExceeded");
}

#[test]
fn a_pod_deleted_before_anything_ran_failed() {
    let pod = pod(Never, init_side_main());
    let step = Step::BeginTeardown {
        ending: Ending::Deleted,
        grace_ms: 0,
    };
    let begin = Fact::Began(step, Because::Ending(Ending::Deleted));
    assert_eq!(
        after(&pod, &[begin, Fact::SandboxReleased]).phase,
        Phase::Failed
    );
}
