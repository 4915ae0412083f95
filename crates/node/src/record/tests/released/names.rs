//! Of which variants must there be a line? Of all: a new one does not compile until it stands here, and then it stands
//! among those that an earlier revision did not know.

use std::collections::BTreeSet;

use outrigger_lifecycle::{
    Because, Ending, ExitReason, Fact, HookKind, Life, Outcome, PostStart, PreStop, Sandbox, Seen,
    Step, StopCause,
};
use outrigger_pod::ProbeKind;

use crate::record::Line;

/// The names of a type's variants that b1e0b9e knew, and the name of a value's.
macro_rules! variants {
    ($($list:ident, $name:ident, $type:ident: [$($known:ident),+], newer [$($newer:ident),*];)+) => {
        $(
            const $list: &[&str] = &[$(concat!(stringify!($type), "::", stringify!($known))),+];

            fn $name(value: &$type) -> &'static str {
                match value {
                    $($type::$known { .. } => concat!(stringify!($type), "::", stringify!($known)),)+
                    $($type::$newer { .. } => concat!(stringify!($type), "::", stringify!($newer)),)*
                }
            }
        )+

        /// All that b1e0b9e could write.
        pub(super) fn of_b1e0b9e() -> impl Iterator<Item = &'static str> {
            [$($list),+].into_iter().flatten().copied()
        }
    };
}

variants! {
    LINES, line, Line: [Head, Fact, Instance, Update, Conditions, Snapshot], newer [];
    FACTS, fact, Fact: [
        Began, SandboxReady, SandboxFailed, SandboxLost, SandboxReleased, Started, StartFailed, Exited, HookEnded, Probed,
        Resized, Updated, SourcesChanged, NodeRestarted, DeleteRequested
    ], newer [ShimSilent, ShimAnswered];
    STEPS, step, Step: [
        PrepareSandbox, Start, RunHook, Probe, Stop, Resize, Signal, Kill, BeginTeardown, BeginReset, FinishReset,
        ReleaseSandbox
    ], newer [KillShim];
    REASONS, because, Because: [
        PodAccepted, SandboxMissing, SandboxReady, Passed, MainStarted, Restart, RetryStart, HookDeclared, ProbeDue, Stopping,
        TurnToStop, Gone, GraceOver, Ending, ExitRule, NothingRuns, Added, ResizeAsked
    ], newer [ShimSilent];
    CAUSES, cause, StopCause: [Probe, PostStartFailed, DefinitionChanged, Resize, Teardown, Reset], newer [];
    ENDINGS, ending, Ending: [Deleted, MainsDone, InitFailed, DeadlineExceeded, SandboxLost], newer [];
    HOOKS, hook, HookKind: [PostStart, PreStop], newer [];
    PROBES, probe, ProbeKind: [Startup, Liveness, Readiness], newer [];
    OUTCOMES, outcome, Outcome: [Success, Warning, Failure, Error], newer [];
    EXITS, exit, ExitReason: [Completed, Error, OomKilled, StartError, ContainerStatusUnknown, RestartingAllContainers], newer [];
    SANDBOXES, sandbox, Sandbox: [Absent, Preparing, Ready, Releasing, Released], newer [];
    LIVES, life, Life: [Starting, Running, Exited], newer [];
    POST_STARTS, post_start, PostStart: [Waiting, Running, Done, Failed], newer [];
    PRE_STOPS, pre_stop, PreStop: [Waiting, Running, Ended], newer [];
}

/// Adds the variants that stand in a line.
pub(super) fn of(one: &Line, said: &mut BTreeSet<&'static str>) {
    said.insert(line(one));
    match one {
        Line::Fact { fact, .. } => of_fact(fact, said),
        Line::Snapshot(snapshot) => of_seen(&snapshot.seen, said),
        _ => {}
    }
}

fn of_fact(one: &Fact, said: &mut BTreeSet<&'static str>) {
    said.insert(fact(one));
    match one {
        Fact::Began(step, because) => {
            of_step(step, said);
            said.insert(self::because(because));
        }
        Fact::Exited { exit, .. } => {
            said.insert(self::exit(&exit.reason));
        }
        Fact::Probed { outcome, .. } => {
            said.insert(self::outcome(outcome));
        }
        _ => {}
    }
}

fn of_step(one: &Step, said: &mut BTreeSet<&'static str>) {
    said.insert(step(one));
    match one {
        Step::RunHook { hook, .. } => said.insert(self::hook(hook)),
        Step::Probe { kind, .. } => said.insert(probe(kind)),
        Step::Stop { cause, .. } => said.insert(self::cause(cause)),
        Step::BeginTeardown { ending, .. } => said.insert(self::ending(ending)),
        _ => false,
    };
}

fn of_seen(seen: &Seen, said: &mut BTreeSet<&'static str>) {
    said.insert(sandbox(&seen.sandbox));
    for instance in seen.containers.iter().filter_map(|it| it.current.as_ref()) {
        said.insert(life(&instance.life));
        if let Life::Running { post_start, .. } = &instance.life {
            said.insert(self::post_start(post_start));
        }
        if let Some(stop) = &instance.stop {
            said.insert(pre_stop(&stop.pre_stop));
        }
    }
}
