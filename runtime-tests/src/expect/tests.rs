use super::*;
use crate::life::Event;

fn event(at_s: f64, container: &str, what: &str) -> Event {
    Event {
        at_s,
        container: container.into(),
        what: what.into(),
    }
}

fn wrong(text: &str, seen: &[Event]) -> Vec<String> {
    let expected = Expected::read(text).unwrap();
    let mut wrong = compare::steps(&expected.steps, seen);
    wrong.extend(
        expected
            .waits
            .iter()
            .filter_map(|wait| compare::wait(wait, seen)),
    );
    wrong
}

#[test]
fn a_life_as_expected_has_no_differences() {
    let seen = [
        event(0.0, "a", "started"),
        event(0.01, "a", "says hello"),
        event(1.0, "a", "exited 0"),
    ];
    let text =
        "step a started\nwith a says hello\nstep a exited 0\nwait 1..1.5 a started -> a exited";
    assert_eq!(wrong(text, &seen), [""; 0]);
}

#[test]
fn what_is_missing_or_too_much_is_told() {
    let seen = [event(0.0, "a", "started"), event(0.1, "a", "started")];
    assert_eq!(
        wrong("step a started\nstep a exited 0", &seen),
        [
            "did not happen: a exited 0",
            "happened without being expected: a started"
        ]
    );
}

#[test]
fn the_order_of_steps_counts_and_that_of_companions_does_not() {
    let seen = [event(0.5, "b", "started"), event(0.5, "a", "started")];
    assert_eq!(wrong("step a started\nstep b started", &seen).len(), 1);
    assert_eq!(wrong("step a started\nwith b started", &seen).len(), 0);
    assert_eq!(wrong("step a started\nsome b started", &seen).len(), 0);
}

#[test]
fn a_loose_step_keeps_its_place_in_its_own_container() {
    let seen = [
        event(0.1, "a", "exited 1"),
        event(0.2, "a", "started"),
        event(0.3, "b", "started"),
    ];
    assert_eq!(
        wrong("some a started\nsome a exited 1\nstep b started", &seen).len(),
        1
    );
}

#[test]
fn waits_have_two_ends() {
    let seen = [event(1.0, "a", "exited 1"), event(5.0, "a", "started")];
    let steps = "step a exited 1\nstep a started\n";
    assert_eq!(
        wrong(&format!("{steps}wait 3..5 a exited -> a started"), &seen).len(),
        0
    );
    assert_eq!(
        wrong(&format!("{steps}wait 5..6 a exited -> a started"), &seen).len(),
        1
    );
    assert_eq!(
        wrong(&format!("{steps}wait 0..2 a exited -> a started"), &seen).len(),
        1
    );
    assert_eq!(
        wrong(&format!("{steps}wait 0..2 a exited -> b started"), &seen).len(),
        1
    );
}

#[test]
fn nonsense_is_refused_with_its_line() {
    let error = Expected::read("exit 0\nphases Failed").unwrap_err();
    assert_eq!(error.to_string(), "line 2: not understood: phases Failed");
}
