//! What do the lines mean that tell of something observed? A field that is new is written out here with what an earlier
//! revision's line says of it; a fact that is new stands last.

use outrigger_lifecycle::{
    Because, Ending, Exit, ExitReason, Fact, HookKind, Outcome, StartFailure, Step, StopCause,
};
use outrigger_pod::{ContainerName, ProbeKind, Slot};

use super::snapshots::at;

const MAIN: Slot = Slot(2);

fn name(text: &str) -> ContainerName {
    ContainerName(text.to_owned())
}

fn stop(cause: StopCause) -> Step {
    Step::Stop {
        slot: MAIN,
        attempt: 1,
        cause,
        grace_ms: 30_000,
    }
}

fn end(ending: Ending) -> (Step, Because) {
    let step = Step::BeginTeardown {
        ending,
        grace_ms: 30_000,
    };
    (step, Because::Ending(ending))
}

fn begun() -> Vec<(Step, Because)> {
    let (slot, attempt) = (MAIN, 1);
    let start = || Step::Start { slot, attempt };
    let hook = |hook| Step::RunHook {
        slot,
        attempt,
        hook,
    };
    let probe = |kind| Step::Probe {
        slot,
        attempt,
        kind,
    };
    let restart = Because::Restart {
        code: 3,
        waited_ms: 10_000,
    };
    let signal = Step::Signal {
        slot,
        attempt,
        left_ms: 29_500,
    };
    let reset = Step::BeginReset { source: MAIN };
    let mut begun = vec![
        (Step::PrepareSandbox, Because::PodAccepted),
        (Step::PrepareSandbox, Because::SandboxMissing),
        (start(), Because::SandboxReady),
        (start(), Because::Passed(name("init"))),
        (start(), Because::MainStarted(name("other"))),
        (start(), restart),
        (start(), Because::RetryStart),
        (start(), Because::Added),
        (hook(HookKind::PostStart), Because::HookDeclared),
        (hook(HookKind::PreStop), Because::HookDeclared),
        (Step::Resize { slot, attempt }, Because::ResizeAsked),
        (signal, Because::TurnToStop),
        (Step::Kill { slot, attempt }, Because::GraceOver),
        (reset, Because::ExitRule { code: 42 }),
        (Step::FinishReset, Because::NothingRuns),
        (Step::ReleaseSandbox, Because::Gone(name("web"))),
        end(Ending::Deleted),
        end(Ending::MainsDone),
        end(Ending::InitFailed(Slot(0))),
        end(Ending::DeadlineExceeded),
        end(Ending::SandboxLost),
    ];
    begun.extend(ProbeKind::ALL.map(|kind| (probe(kind), Because::ProbeDue(kind))));
    let causes = [
        StopCause::Probe(ProbeKind::Startup),
        StopCause::PostStartFailed,
        StopCause::DefinitionChanged,
        StopCause::Resize,
        StopCause::Teardown,
        StopCause::Reset,
    ];
    begun.extend(causes.map(|cause| (stop(cause), Because::Stopping(cause))));
    begun
}

/// Every kind of observation.
pub(super) fn all() -> Vec<Fact> {
    let (slot, attempt) = (MAIN, 1);
    let began = begun().into_iter();
    let mut facts: Vec<Fact> = began
        .map(|(step, because)| Fact::Began(step, because))
        .collect();
    facts.extend([
        Fact::SandboxReady,
        Fact::SandboxFailed {
            reason: "FailedMount".to_owned(),
            message: "configmap \"c\" not found".to_owned(),
        },
        Fact::SandboxLost,
        Fact::SandboxReleased,
        Fact::Started { slot, attempt },
        Fact::Updated,
        Fact::SourcesChanged,
        Fact::NodeRestarted,
        Fact::DeleteRequested { grace_s: None },
        Fact::DeleteRequested { grace_s: Some(0) },
    ]);
    facts.extend([true, false].map(|created| Fact::StartFailed {
        slot,
        attempt,
        failure: StartFailure {
            reason: "RunContainerError".to_owned(),
            message: "exec /nothing: No such file or directory".to_owned(),
            created,
        },
    }));
    facts.extend(ended());
    facts
}

/// Everything that comes to its end or returns.
fn ended() -> Vec<Fact> {
    let (slot, attempt) = (MAIN, 1);
    let mut facts = Vec::new();
    let reasons = [
        ExitReason::Completed,
        ExitReason::Error,
        ExitReason::OomKilled,
        ExitReason::StartError,
        ExitReason::ContainerStatusUnknown,
        ExitReason::RestartingAllContainers,
    ];
    facts.extend(reasons.map(|reason| Fact::Exited {
        slot,
        attempt,
        exit: Exit {
            at: at(9),
            code: i32::from(reason != ExitReason::Completed),
            reason,
            message: "bye\n\"ü\"".to_owned(),
        },
    }));
    let results = || [Ok(()), Err("command ended with 1".to_owned())];
    facts.extend(results().map(|result| Fact::HookEnded {
        slot,
        attempt,
        hook: HookKind::PostStart,
        result,
    }));
    facts.extend(results().map(|result| Fact::Resized {
        slot,
        attempt,
        result,
    }));
    let outcomes = [
        Outcome::Success,
        Outcome::Warning("redirected to http://elsewhere/".to_owned()),
        Outcome::Failure("HTTP probe failed with statuscode: 500".to_owned()),
        Outcome::Error("no such container".to_owned()),
    ];
    facts.extend(outcomes.map(|outcome| Fact::Probed {
        slot,
        attempt,
        kind: ProbeKind::Readiness,
        outcome,
    }));
    facts
}
