//! The oracle must be able to fail: each of its rules reports a life whose trace was corrupted so
//! as to break it, and reports nothing about the same life as it was.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use outrigger_lifecycle::{HookKind, Phase};
use outrigger_pod::{ProbeKind, Slot};
use outrigger_simulator::{Happened, Life, Oracle, Scenario, Settled};

#[path = "oracle/corrupt.rs"]
mod corrupt;

use Happened::{
    Exited, HookBegan, HookEnded, Killed, ProbeBegan, ProbeEnded, Released, Signalled, StartAsked,
    Started, StopBegan, TeardownBegan,
};
use corrupt::{give_time, insert_after, move_before, remove, repeat, time_of};

/// What is done to a life.
type Corrupt = fn(&mut Life);

/// A life, what is done to it, and what must be said about it.
struct Case {
    script: &'static str,
    corrupt: Corrupt,
    invariant: &'static str,
    what: &'static str,
}

const DELETED: &str = "
pod Never grace 10
init i : exit 0 1
init j : exit 0 1
sidecar s startup every 1 liveness every 1 preStop : serves up 0.5
main m postStart preStop : serves postStart 1
main n : serves
delete 8";
const DEAF: &str = "
pod Never grace 10
sidecar s : serves deaf
main m : exit 0 3";
const CRASHES: &str = "
pod Always
main m : exit 1 1
delete 20";
const FAILS: &str = "
pod Never
main m : exit 1 1
main n : exit 0 9";
const LOOKED_INTO: &str = "
pod Never
main m : exit 0 9
update 2 ephemeral e : exit 1 1";
const WELL: &str = "
pod Never
main m : exit 0 1";

const I: Slot = Slot(0);
const J: Slot = Slot(1);
const S: Slot = Slot(2);
const M: Slot = Slot(3);
const N: Slot = Slot(4);

macro_rules! cases {
    ($($script:ident $invariant:literal $what:literal: $corrupt:expr;)*) => {
        [$(Case { script: $script, corrupt: $corrupt, invariant: $invariant, what: $what }),*]
    };
}

fn starts() -> Vec<Case> {
    Vec::from(cases! {
        DELETED "INV-01" "asked for before": |life|
            move_before(life, |h| *h == StartAsked(J, 0), |h| matches!(h, Exited(I, ..)));
        DELETED "INV-02" "two init containers at once": |life|
            move_before(life, |h| *h == StartAsked(J, 0), |h| matches!(h, Exited(I, ..)));
        DELETED "INV-02" "asked for before": |life| {
            let up = |h: &Happened| *h == ProbeEnded(S, 0, ProbeKind::Startup, true);
            move_before(life, |h| *h == StartAsked(M, 0), up);
        };
        DELETED "INV-03" "again after exit 0": |life|
            insert_after(life, |h| matches!(h, Exited(I, ..)), StartAsked(I, 1));
        DELETED "INV-05" "asked for before": |life| {
            let hook = |h: &Happened| *h == HookEnded(M, 0, HookKind::PostStart, true);
            move_before(life, |h| *h == StartAsked(N, 0), hook);
        };
        FAILS "INV-07" "asked for again after exit 1": |life|
            insert_after(life, |h| matches!(h, Exited(Slot(0), ..)), StartAsked(Slot(0), 1));
        DELETED "INV-08" "after the Pod's end": |life|
            insert_after(life, |h| *h == Released, Started(N, 1));
        CRASHES "INV-10" "and not 10000 ms": |life| {
            let early = time_of(life, |h| matches!(h, Exited(Slot(0), 1, ..)));
            give_time(life, |h| *h == StartAsked(Slot(0), 2), early.plus_ms(9_999));
        };
        DELETED "INV-11" "second instance": |life| repeat(life, |h| *h == StartAsked(N, 0));
        DELETED "INV-11" "two instances": |life| repeat(life, |h| *h == Started(N, 0));
        LOOKED_INTO "INV-11" "asked for again": |life|
            insert_after(life, |h| matches!(h, Exited(Slot(1), ..)), StartAsked(Slot(1), 1));
        CRASHES "INV-12" "attempt 0": |life| {
            let asked = life.trace.iter_mut().find(|(_, h)| *h == StartAsked(Slot(0), 1));
            asked.expect("a restart").1 = StartAsked(Slot(0), 0);
        };
        DELETED "INV-20" "in a teardown": |life|
            insert_after(life, |h| matches!(h, Exited(N, ..)), StartAsked(N, 1));
    })
}

fn ends() -> Vec<Case> {
    Vec::from(cases! {
        DELETED "INV-20" "began twice": |life| repeat(life, |h| matches!(h, TeardownBegan(..)));
        DELETED "INV-22" "signalled twice": |life| repeat(life, |h| *h == Signalled(M, 0));
        DELETED "INV-22" "without a stop": |life| remove(life, |h| matches!(h, StopBegan(N, ..)));
        WELL_PRESTOP "INV-22" "before its preStop was over": |life| {
            let hook = |h: &Happened| *h == HookEnded(Slot(0), 0, HookKind::PreStop, true);
            move_before(life, |h| *h == Signalled(Slot(0), 0), hook);
        };
        DELETED "INV-23" "lives": |life|
            move_before(life, |h| *h == Signalled(S, 0), |h| matches!(h, Exited(M, ..)));
        DEAF "INV-24" "less than 2 s": |life| remove(life, |h| *h == Signalled(Slot(0), 0));
        DEAF "INV-24" "within its grace period": |life| {
            let signal = time_of(life, |h| *h == Signalled(Slot(0), 0));
            give_time(life, |h| *h == Killed(Slot(0), 0), signal.plus_ms(9_999));
        };
        DELETED "INV-25" "lived": |life| {
            let exit = time_of(life, |h| matches!(h, Exited(S, ..)));
            give_time(life, |h| matches!(h, Exited(S, ..)), exit.plus_ms(12_000));
        };
        DELETED "INV-31" "while a process lives": |life|
            move_before(life, |h| *h == Released, |h| matches!(h, Exited(S, ..)));
        WELL "INV-40" "Running after Succeeded": |life| {
            let mut again = life.statuses.last().cloned().expect("a status");
            again.2.phase = Phase::Running;
            life.statuses.push(again);
        };
        WELL "INV-63" "settled": |life| life.settled = Settled::Stuck;
        FAILS "INV-41" "Succeeded though": |life| life.status.phase = Phase::Succeeded;
        WELL "INV-41" "Failed though": |life| life.status.phase = Phase::Failed;
    })
}

const WELL_PRESTOP: &str = "
pod Never
sidecar s preStop : serves preStop 2
main m : exit 0 1";

fn hooks_and_probes() -> Vec<Case> {
    Vec::from(cases! {
        DELETED "INV-50" "old instance": |life| {
            let hit = |h: &Happened| *h == ProbeBegan(S, 0, ProbeKind::Liveness);
            insert_after(life, hit, ProbeBegan(S, 7, ProbeKind::Liveness));
        };
        DELETED "INV-50" "out of its time": |life| {
            let up = |h: &Happened| *h == ProbeEnded(S, 0, ProbeKind::Startup, true);
            move_before(life, |h| *h == ProbeBegan(S, 0, ProbeKind::Liveness), up);
        };
        DELETED "INV-52" "of a stopping": |life|
            insert_after(life, |h| *h == Signalled(M, 0), ProbeBegan(S, 0, ProbeKind::Liveness));
        DELETED "INV-53" "before its period": |life|
            repeat(life, |h| *h == ProbeBegan(S, 0, ProbeKind::Liveness));
        DELETED "INV-56" "ran again": |life| {
            let ended = |h: &Happened| *h == HookEnded(M, 0, HookKind::PostStart, true);
            insert_after(life, ended, HookBegan(M, 0, HookKind::PostStart));
        };
        DELETED "INV-56" "out of place": |life|
            repeat(life, |h| *h == HookBegan(M, 0, HookKind::PreStop));
    })
}

fn cases() -> Vec<Case> {
    [starts(), ends(), hooks_and_probes()]
        .into_iter()
        .flatten()
        .collect()
}

#[test]
fn each_corruption_is_reported_as_what_it_breaks() {
    let mut unheard = Vec::new();
    for case in cases() {
        let scenario = Scenario::read(case.script).expect("a script");
        let mut life = scenario.live();
        let before = Oracle::judge(&scenario.pod, &scenario.faults, &life);
        assert_eq!(before, [], "of the life as it was: {}", case.script);
        (case.corrupt)(&mut life);
        let after = Oracle::judge(&scenario.pod, &scenario.faults, &life);
        let heard = after
            .iter()
            .any(|v| v.invariant == case.invariant && v.what.contains(case.what));
        if !heard {
            unheard.push(format!("{} {:?}: {after:?}", case.invariant, case.what));
        }
    }
    assert!(unheard.is_empty(), "not reported:\n{}", unheard.join("\n"));
}

/// A rule that nobody has seen fail may be one that cannot.
#[test]
fn every_rule_of_the_oracle_has_a_corruption() {
    let sources = [
        include_str!("../src/oracle.rs"),
        include_str!("../src/oracle/order.rs"),
    ];
    let rules: usize = sources
        .iter()
        .map(|text| text.matches("self.deny(").count())
        .sum();
    // One rule speaks for inits, for containers of the other kind and for mains.
    assert_eq!(cases().len(), rules + 2, "rules and corruptions");
}
