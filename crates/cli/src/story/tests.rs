//! The words of the story.

use outrigger_node::{
    Because, Exit, ExitReason, Fact, Outcome, Seen, Step, StopCause, Telling, Time,
};
use outrigger_pod::manifest::{SourceFile, read};
use outrigger_pod::{Pod, ProbeKind, Signal, Slot};

use super::sentences::Memory;
use super::words::one_line;

const MANIFEST: &str = "
apiVersion: v1
kind: Pod
metadata: {name: p, uid: u}
spec:
  containers:
  - name: main
    image: host:/
    livenessProbe: {exec: {command: [x]}, failureThreshold: 3}
";

/// Tells facts one by one, a second apart, and gives the lines.
fn lines(facts: &[Fact]) -> Vec<String> {
    let file = SourceFile {
        name: "pod.yaml".into(),
        text: MANIFEST.into(),
    };
    let pod: Pod = read(&[file], &mut || "u".to_owned())
        .unwrap()
        .pods
        .remove(0);
    let mut seen = Seen::new(&pod, Time::from_ms(0));
    let mut memory = Memory::default();
    let mut lines = Vec::new();
    for (second, fact) in (1..).zip(facts) {
        let at = Time::from_ms(second * 1000);
        seen.observe(&pod, at, fact);
        let stop_signal = Some(Signal::TERM);
        let telling = Telling {
            pod: &pod,
            at,
            fact,
            seen: &seen,
            stop_signal,
        };
        lines.extend(memory.tell(&telling).map(|told| told.text));
    }
    lines
}

const SLOT: Slot = Slot(0);

fn begun(because: Because, attempt: u32) -> [Fact; 2] {
    let step = Step::Start {
        slot: SLOT,
        attempt,
    };
    [
        Fact::Began(step, because),
        Fact::Started {
            slot: SLOT,
            attempt,
        },
    ]
}

fn exited(second: u64, code: i32, reason: ExitReason) -> Fact {
    let exit = Exit {
        at: Time::from_ms(second * 1000),
        code,
        reason,
        message: "last\nwords".into(),
    };
    Fact::Exited {
        slot: SLOT,
        attempt: 0,
        exit,
    }
}

#[test]
fn a_start_says_why_and_an_exit_says_how_and_after_how_long() {
    let mut facts = begun(Because::SandboxReady, 0).to_vec();
    facts.push(exited(4, 3, ExitReason::Error));
    facts.extend(begun(
        Because::Restart {
            code: 3,
            waited_ms: 10_000,
        },
        1,
    ));
    assert_eq!(
        lines(&facts),
        [
            "started (sandbox is ready)",
            "exited with 3 after 2 s: last words",
            "started again, restart 1 (it exited with 3 and 10 s of back-off are over)",
        ]
    );
}

#[test]
fn signals_and_the_want_of_memory_are_named() {
    let ends = |code, reason| {
        let mut facts = begun(Because::SandboxReady, 0).to_vec();
        facts.push(exited(4, code, reason));
        lines(&facts).remove(1)
    };
    assert_eq!(
        ends(143, ExitReason::Error),
        "ended by SIGTERM, exit code 143 after 2 s: last words"
    );
    assert!(ends(137, ExitReason::OomKilled).starts_with("ran out of memory and was killed"));
}

#[test]
fn the_first_failure_of_a_probe_and_the_one_that_counts_are_told() {
    let mut facts = begun(Because::SandboxReady, 0).to_vec();
    for _ in 0..3 {
        let (kind, outcome) = (ProbeKind::Liveness, Outcome::Failure("no answer".into()));
        let step = Step::Probe {
            slot: SLOT,
            attempt: 0,
            kind,
        };
        facts.push(Fact::Began(step, Because::ProbeDue(kind)));
        facts.push(Fact::Probed {
            slot: SLOT,
            attempt: 0,
            kind,
            outcome,
        });
    }
    let cause = StopCause::Probe(ProbeKind::Liveness);
    let step = Step::Stop {
        slot: SLOT,
        attempt: 0,
        cause,
        grace_ms: 1000,
    };
    facts.push(Fact::Began(step, Because::Stopping(cause)));
    assert_eq!(
        lines(&facts)[1..],
        [
            "liveness probe failed (1 of 3): no answer",
            "liveness probe failed 3 times in a row: no answer",
            "is to stop: liveness probe failed",
        ]
    );
}

#[test]
fn a_signal_says_how_long_is_left_until_the_last_one() {
    let step = Step::Signal {
        slot: SLOT,
        attempt: 0,
        left_ms: 29_500,
    };
    assert_eq!(
        lines(&[Fact::Began(step, Because::TurnToStop)]),
        ["SIGTERM sent, 29.5 s until SIGKILL (nothing else has to stop first)"]
    );
}

#[test]
fn a_strangers_text_is_one_line_without_control_characters() {
    assert_eq!(one_line("a\nb\x1b[31m c\r\n"), "a b [31m c");
    assert_eq!(one_line(&"x".repeat(1000)).chars().count(), 301);
}
