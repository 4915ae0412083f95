use outrigger_lifecycle::ContainerStatus;
use outrigger_lifecycle::{Condition, Phase};
use outrigger_pod::manifest::{self, SourceFile};

use super::*;

/// Slot 0 starts before the mains and stays, slot 1 is a main.
fn pod() -> Pod {
    let text = "apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, uid: u-1}
spec:
  initContainers:
  - {name: proxy, image: 'proxy:1', restartPolicy: Always}
  containers:
  - {name: main, image: 'app:2'}
";
    let file = SourceFile {
        name: "pod.yaml".to_owned(),
        text: text.to_owned(),
    };
    let mut read = manifest::read(&[file], &mut String::new).unwrap();
    read.pods.remove(0)
}

fn told(fact: &Fact) -> Vec<(String, &'static str, String, String)> {
    of_fact(&pod(), fact).into_iter().map(plain).collect()
}

fn plain(incident: Incident) -> (String, &'static str, String, String) {
    let kind = if incident.warning {
        "Warning"
    } else {
        "Normal"
    };
    (incident.reason, kind, incident.message, incident.field_path)
}

#[track_caller]
fn assert_told(fact: &Fact, expected: &[(&str, &str, &str, &str)]) {
    let told = told(fact);
    let told: Vec<_> = told
        .iter()
        .map(|(reason, kind, message, path)| {
            (reason.as_str(), *kind, message.as_str(), path.as_str())
        })
        .collect();
    assert_eq!(told, expected);
}

const MAIN: Slot = Slot(1);
const PATH: &str = "spec.containers{main}";

fn stop(slot: Slot, cause: StopCause) -> Fact {
    let step = Step::Stop {
        slot,
        attempt: 0,
        cause,
        grace_ms: 30_000,
    };
    Fact::Began(step, Because::Stopping(cause))
}

#[test]
fn a_start_is_told_as_pulled_created_and_started() {
    // That it is to be started does not say yet that its image is there.
    let step = Step::Start {
        slot: MAIN,
        attempt: 0,
    };
    assert_told(&Fact::Began(step, Because::SandboxReady), &[]);
    assert_told(
        &Fact::Started {
            slot: Slot(0),
            attempt: 0,
        },
        &[
            (
                "Pulled",
                "Normal",
                "Container image \"proxy:1\" already present on machine",
                "spec.initContainers{proxy}",
            ),
            (
                "Created",
                "Normal",
                "Created container: proxy",
                "spec.initContainers{proxy}",
            ),
            (
                "Started",
                "Normal",
                "Started container proxy",
                "spec.initContainers{proxy}",
            ),
        ],
    );
}

#[test]
fn each_cause_of_a_stop_has_the_kubelets_sentence() {
    for (slot, cause, sentence) in [
        (MAIN, StopCause::Teardown, "Stopping container main"),
        (
            MAIN,
            StopCause::Probe(ProbeKind::Liveness),
            "Container main failed liveness probe, will be restarted",
        ),
        (
            Slot(0),
            StopCause::Probe(ProbeKind::Startup),
            "Init container proxy failed startup probe",
        ),
        (
            MAIN,
            StopCause::DefinitionChanged,
            "Container main definition changed, will be restarted",
        ),
        (
            MAIN,
            StopCause::Resize,
            "Container main resize requires restart",
        ),
        (MAIN, StopCause::PostStartFailed, "FailedPostStartHook"),
    ] {
        let told = told(&stop(slot, cause));
        assert_eq!(
            (told[0].0.as_str(), told[0].2.as_str()),
            ("Killing", sentence)
        );
    }
}

#[test]
fn a_probe_is_told_when_it_does_not_pass() {
    let probed = |outcome| Fact::Probed {
        slot: MAIN,
        attempt: 0,
        kind: ProbeKind::Readiness,
        outcome,
    };
    assert_told(&probed(Outcome::Success), &[]);
    for (outcome, reason, sentence) in [
        (
            Outcome::Failure("no\n".into()),
            "Unhealthy",
            "Readiness probe failed: no",
        ),
        (
            Outcome::Error("lost".into()),
            "Unhealthy",
            "Readiness probe errored: lost",
        ),
        (
            Outcome::Warning("elsewhere".into()),
            "ProbeWarning",
            "Readiness probe warning: elsewhere",
        ),
    ] {
        assert_told(&probed(outcome), &[(reason, "Warning", sentence, PATH)]);
    }
}

#[test]
fn failures_are_told_with_their_reasons() {
    let failure = |created: bool, reason: &str, message: &str| Fact::StartFailed {
        slot: MAIN,
        attempt: 0,
        failure: StartFailure {
            reason: reason.to_owned(),
            message: message.to_owned(),
            created,
        },
    };
    let failed = |text| ("Failed", "Warning", text, PATH);
    let present = "Container image \"app:2\" already present on machine";
    let pulled = ("Pulled", "Normal", present, PATH);
    assert_told(
        &failure(
            false,
            "CreateContainerConfigError",
            "configmap \"x\" not found",
        ),
        &[pulled, failed("Error: configmap \"x\" not found")],
    );
    assert_told(
        &failure(true, "RunContainerError", "no such file"),
        &[
            pulled,
            ("Created", "Normal", "Created container: main", PATH),
            failed("Error: no such file"),
        ],
    );
    // An image that is not there is not told of as if it were.
    let absent = "Container image \"app:2\" is not present with pull policy of Never";
    assert_told(
        &failure(false, "ErrImageNeverPull", absent),
        &[
            ("ErrImageNeverPull", "Warning", absent, PATH),
            failed("Error: ErrImageNeverPull"),
        ],
    );
    assert_told(
        &failure(false, "ErrImagePull", "it is not on this machine"),
        &[
            failed("Failed to pull image \"app:2\": it is not on this machine"),
            failed("Error: ErrImagePull"),
        ],
    );
}

#[test]
fn failures_of_hooks_and_sandboxes_are_told_with_their_reasons() {
    let hook = |hook| Fact::HookEnded {
        slot: MAIN,
        attempt: 0,
        hook,
        result: Err("its command exited with 1".to_owned()),
    };
    assert_told(
        &hook(HookKind::PostStart),
        &[(
            "FailedPostStartHook",
            "Warning",
            "PostStartHook failed: its command exited with 1",
            PATH,
        )],
    );
    assert_told(
        &hook(HookKind::PreStop),
        &[(
            "FailedPreStopHook",
            "Warning",
            "PreStopHook failed: its command exited with 1",
            PATH,
        )],
    );
    let sandbox = |reason: &str| Fact::SandboxFailed {
        reason: reason.to_owned(),
        message: "no".to_owned(),
    };
    assert_told(
        &sandbox("FailedMount"),
        &[("FailedMount", "Warning", "no", "")],
    );
    assert_told(
        &sandbox("FailedCreatePodSandBox"),
        &[(
            "FailedCreatePodSandBox",
            "Warning",
            "Failed to create pod sandbox: no",
            "",
        )],
    );
    let lost = "Pod sandbox changed, it will be killed and re-created.";
    assert_told(
        &Fact::SandboxLost,
        &[("SandboxChanged", "Normal", lost, "")],
    );
}

#[test]
fn a_resize_is_told_from_its_begin_to_its_end() {
    let step = Step::Resize {
        slot: MAIN,
        attempt: 0,
    };
    let resized = |result| Fact::Resized {
        slot: MAIN,
        attempt: 0,
        result,
    };
    assert_eq!(
        told(&Fact::Began(step, Because::ResizeAsked))[0].0,
        "ResizeStarted"
    );
    assert_eq!(told(&resized(Ok(())))[0].0, "ResizeCompleted");
    assert_eq!(told(&resized(Err("no".to_owned())))[0].0, "ResizeError");
}

#[test]
fn a_deadline_that_passed_is_told() {
    let step = Step::BeginTeardown {
        ending: Ending::DeadlineExceeded,
        grace_ms: 1,
    };
    let told = told(&Fact::Began(
        step,
        Because::Ending(Ending::DeadlineExceeded),
    ));
    assert_eq!(told[0].0, "DeadlineExceeded");
}

fn status(reason: &str) -> Status {
    let waiting = |reason: &str| ContainerStatus {
        state: State::Waiting {
            reason: reason.to_owned(),
            message: String::new(),
        },
        last: None,
        ready: false,
        started: false,
        restart_count: 1,
        has_still: None,
    };
    Status {
        phase: Phase::Running,
        reason: "",
        message: String::new(),
        conditions: Vec::<Condition>::new(),
        containers: vec![waiting("PodInitializing"), waiting(reason)],
    }
}

#[test]
fn back_off_is_told_once_when_the_waiting_begins() {
    let (pod, waits) = (pod(), status("CrashLoopBackOff"));
    let told: Vec<_> = of_status(&pod, Some(&status("")), &waits);
    assert_eq!(told.len(), 1);
    assert_eq!(
        told[0].message,
        "Back-off restarting failed container main in pod web_shop(u-1)"
    );
    assert_eq!(of_status(&pod, Some(&waits), &waits), []);
}

#[test]
fn a_sentence_is_cut_at_a_letter() {
    let long = "ä".repeat(2000);
    let incident = Incident::warning("Unhealthy", long);
    assert!(incident.message.len() <= MESSAGE_BYTES && incident.message.ends_with("ä..."));
}

#[test]
fn a_shim_that_does_not_answer_is_told_and_that_it_answers_again() {
    let silent = told(&Fact::ShimSilent);
    assert_eq!(
        (silent[0].0.as_str(), silent[0].1),
        ("ShimUnresponsive", "Warning")
    );
    let answers = told(&Fact::ShimAnswered);
    assert_eq!(
        (answers[0].0.as_str(), answers[0].1),
        ("ShimResponsive", "Normal")
    );
    let killed = told(&Fact::Began(Step::KillShim, Because::ShimSilent));
    assert_eq!((killed[0].0.as_str(), killed[0].1), ("Killing", "Warning"));
}
