//! Every Pod of up to three containers, with every combination of scripts: all invariants hold.

use std::time::{Duration, Instant};

use outrigger_simulator::{Faults, Oracle, every_small_pod, live, small_scripts, transcript};

/// Lives every `step`-th of all lives, beginning with the `first`.
fn sweep(faults: &Faults) -> (usize, usize) {
    let (mut lives, mut pods) = (0, 0);
    for pod in every_small_pod() {
        pods += 1;
        for scripts in small_scripts(&pod) {
            let life = live(&pod, scripts.clone(), faults, lives as u64);
            let violations = Oracle::judge(&pod, faults, &life);
            assert!(
                violations.is_empty(),
                "{}\n{pod:?}\n{scripts:?}\n{faults:?}\n{}",
                violations
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join("\n"),
                transcript(&life)
            );
            lives += 1;
        }
    }
    (pods, lives)
}

#[test]
fn every_small_pod_keeps_the_invariants() {
    let started = Instant::now();
    let (pods, lives) = sweep(&Faults {
        deletions: vec![(200_000, None)],
        ..Faults::default()
    });
    println!("{pods} pods, {lives} lives, {:?}", started.elapsed());
    assert!(lives > 10_000, "the sweep shrank to {lives} lives");
    assert!(started.elapsed() < Duration::from_secs(600));
}

#[test]
fn every_small_pod_keeps_them_when_it_is_deleted_after_two_seconds() {
    sweep(&Faults {
        deletions: vec![(2_000, None)],
        ..Faults::default()
    });
}

#[test]
fn every_small_pod_keeps_them_when_the_node_restarts() {
    let node_kills = vec![(1_001, 500), (4_000, 1)];
    let deletions = vec![(100_000, None)];
    sweep(&Faults {
        node_kills,
        deletions,
        delay_ms: 3,
        ..Faults::default()
    });
}

#[test]
fn every_small_pod_keeps_them_when_its_sources_change() {
    sweep(&Faults {
        source_changes: vec![1, 3, 700, 4_000],
        node_kills: vec![(1_001, 500)],
        deletions: vec![(100_000, None)],
        sandbox_failures: 2,
        delay_ms: 3,
        ..Faults::default()
    });
}
