//! What is open after each kind of step that was begun.

use outrigger_pod::{Kind, RestartPolicy, Slot};

use super::open_steps;
use crate::fixture::{container, exited, pod, seen, started};
use crate::plan;
use crate::{Because, Fact, HookKind, Step, StopCause};

const M: Slot = Slot(0);

fn after(facts: &[Fact]) -> Vec<Step> {
    let pod = pod(RestartPolicy::Always, vec![container(Kind::Main, "m")]);
    open_steps(&pod, &seen(&pod, facts))
}

fn began(step: Step) -> Fact {
    Fact::Began(step, Because::NothingRuns)
}

fn hook(hook: HookKind) -> Step {
    Step::RunHook {
        slot: M,
        attempt: 0,
        hook,
    }
}

fn running_and(more: &[Step]) -> Vec<Step> {
    let mut facts = vec![Fact::SandboxReady];
    facts.extend(started(0, 0));
    facts.extend(more.iter().cloned().map(began));
    after(&facts)
}

#[test]
fn a_sandbox_is_prepared_or_released_again_until_it_is() {
    let (prepare, release) = (Step::PrepareSandbox, Step::ReleaseSandbox);
    assert_eq!(after(&[]), []);
    assert_eq!(after(&[began(prepare.clone())]), vec![prepare.clone()]);
    assert_eq!(after(&[began(prepare), Fact::SandboxReady]), []);
    assert_eq!(after(&[began(release.clone())]), vec![release.clone()]);
    assert_eq!(after(&[began(release), Fact::SandboxReleased]), []);
}

#[test]
fn a_sandbox_that_is_lost_while_it_is_released_is_not_released_a_second_time_beside_the_first() {
    let pod = pod(RestartPolicy::Always, vec![container(Kind::Main, "m")]);
    let facts = [
        Fact::DeleteRequested { grace_s: Some(0) },
        Fact::SandboxReady,
        began(Step::ReleaseSandbox),
        Fact::SandboxLost,
    ];
    let lost = seen(&pod, &facts);
    assert_eq!(plan(&pod, &lost, crate::Time::from_ms(9_000)).steps, []);
    // A node that comes back takes the one release up again.
    assert_eq!(open_steps(&pod, &lost), [Step::ReleaseSandbox]);
}

#[test]
fn a_start_is_open_until_it_is_answered() {
    let [begin, up] = started(0, 3);
    let start = Step::Start {
        slot: M,
        attempt: 3,
    };
    assert_eq!(after(&[Fact::SandboxReady, begin.clone()]), [start]);
    assert_eq!(after(&[Fact::SandboxReady, begin, up]), []);
}

#[test]
fn whatever_stops_an_instance_is_open_until_it_has_ended() {
    let stop = Step::Stop {
        slot: M,
        attempt: 0,
        cause: StopCause::Teardown,
        grace_ms: 10_000,
    };
    let signal = |left_ms| Step::Signal {
        slot: M,
        attempt: 0,
        left_ms,
    };
    let kill = Step::Kill {
        slot: M,
        attempt: 0,
    };
    let steps = [hook(HookKind::PostStart), stop, hook(HookKind::PreStop)];
    let [post_start, _, pre_stop] = steps.clone();
    assert_eq!(running_and(&steps), [post_start.clone(), pre_stop.clone()]);
    let mut killed = steps.to_vec();
    killed.extend([signal(9_998), kill.clone()]);
    let open = running_and(&killed);
    assert_eq!(open, [post_start, pre_stop, signal(9_998), kill]);
    let mut facts = vec![Fact::SandboxReady];
    facts.extend(started(0, 0));
    facts.extend(killed.into_iter().map(began));
    facts.push(exited(0, 0, 137));
    assert_eq!(after(&facts), []);
}
