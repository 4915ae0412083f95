//! A Pod whose shim falls silent: what it shows, what waits, and what ends it.

use outrigger_pod::{Kind, Pod, Probes, RestartPolicy, Slot};

use crate::fixture::{container, pod, probe, started};
use crate::{Because, Fact, Plan, Seen, Step, Time, open_steps, plan};

/// A Pod of one container with a readiness probe, and what is known once it runs.
fn running() -> (Pod, Seen) {
    let mut main = container(Kind::Main, "m");
    main.probes = Probes {
        readiness: Some(probe(1, 1)),
        ..Probes::default()
    };
    let pod = pod(RestartPolicy::Always, vec![main]);
    let mut seen = Seen::new(&pod, Time::default());
    let [begun, up] = started(0, 0);
    for fact in [Fact::SandboxReady, begun, up] {
        seen.observe(&pod, Time::from_ms(1), &fact);
    }
    (pod, seen)
}

/// Plans until nothing is left to do, as a node does; gives the last plan and all steps.
fn settle(pod: &Pod, seen: &mut Seen, at_ms: u64) -> (Plan, Vec<Step>) {
    let now = Time::from_ms(at_ms);
    let mut steps = Vec::new();
    loop {
        let next = plan(pod, seen, now);
        if next.steps.is_empty() {
            return (next, steps);
        }
        for (step, because) in next.steps {
            seen.observe(pod, now, &Fact::Began(step.clone(), because));
            steps.push(step);
        }
    }
}

fn ready(plan: &Plan) -> (bool, bool, &str) {
    let find = |kind: &str| plan.status.conditions.iter().find(|one| one.kind == kind);
    let ready = find("Ready").unwrap();
    assert_eq!(find("ContainersReady").unwrap().unknown, ready.unknown);
    (ready.holds, ready.unknown, ready.reason)
}

#[test]
fn while_it_is_silent_nobody_knows_and_nothing_is_asked() {
    let (pod, mut seen) = running();
    seen.observe(&pod, Time::from_ms(20_000), &Fact::ShimSilent);
    let (shown, steps) = settle(&pod, &mut seen, 20_000);
    assert_eq!(steps, []);
    assert_eq!(ready(&shown), (false, true, "ShimUnresponsive"));
    assert_eq!(shown.wake, None, "nothing is waited for but its word");
    seen.observe(&pod, Time::from_ms(50_000), &Fact::ShimAnswered);
    let (shown, steps) = settle(&pod, &mut seen, 50_000);
    assert!(matches!(steps[..], [Step::Probe { .. }]), "{steps:?}");
    assert!(!ready(&shown).1);
}

#[test]
fn a_deletion_ends_it_ten_seconds_after_the_grace_period() {
    let (pod, mut seen) = running();
    seen.observe(&pod, Time::from_ms(20_000), &Fact::ShimSilent);
    let deletion = Fact::DeleteRequested { grace_s: Some(5) };
    seen.observe(&pod, Time::from_ms(30_000), &deletion);
    for at_ms in [30_000, 35_000, 44_999] {
        let (waits, steps) = settle(&pod, &mut seen, at_ms);
        assert!(!steps.contains(&Step::KillShim), "{at_ms}");
        assert!(waits.wake.is_some_and(|wake| wake <= Time::from_ms(45_000)));
    }
    let now = Time::from_ms(45_000);
    let next = plan(&pod, &seen, now);
    assert_eq!(next.steps, [(Step::KillShim, Because::ShimSilent)]);
    assert_eq!(settle(&pod, &mut seen, 45_000).1, [Step::KillShim]);
    assert_eq!(settle(&pod, &mut seen, 90_000).1, [], "once");
    seen.observe(&pod, Time::from_ms(90_001), &Fact::SandboxLost);
    assert_eq!(settle(&pod, &mut seen, 90_002).1, [Step::ReleaseSandbox]);
    // A node that is restarted in between does not know whether it was killed.
}

#[test]
fn without_grace_it_ends_at_once_and_also_if_it_falls_silent_later() {
    let forced = Fact::DeleteRequested { grace_s: Some(0) };
    let (pod, mut seen) = running();
    seen.observe(&pod, Time::from_ms(20_000), &Fact::ShimSilent);
    seen.observe(&pod, Time::from_ms(20_001), &forced);
    assert!(settle(&pod, &mut seen, 20_001).1.contains(&Step::KillShim));
    let (pod, mut seen) = running();
    seen.observe(&pod, Time::from_ms(20_000), &forced);
    assert!(!settle(&pod, &mut seen, 29_000).1.contains(&Step::KillShim));
    seen.observe(&pod, Time::from_ms(30_000), &Fact::ShimSilent);
    assert!(settle(&pod, &mut seen, 30_000).1.contains(&Step::KillShim));
}

#[test]
fn a_node_that_is_restarted_asks_for_its_end_again() {
    let (pod, mut seen) = running();
    seen.observe(&pod, Time::from_ms(20_000), &Fact::ShimSilent);
    let forced = Fact::DeleteRequested { grace_s: Some(0) };
    seen.observe(&pod, Time::from_ms(20_001), &forced);
    assert!(settle(&pod, &mut seen, 20_001).1.contains(&Step::KillShim));
    seen.observe(&pod, Time::from_ms(21_000), &Fact::NodeRestarted);
    assert!(open_steps(&pod, &seen).contains(&Step::KillShim));
    assert!(!settle(&pod, &mut seen, 21_001).1.contains(&Step::KillShim));
    seen.observe(&pod, Time::from_ms(21_002), &Fact::SandboxLost);
    assert!(!open_steps(&pod, &seen).contains(&Step::KillShim));
}

#[test]
fn no_deletion_no_end() {
    let (pod, mut seen) = running();
    seen.observe(&pod, Time::from_ms(20_000), &Fact::ShimSilent);
    let (_, steps) = settle(&pod, &mut seen, 86_400_000);
    assert_eq!(steps, []);
    assert!(seen.history(Slot(0)).is_live());
}
