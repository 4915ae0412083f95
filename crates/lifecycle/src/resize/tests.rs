//! A running main whose limits are changed.

use outrigger_pod::{Kind, Pod, RestartPolicy, Slot};

use crate::fixture::{container, pod, seen, started};
use crate::{Because, Fact, Plan, Seen, Step, StopCause, Time, plan};

const M: Slot = Slot(0);
const RESIZE: Step = Step::Resize {
    slot: M,
    attempt: 0,
};

fn with_cpu(amount: &str, policy: &str) -> Pod {
    let mut main = container(Kind::Main, "m");
    main.spec = serde_json::from_value(serde_json::json!({
        "name": "m",
        "resources": { "limits": { "cpu": amount } },
        "resizePolicy": [{ "resourceName": "cpu", "restartPolicy": policy }],
    }))
    .expect("a container");
    pod(RestartPolicy::Always, vec![main])
}

fn running() -> Seen {
    let mut facts = vec![Fact::SandboxReady];
    facts.extend(started(0, 0));
    seen(&with_cpu("1", "NotRequired"), &facts)
}

fn at(pod: &Pod, seen: &mut Seen, ms: u64, fact: &Fact) -> Plan {
    seen.observe(pod, Time::from_ms(ms), fact);
    plan(pod, seen, Time::from_ms(ms))
}

fn resized(result: Result<(), String>) -> Fact {
    Fact::Resized {
        slot: M,
        attempt: 0,
        result,
    }
}

#[test]
fn the_same_amount_in_other_words_is_no_resize() {
    let same = with_cpu("1000m", "NotRequired");
    assert_eq!(at(&same, &mut running(), 50, &Fact::Updated).steps, []);
}

#[test]
fn it_is_asked_for_once_and_tried_again_ten_seconds_after_a_failure() {
    let (pod, mut seen) = (with_cpu("2", "NotRequired"), running());
    let begin = (RESIZE, Because::ResizeAsked);
    assert_eq!(
        at(&pod, &mut seen, 50, &Fact::Updated).steps,
        vec![begin.clone()]
    );
    let began = Fact::Began(RESIZE, Because::ResizeAsked);
    let waiting = at(&pod, &mut seen, 51, &began);
    assert_eq!(waiting.steps, []);
    let progress = |plan: &Plan| {
        let mut conditions = plan.status.conditions.iter();
        let condition = conditions.find(|c| c.kind == "PodResizeInProgress");
        condition.map(|c| (c.reason, c.message.clone()))
    };
    assert_eq!(progress(&waiting), Some(("", String::new())));
    let failed = at(&pod, &mut seen, 60, &resized(Err("too small".to_owned())));
    assert_eq!(
        (&failed.steps[..], failed.wake),
        (&[][..], Some(Time::from_ms(10_060)))
    );
    assert_eq!(
        progress(&failed),
        Some(("Error", "m: too small".to_owned()))
    );
    assert_eq!(plan(&pod, &seen, Time::from_ms(10_060)).steps, [begin]);
    at(&pod, &mut seen, 10_061, &began);
    let done = at(&pod, &mut seen, 10_062, &resized(Ok(())));
    assert_eq!((done.steps.len(), progress(&done)), (0, None));
}

#[test]
fn one_that_needs_a_restart_stops_the_container() {
    let plan = at(
        &with_cpu("2", "RestartContainer"),
        &mut running(),
        50,
        &Fact::Updated,
    );
    let stop = Step::Stop {
        slot: M,
        attempt: 0,
        cause: StopCause::Resize,
        grace_ms: 30_000,
    };
    assert_eq!(plan.steps, [(stop, Because::Stopping(StopCause::Resize))]);
}

#[test]
fn one_container_is_resized_after_the_other() {
    let with = |amount: &str| {
        let mains = ["m", "n"].map(|name| {
            let mut main = container(Kind::Main, name);
            let resources = serde_json::json!({ "limits": { "cpu": amount } });
            main.spec.resources = serde_json::from_value(resources).expect("resources");
            main
        });
        pod(RestartPolicy::Always, mains.to_vec())
    };
    let mut facts = vec![Fact::SandboxReady];
    facts.extend(started(0, 0));
    facts.extend(started(1, 0));
    let mut seen = seen(&with("1"), &facts);
    let pod = with("2");
    let step = |slot| {
        let slot = Slot(slot);
        (Step::Resize { slot, attempt: 0 }, Because::ResizeAsked)
    };
    assert_eq!(at(&pod, &mut seen, 50, &Fact::Updated).steps, [step(0)]);
    let (first, because) = step(0);
    let began = Fact::Began(first, because);
    assert_eq!(at(&pod, &mut seen, 51, &began).steps, []);
    let refused = resized(Err("too small".to_owned()));
    assert_eq!(at(&pod, &mut seen, 52, &refused).steps, [step(1)]);
}
