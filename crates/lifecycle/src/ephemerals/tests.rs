//! An ephemeral container beside an init container that never ends.

use outrigger_pod::{Kind, RestartPolicy, Slot};

use crate::fixture::{container, exited, pod, seen, started};
use crate::{Because, Fact, Phase, Seen, Step, Time, plan};

fn debugged() -> outrigger_pod::Pod {
    let containers = vec![
        container(Kind::Init, "i"),
        container(Kind::Main, "m"),
        container(Kind::Ephemeral, "e"),
    ];
    pod(RestartPolicy::Always, containers)
}

fn starts(seen: &Seen) -> Vec<(usize, Because)> {
    let plan = plan(&debugged(), seen, Time::from_ms(100));
    plan.steps
        .into_iter()
        .filter_map(|(step, because)| match step {
            Step::Start { slot, .. } => Some((slot.0, because)),
            _ => None,
        })
        .collect()
}

#[test]
fn it_starts_before_the_inits_once_and_never_again() {
    let fresh = seen(&debugged(), &[Fact::SandboxReady]);
    assert_eq!(
        starts(&fresh),
        [(2, Because::Added), (0, Because::SandboxReady)]
    );
    let mut facts = vec![Fact::SandboxReady];
    facts.extend(started(0, 0));
    facts.extend(started(2, 0));
    facts.push(exited(2, 0, 1));
    assert_eq!(starts(&seen(&debugged(), &facts)), []);
    facts.extend([Fact::SandboxLost, Fact::SandboxReady]);
    assert_eq!(
        starts(&seen(&debugged(), &facts)),
        [(0, Because::SandboxReady)],
        "not in a new sandbox either"
    );
}

#[test]
fn nothing_of_the_pods_status_reckons_with_it() {
    let mut facts = vec![Fact::SandboxReady];
    facts.extend(started(0, 0));
    facts.push(exited(0, 0, 0));
    facts.extend(started(1, 0));
    facts.extend(started(2, 0));
    facts.push(exited(2, 0, 1));
    let status = plan(&debugged(), &seen(&debugged(), &facts), Time::from_ms(100)).status;
    assert_eq!(status.phase, Phase::Running);
    let ready = |kind| {
        status
            .conditions
            .iter()
            .find(|c| c.kind == kind)
            .map(|c| c.holds)
    };
    assert_eq!(ready("Ready"), Some(true));
    let Slot(e) = Slot(2);
    assert!(!status.containers[e].ready && !status.containers[e].started);
}
