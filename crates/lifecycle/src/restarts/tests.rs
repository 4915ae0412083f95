use outrigger_pod::{ExitRule, Kind, Operator, ProbeKind, RestartPolicy, RuleAction};

use super::{due, note_start, restarts_all, wanted};
use crate::fixture::{container, ended, exit, pod};
use crate::{ExitReason, History, StartFailure, StopCause, Time};

use Kind::{Init, Main, Sidecar};
use RestartPolicy::{Always, Never, OnFailure};

fn rule(action: RuleAction, operator: Operator, values: &[i32]) -> ExitRule {
    ExitRule {
        action,
        operator,
        values: values.to_vec(),
    }
}

#[test]
fn the_pods_policy_decides_as_in_the_table() {
    let table = [
        (Always, Main, 0, true),
        (Always, Main, 1, true),
        (Always, Init, 0, false),
        (Always, Init, 1, true),
        (Always, Sidecar, 0, true),
        (Always, Sidecar, 1, true),
        (OnFailure, Main, 0, false),
        (OnFailure, Main, 1, true),
        (OnFailure, Init, 0, false),
        (OnFailure, Init, 1, true),
        (OnFailure, Sidecar, 0, true),
        (OnFailure, Sidecar, 1, true),
        (Never, Main, 0, false),
        (Never, Main, 1, false),
        (Never, Init, 0, false),
        (Never, Init, 1, false),
        (Never, Sidecar, 0, true),
        (Never, Sidecar, 1, true),
    ];
    for (policy, kind, code, expected) in table {
        let pod = pod(policy, vec![container(kind, "c")]);
        let answer = wanted(&pod, &pod.containers[0], &exit(0, code), None);
        assert_eq!(answer, expected, "{kind:?} under {policy:?} exits {code}");
    }
}

#[test]
fn a_containers_own_policy_goes_before_the_pods() {
    for (of_pod, own, code, expected) in [
        (Never, Always, 0, true),
        (Never, OnFailure, 1, true),
        (Always, Never, 1, false),
        (Always, OnFailure, 0, false),
    ] {
        let mut main = container(Main, "c");
        main.restart_policy = Some(own);
        let pod = pod(of_pod, vec![main]);
        let answer = wanted(&pod, &pod.containers[0], &exit(0, code), None);
        assert_eq!(answer, expected, "{own:?} in a Pod {of_pod:?} exits {code}");
    }
}

#[test]
fn a_rule_that_matches_restarts_whatever_the_policy() {
    for (operator, values, code, expected) in [
        (Operator::In, &[3, 4][..], 4, true),
        (Operator::In, &[3, 4], 5, false),
        (Operator::In, &[], 5, false),
        (Operator::NotIn, &[3, 4], 5, true),
        (Operator::NotIn, &[3, 4], 3, false),
        (Operator::NotIn, &[], 3, true),
    ] {
        let mut main = container(Main, "c");
        main.restart_policy = Some(Never);
        main.restart_rules = vec![rule(RuleAction::Restart, operator, values)];
        let pod = pod(Always, vec![main]);
        let answer = wanted(&pod, &pod.containers[0], &exit(0, code), None);
        assert_eq!(answer, expected, "{operator:?} {values:?}, exit {code}");
    }
}

#[test]
fn the_first_rule_that_matches_decides_about_all_containers() {
    let mut main = container(Main, "c");
    main.restart_rules = vec![
        rule(RuleAction::Restart, Operator::In, &[1]),
        rule(RuleAction::RestartAllContainers, Operator::In, &[1, 2]),
    ];
    assert!(!restarts_all(&main, 1));
    assert!(restarts_all(&main, 2));
    assert!(!restarts_all(&main, 3));
}

#[test]
fn a_probes_kill_is_a_failure_under_on_failure_only() {
    for (policy, expected) in [(Always, true), (OnFailure, true), (Never, false)] {
        let pod = pod(policy, vec![container(Main, "c")]);
        let answer = wanted(
            &pod,
            &pod.containers[0],
            &exit(0, 0),
            Some(StopCause::Probe(ProbeKind::Liveness)),
        );
        assert_eq!(answer, expected, "{policy:?}");
    }
}

#[test]
fn an_init_that_was_short_of_memory_has_failed_though_it_exited_0() {
    let pod = pod(OnFailure, vec![container(Init, "i"), container(Main, "m")]);
    let mut oom = exit(0, 0);
    oom.reason = ExitReason::OomKilled;
    assert!(wanted(&pod, &pod.containers[0], &oom, None));
    assert!(!wanted(&pod, &pod.containers[1], &oom, None));
}

/// Starts the next instance when it is due, lets it run for a while and answers how long the
/// start waited after the exit before it, in milliseconds.
fn restart(history: &mut History, runs_ms: u64, cause: Option<StopCause>) -> u64 {
    let before = history.exit().map_or(Time::default(), |exit| exit.at);
    let start = due(history).max(before);
    note_start(history, start);
    history.retire();
    let attempt = history.next_attempt;
    history.next_attempt += 1;
    let end = exit(start.since_ms(Time::default()) + runs_ms, 1);
    history.current = Some(ended(attempt, end, cause));
    start.since_ms(before)
}

#[test]
fn the_waits_are_0_10_20_40_80_160_300_300_seconds() {
    let mut history = History::default();
    assert_eq!(restart(&mut history, 5, None), 0);
    for wait_s in [0, 10, 20, 40, 80, 160, 300, 300] {
        assert_eq!(restart(&mut history, 5, None), wait_s * 1_000);
    }
}

#[test]
fn only_a_run_of_more_than_ten_minutes_clears_the_back_off() {
    for (runs_ms, next_wait_ms) in [(600_000, 20_000), (600_001, 0)] {
        let mut history = History::default();
        for _ in 0..2 {
            restart(&mut history, 5, None);
        }
        restart(&mut history, runs_ms, None);
        assert_eq!(restart(&mut history, 5, None), next_wait_ms, "{runs_ms} ms");
    }
    let mut history = History::default();
    for _ in 0..2 {
        restart(&mut history, 5, None);
    }
    restart(&mut history, 600_001, None);
    restart(&mut history, 5, None);
    assert_eq!(restart(&mut history, 5, None), 10_000, "it begins anew");
}

#[test]
fn a_probes_kill_restarts_twice_at_once_before_back_off() {
    let kill = Some(StopCause::Probe(ProbeKind::Liveness));
    let mut history = History::default();
    restart(&mut history, 5_000, kill);
    for wait_s in [0, 0, 10, 20, 40] {
        assert_eq!(restart(&mut history, 5_000, kill), wait_s * 1_000);
    }
}

#[test]
fn a_probes_kill_is_reckoned_from_the_exit_before_it() {
    let kill = Some(StopCause::Probe(ProbeKind::Liveness));
    let mut history = History::default();
    restart(&mut history, 5_000, kill);
    restart(&mut history, 5_000, kill);
    restart(&mut history, 15_000, kill);
    assert_eq!(
        restart(&mut history, 5_000, kill),
        0,
        "it ran for longer than 10 s"
    );
    assert_eq!(restart(&mut history, 5_000, kill), 20_000, "but it counted");
}

#[test]
fn what_was_not_created_is_tried_again_after_ten_seconds() {
    let failure = StartFailure {
        reason: "CreateContainerConfigError".to_owned(),
        message: String::new(),
        created: false,
    };
    let mut history = History {
        failure: Some((Time::from_ms(7), failure)),
        ..History::default()
    };
    assert_eq!(due(&history), Time::from_ms(10_007));
    note_start(&mut history, Time::from_ms(10_007));
    assert_eq!(history.back_off, None, "no instance came of it");
}
