//! A storm: a Pod, its scripts and its faults, all by chance from one seed.

use outrigger_pod::{Kind, Pod, RestartPolicy, RuleAction, Slot};

use crate::{Build, Faults, Random, Run, Scripts, StepKills, exec_probe};

/// What a seed makes.
#[derive(Debug, Clone)]
pub struct Storm {
    /// The Pod.
    pub pod: Pod,
    /// How its containers behave.
    pub scripts: Scripts,
    /// What goes wrong around it.
    pub faults: Faults,
}

/// The storm of a seed.
#[must_use]
pub fn storm(seed: u64) -> Storm {
    let mut random = Random::new(seed);
    let pod = pod(&mut random);
    let scripts = pod
        .slots()
        .map(|(slot, _): (Slot, _)| {
            let runs = (0..=random.below(4))
                .map(|_| Run::any(&mut random))
                .collect();
            (slot, runs)
        })
        .collect();
    let mut faults = faults(&mut random);
    if random.chance(15) {
        faults.updates = updates(&mut random, &pod);
        faults.resize_failures = u32::from(random.chance(30));
    }
    if random.chance(15) {
        let moments = [0, 3, 700, 3_000, 12_000, 300_000];
        faults.source_changes = (0..=random.below(3))
            .map(|_| random.pick(&moments) + random.below(2_000))
            .collect();
    }
    if random.chance(15) {
        let moments = [5, 1_000, 9_000, 40_000, 600_000];
        faults.silences = (0..=random.below(2))
            .map(|_| {
                let at_ms = random.pick(&moments) + random.below(3_000);
                (at_ms, random.pick(&[500, 9_000, 15_000, 60_000, 3_600_000]))
            })
            .collect();
    }
    Storm {
        pod,
        scripts: Scripts(scripts),
        faults,
    }
}

fn pod(random: &mut Random) -> Pod {
    let policy = random.pick(&[
        RestartPolicy::Always,
        RestartPolicy::OnFailure,
        RestartPolicy::Never,
    ]);
    let mut build = Build::pod(policy).grace_s(random.pick(&[0, 1, 5, 30, 90]));
    if random.chance(10) {
        build = build.deadline_s(random.pick(&[1, 20, 600]));
    }
    for index in 0..random.below(5) {
        let kind = random.pick(&[Kind::Init, Kind::Sidecar]);
        build = add(random, build, kind, &format!("i{index}"));
    }
    for index in 0..=random.below(3) {
        build = add(random, build, Kind::Main, &format!("m{index}"));
    }
    build.done()
}

fn add(random: &mut Random, build: Build, kind: Kind, name: &str) -> Build {
    let mut build = build.container(kind, name);
    let policy = random.pick(&[
        RestartPolicy::Always,
        RestartPolicy::OnFailure,
        RestartPolicy::Never,
    ]);
    if random.chance(15) {
        let action = random.pick(&[
            RuleAction::Restart,
            RuleAction::Restart,
            RuleAction::RestartAllContainers,
        ]);
        build = build.rule(policy, action, random.pick(&[1, 3, 42]));
    }
    if kind == Kind::Init {
        return build;
    }
    let own_grace = random.pick(&[None, None, Some(1), Some(40)]);
    let mut probe = exec_probe(random.pick(&[1, 2, 10]), random.pick(&[1, 3, 30]));
    probe.initial_delay_s = random.pick(&[0, 0, 5]);
    if random.chance(30) {
        build = build.startup(outrigger_pod::Probe {
            grace_s: own_grace,
            ..probe.clone()
        });
    }
    if random.chance(30) {
        build = build.liveness(outrigger_pod::Probe {
            grace_s: own_grace,
            ..probe.clone()
        });
    }
    if random.chance(30) {
        let success_threshold = random.pick(&[1, 3]);
        build = build.readiness(outrigger_pod::Probe {
            success_threshold,
            ..probe
        });
    }
    if random.chance(20) {
        build = build.post_start();
    }
    if random.chance(30) {
        build = build.pre_stop();
    }
    if random.chance(10) {
        build = build.restarted_for("cpu");
    }
    build = match random.below(5) {
        0 => build.sleeping(),
        1 => build.asking(),
        _ => build,
    };
    build
}

/// One to three newer versions of a Pod.
fn updates(random: &mut Random, pod: &Pod) -> Vec<(u64, Pod)> {
    let mut build = Build::on(pod.clone());
    let mut at_ms = 0;
    let mut updates = Vec::new();
    for index in 0..=random.below(3) {
        let name = random.pick(&["i0", "i1", "m0", "m1"]);
        build = match random.below(4) {
            0 => build.ephemeral(&format!("e{index}")),
            1 => build.limit(
                name,
                random.pick(&["cpu", "memory"]),
                random.pick(&["1", "2"]),
            ),
            2 => build.grace_s(random.pick(&[1, 7])),
            _ => build.image(name, random.pick(&["new", "newer"])),
        };
        at_ms += random.pick(&[0, 3, 1_003, 12_000, 300_000]);
        updates.push((at_ms, build.clone().done()));
    }
    updates
}

fn faults(random: &mut Random) -> Faults {
    let moments = [0, 3, 60, 1_003, 2_500, 10_050, 40_000, 600_000];
    let mut faults = Faults {
        delay_ms: random.pick(&[0, 0, 1, 40, 900]),
        ..Faults::default()
    };
    if random.chance(40) {
        faults.deletions.push((
            random.pick(&moments),
            random.pick(&[None, Some(0), Some(1), Some(20)]),
        ));
        if random.chance(30) {
            faults.deletions.push((
                random.pick(&moments),
                random.pick(&[Some(0), Some(2), Some(600)]),
            ));
        }
    }
    for _ in 0..random.below(3) {
        let moment = random.pick(&moments) + random.below(50);
        faults
            .node_kills
            .push((moment, random.pick(&[1, 200, 30_000])));
    }
    if random.chance(30) {
        faults.step_kills = Some(StepKills {
            at: random
                .chance(80)
                .then(|| random.pick(&[0, 1, 2, 3, 5, 8, 13, 21, 34])),
            before: random.chance(50),
            down_ms: random.pick(&[0, 0, 50, 3_000]),
        });
    }
    if random.chance(10) {
        faults
            .shim_kills
            .push(random.pick(&moments) + random.below(3_000));
    }
    if random.chance(10) {
        faults.sandbox_failures = 1 + u32::from(random.chance(50));
    }
    faults
}
