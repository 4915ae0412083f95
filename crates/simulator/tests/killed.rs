//! Ten lives, each lived unkilled, then with the node killed at one of its steps for every step there
//! is (before the step is carried out and after, away for different times), and then killed at all of
//! them: each life ends as the unkilled one did.

use outrigger_lifecycle::{Fact, Phase, State};
use outrigger_simulator::{Faults, Happened, Life, Oracle, StepKills, live, transcript};

#[path = "killed/lives.rs"]
mod scripted;

use scripted::{Scripted, lives};

const DOWN_MS: [u64; 3] = [0, 50, 3_000];

/// What of a life must not depend on when the node was there.
#[derive(Debug, PartialEq)]
struct End {
    phase: Phase,
    /// How each container ended and how often it was restarted.
    containers: Vec<(Option<i32>, u32)>,
    /// Starts and ends, in order.
    order: Vec<Happened>,
    /// Signals, kills, hooks, resizes and deletions of each instance, sorted: how many of each.
    done: Vec<String>,
}

fn end(life: &Life, apart: bool) -> End {
    let containers = life.status.containers.iter().map(|container| {
        let code = match &container.state {
            State::Terminated { exit, .. } => Some(exit.code),
            State::Waiting { .. } | State::Running { .. } => None,
        };
        (code, container.restart_count)
    });
    let happened = || life.trace.iter().map(|(_, happened)| happened.clone());
    let mut order: Vec<Happened> = happened()
        .filter(|h| {
            matches!(
                h,
                Happened::Started(..) | Happened::Exited(..) | Happened::Released
            ) || matches!(h, Happened::ShimDied | Happened::SandboxMade)
        })
        .collect();
    if apart {
        order.sort_by_key(|happened| match happened {
            Happened::Started(slot, _) | Happened::Exited(slot, ..) => Some(*slot),
            _ => None,
        });
    }
    let mut done: Vec<String> = happened()
        .filter_map(|happened| match happened {
            Happened::StopBegan(slot, attempt, for_probe, _) => {
                Some(format!("StopBegan({slot:?}, {attempt}, {for_probe})"))
            }
            Happened::Signalled(..)
            | Happened::Killed(..)
            | Happened::HookBegan(..)
            | Happened::HookEnded(..)
            | Happened::Updated
            | Happened::DeletionAsked
            | Happened::TeardownBegan(..) => Some(format!("{happened:?}")),
            _ => None,
        })
        .map(|words| {
            words
                .split("TeardownBegan(")
                .next()
                .unwrap_or_default()
                .to_owned()
        })
        .collect();
    done.sort();
    End {
        phase: life.status.phase,
        containers: containers.collect(),
        order,
        done,
    }
}

fn lived(scripted: &Scripted, step_kills: Option<StepKills>) -> Life {
    let faults = Faults {
        step_kills,
        ..scripted.faults.clone()
    };
    let life = live(&scripted.pod, scripted.scripts.clone(), &faults, 1);
    let violations = Oracle::judge(&scripted.pod, &faults, &life);
    assert!(
        violations.is_empty(),
        "{}, {step_kills:?}:\n{violations:#?}\n{}",
        scripted.what,
        transcript(&life)
    );
    life
}

fn check(scripted: &Scripted, unkilled: &Life, step_kills: StepKills) {
    let life = lived(scripted, Some(step_kills));
    let died = life.trace.iter().any(|(_, h)| *h == Happened::NodeDied);
    assert!(died, "{}: the node was not killed", scripted.what);
    assert_eq!(
        end(&life, scripted.apart),
        end(unkilled, scripted.apart),
        "{}, {step_kills:?}\n{}\nunkilled:\n{}",
        scripted.what,
        transcript(&life),
        transcript(unkilled)
    );
}

#[test]
fn killed_at_any_step_a_life_ends_as_it_would_have() {
    let mut killed = 0;
    for scripted in lives() {
        let unkilled = lived(&scripted, None);
        let steps = unkilled
            .record
            .iter()
            .filter(|(_, fact)| matches!(fact, Fact::Began(..)))
            .count();
        assert!(steps > 4, "{} has {steps} steps", scripted.what);
        for at in (0..steps).map(Some).chain([None]) {
            for before in [true, false] {
                for down_ms in DOWN_MS {
                    let kills = StepKills {
                        at,
                        before,
                        down_ms,
                    };
                    check(&scripted, &unkilled, kills);
                    killed += 1;
                }
            }
        }
    }
    println!("{killed} lives with kills");
    assert!(killed > 500, "only {killed} lives were killed");
}

#[test]
fn the_ten_lives_are_what_they_are_said_to_be() {
    let ends: Vec<(Phase, Vec<u32>)> = lives()
        .iter()
        .map(|scripted| {
            let end = end(&lived(scripted, None), scripted.apart);
            let restarts = end.containers.iter().map(|(_, restarts)| *restarts);
            (end.phase, restarts.collect())
        })
        .collect();
    let expected = [
        (Phase::Succeeded, vec![0, 2, 0]),
        (Phase::Succeeded, vec![0, 0, 0, 0]),
        (Phase::Succeeded, vec![0, 0]),
        (Phase::Succeeded, vec![0, 0]),
        (Phase::Failed, vec![4, 0]),
        (Phase::Succeeded, vec![2]),
        (Phase::Failed, vec![0, 0, 0]),
        (Phase::Failed, vec![0, 0]),
        (Phase::Succeeded, vec![1, 0, 1]),
        (Phase::Succeeded, vec![1, 0]),
    ];
    assert_eq!(ends, expected);
}
