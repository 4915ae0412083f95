use super::fold;
use crate::fixture::probe;
use crate::{Outcome, ProbeSeen, Time};

const GOOD: Outcome = Outcome::Success;

fn bad() -> Outcome {
    Outcome::Failure("no".to_owned())
}

fn error() -> Outcome {
    Outcome::Error("the command could not be run".to_owned())
}

/// The verdict after each of these results, with these thresholds for success and failure.
fn verdicts(thresholds: (u32, u32), outcomes: &[Outcome]) -> Vec<Option<bool>> {
    let mut seen = ProbeSeen::default();
    let probe = probe(thresholds.0, thresholds.1);
    outcomes
        .iter()
        .map(|outcome| {
            fold(&mut seen, &probe, Time::default(), outcome);
            seen.verdict
        })
        .collect()
}

#[test]
fn a_verdict_comes_when_its_threshold_is_reached_in_a_row() {
    assert_eq!(
        verdicts((1, 3), &[bad(), bad(), GOOD, bad(), bad(), bad()]),
        [None, None, Some(true), Some(true), Some(true), Some(false)]
    );
    assert_eq!(
        verdicts((2, 1), &[GOOD, bad(), GOOD, GOOD]),
        [None, Some(false), Some(false), Some(true)]
    );
}

#[test]
fn an_attempt_that_could_not_be_made_neither_counts_nor_breaks_a_row() {
    assert_eq!(
        verdicts((1, 2), &[bad(), error(), bad()]),
        [None, None, Some(false)]
    );
}

#[test]
fn a_warning_is_a_success() {
    let warning = Outcome::Warning("redirected".to_owned());
    assert_eq!(verdicts((1, 1), &[warning]), [Some(true)]);
}

#[test]
fn each_result_ends_the_attempt_and_is_kept() {
    for outcome in [GOOD, bad(), error()] {
        let mut seen = ProbeSeen {
            in_flight: true,
            ..ProbeSeen::default()
        };
        fold(&mut seen, &probe(1, 1), Time::from_ms(5), &outcome);
        assert!(!seen.in_flight);
        assert_eq!(seen.last, Some((Time::from_ms(5), outcome)));
    }
}
