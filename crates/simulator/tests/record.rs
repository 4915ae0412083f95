//! A record that is written as JSON and read again is the same, and so is what is known by it, at
//! its end and at each point at which it may be cut.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use outrigger_lifecycle::{Fact, Seen, open_steps};
use outrigger_simulator::{live, storm};

fn again<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
    let text = serde_json::to_string(value).expect("it can be written");
    serde_json::from_str(&text).expect("it can be read")
}

#[test]
fn facts_and_what_is_known_by_them_survive_being_written() {
    let (mut facts, mut open) = (0, 0);
    for seed in 1..400 {
        let storm = storm(seed);
        let life = live(&storm.pod, storm.scripts, &storm.faults, seed);
        let mut pods = life.pods.iter();
        let mut pod = pods.next().expect("a pod");
        let (accepted, _) = life.record[0];
        let mut seen = Seen::new(pod, accepted);
        let mut read = again(&seen);
        for (time, fact) in &life.record {
            let line = again(&(*time, fact.clone()));
            assert_eq!(line, (*time, fact.clone()));
            if *fact == Fact::Updated {
                pod = pods.next().expect("the version that came with it");
            }
            seen.observe(pod, *time, fact);
            read.observe(pod, line.0, &line.1);
            read = again(&read);
            assert_eq!(read, seen, "seed {seed}, after {fact:?}");
            open += open_steps(pod, &read).len();
            facts += 1;
        }
    }
    assert!(facts > 5_000, "only {facts} facts");
    assert!(open > 1_000, "only {open} open steps");
}
