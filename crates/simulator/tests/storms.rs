//! Seeded storms. `OUTRIGGER_STORM_SECONDS` says how long (60), `OUTRIGGER_STORM_SEED` where to
//! begin; a failing seed is printed and lived again with `OUTRIGGER_STORM_ONLY=<seed>`.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use outrigger_simulator::{Oracle, live, storm, transcript};

fn number(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|text| text.parse().expect("a number"))
}

fn weather(seed: u64) {
    let storm = storm(seed);
    let life = live(&storm.pod, storm.scripts.clone(), &storm.faults, seed);
    let violations = Oracle::judge(&storm.pod, &storm.faults, &life);
    assert!(
        violations.is_empty(),
        "seed {seed} (OUTRIGGER_STORM_ONLY={seed} lives it again):\n{}\n{:#?}\n{:?}\n{:?}\n{}",
        violations
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n"),
        storm.faults,
        storm.pod,
        storm.scripts,
        transcript(&life)
    );
    if seed.is_multiple_of(1_000) {
        let again = live(&storm.pod, storm.scripts, &storm.faults, seed);
        assert_eq!(
            again.trace, life.trace,
            "seed {seed} does not repeat itself"
        );
        assert_eq!(
            again.record, life.record,
            "seed {seed} does not repeat itself"
        );
    }
}

#[test]
fn storms_keep_the_invariants() {
    if let Some(only) = number("OUTRIGGER_STORM_ONLY") {
        return weather(only);
    }
    let limit = Duration::from_secs(number("OUTRIGGER_STORM_SECONDS").unwrap_or(60));
    let first = number("OUTRIGGER_STORM_SEED").unwrap_or(1);
    let started = Instant::now();
    let mut seed = first;
    while started.elapsed() < limit {
        for _ in 0..100 {
            weather(seed);
            seed += 1;
        }
    }
    println!(
        "{} storms, seeds {first} to {}, 0 violations",
        seed - first,
        seed - 1
    );
}
