//! Every small Pod: all Pods of up to three containers, with every kind, policy and probe that
//! matters, and for each a set of scripts that between them meet every rule.

use outrigger_pod::{Kind, Pod, RestartPolicy, RuleAction, Slot};

use crate::{Build, OnSignal, Run, Scripts, exec_probe};

const POLICIES: [RestartPolicy; 3] = [
    RestartPolicy::Always,
    RestartPolicy::OnFailure,
    RestartPolicy::Never,
];

/// What a container of a small Pod has.
#[derive(Debug, Clone, Copy)]
enum Trait {
    Plain,
    Startup,
    Liveness,
    Hooks,
    Restarts,
    RestartsAll,
}

/// All shapes of up to two entries before the mains and one or two mains, three containers in all.
fn shapes() -> Vec<Vec<Kind>> {
    let before: Vec<Vec<Kind>> = {
        let one = [Kind::Init, Kind::Sidecar];
        let mut all = vec![vec![]];
        all.extend(one.map(|kind| vec![kind]));
        all.extend(one.iter().flat_map(|a| one.map(|b| vec![*a, b])));
        all
    };
    before
        .into_iter()
        .flat_map(|inits| {
            (1..=3 - inits.len()).map(move |mains| {
                let mut shape = inits.clone();
                shape.extend(vec![Kind::Main; mains]);
                shape
            })
        })
        .collect()
}

/// Every small Pod.
#[must_use]
pub fn every_small_pod() -> Vec<Pod> {
    let mut pods = Vec::new();
    for shape in shapes() {
        for traits in product(&shape.iter().map(|kind| traits(*kind)).collect::<Vec<_>>()) {
            for policy in POLICIES {
                let mut build = Build::pod(policy).grace_s(10);
                for (index, (kind, what)) in shape.iter().zip(&traits).enumerate() {
                    build = add(build, *kind, &format!("c{index}"), *what);
                }
                pods.push(build.done());
            }
        }
    }
    pods
}

fn traits(kind: Kind) -> &'static [Trait] {
    match kind {
        Kind::Init => &[Trait::Plain, Trait::Restarts, Trait::RestartsAll],
        Kind::Sidecar => &[Trait::Plain, Trait::Startup, Trait::Liveness, Trait::Hooks],
        Kind::Ephemeral => &[Trait::Plain],
        Kind::Main => &[
            Trait::Plain,
            Trait::Startup,
            Trait::Liveness,
            Trait::Hooks,
            Trait::Restarts,
            Trait::RestartsAll,
        ],
    }
}

fn add(build: Build, kind: Kind, name: &str, what: Trait) -> Build {
    let build = build.container(kind, name);
    match what {
        Trait::Plain => build,
        Trait::Startup => build.startup(exec_probe(1, 3)),
        Trait::Liveness => build.liveness(exec_probe(2, 2)).readiness(exec_probe(5, 1)),
        Trait::Hooks => build.post_start().pre_stop(),
        Trait::Restarts => build.rule(RestartPolicy::Never, RuleAction::Restart, 3),
        Trait::RestartsAll => build.rule(RestartPolicy::Never, RuleAction::RestartAllContainers, 3),
    }
}

/// The runs that a container of a small Pod may have.
fn runs(kind: Kind) -> Vec<Vec<Run>> {
    let deaf = Run {
        on_signal: OnSignal::Ignores,
        ..Run::serves()
    };
    let late = Run {
        up_after_ms: Some(1_500),
        ..Run::serves()
    };
    let sick = Run {
        probing: crate::Probing::FailsFrom(4_000),
        post_start: (500, false),
        ..Run::serves()
    };
    let ends = |code| Run::ends(1_000, code);
    match kind {
        Kind::Init => vec![
            vec![ends(0)],
            vec![ends(1), ends(0)],
            vec![ends(3), ends(3), ends(0)],
        ],
        Kind::Sidecar => vec![
            vec![late],
            vec![deaf],
            vec![ends(1), Run::serves()],
            vec![sick, Run::serves()],
        ],
        Kind::Ephemeral => vec![vec![ends(1)]],
        Kind::Main => vec![
            vec![ends(0)],
            vec![ends(1), ends(0)],
            vec![ends(3), ends(0)],
            vec![deaf],
            vec![sick, ends(0)],
        ],
    }
}

/// All combinations of scripts for a small Pod.
#[must_use]
pub fn small_scripts(pod: &Pod) -> Vec<Scripts> {
    let choices: Vec<Vec<Vec<Run>>> = pod
        .containers
        .iter()
        .map(|container| runs(container.kind))
        .collect();
    let slices: Vec<&[Vec<Run>]> = choices.iter().map(Vec::as_slice).collect();
    product(&slices)
        .into_iter()
        .map(|combination| {
            Scripts(
                combination
                    .into_iter()
                    .enumerate()
                    .map(|(index, script)| (Slot(index), script))
                    .collect(),
            )
        })
        .collect()
}

/// Every way to take one from each.
fn product<T: Clone>(choices: &[&[T]]) -> Vec<Vec<T>> {
    choices.iter().fold(vec![Vec::new()], |ways, choice| {
        ways.iter()
            .flat_map(|way| {
                choice.iter().map(move |one| {
                    let mut longer = way.clone();
                    longer.push(one.clone());
                    longer
                })
            })
            .collect()
    })
}
