//! In which of the expected steps and waits do the events differ?

use super::{Step, Wait};
use crate::life::Event;
use crate::time_scale;

/// The program's lines and the containers' lines come by different ways and clocks.
const SLACK_BETWEEN_SOURCES_S: f64 = 0.15;
/// Stamps of log lines are put on when they are read, by the millisecond.
const SLACK_OF_LOGS_S: f64 = 0.003;
/// The program prints milliseconds, and a wait may have been measured from a later instant.
const SLACK_OF_WAITS_S: f64 = 0.06;

pub(super) fn steps(expected: &[Step], seen: &[Event]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut used = vec![false; seen.len()];
    let mut found: Vec<(&Step, usize)> = Vec::new();
    for step in expected {
        let index = seen.iter().enumerate().position(|(index, event)| {
            !used[index] && event.container == step.container && event.what == step.what
        });
        match index {
            Some(index) => {
                used[index] = true;
                found.push((step, index));
            }
            None => wrong.push(format!("did not happen: {} {}", step.container, step.what)),
        }
    }
    for (event, _) in seen.iter().zip(&used).filter(|(_, used)| !**used) {
        wrong.push(format!(
            "happened without being expected: {} {}",
            event.container, event.what
        ));
    }
    for (place, (earlier, first)) in found.iter().enumerate() {
        for (later, second) in &found[place + 1..] {
            let related = !(earlier.loose || later.loose) || earlier.container == later.container;
            if related
                && earlier.rank < later.rank
                && !in_order(&seen[*first], &seen[*second], first < second)
            {
                wrong.push(format!(
                    "wrong order: {} {} at {:.3} s came before {} {} at {:.3} s",
                    later.container,
                    later.what,
                    seen[*second].at_s,
                    earlier.container,
                    earlier.what,
                    seen[*first].at_s
                ));
            }
        }
    }
    wrong
}

fn in_order(first: &Event, second: &Event, told_in_order: bool) -> bool {
    let slack_s = match (first.is_said(), second.is_said()) {
        (false, false) => return told_in_order,
        (true, true) => SLACK_OF_LOGS_S,
        _ => SLACK_BETWEEN_SOURCES_S * time_scale(),
    };
    first.at_s <= second.at_s + slack_s
}

pub(super) fn wait(wait: &Wait, seen: &[Event]) -> Option<String> {
    let named =
        |moment: &super::Moment| format!("{} {}#{}", moment.container, moment.what, moment.number);
    let (from, to) = (wait.from.find(seen), wait.to.find(seen));
    let (Some(from), Some(to)) = (from, to) else {
        return Some(format!(
            "{} -> {}: one of them never came",
            named(&wait.from),
            named(&wait.to)
        ));
    };
    let seconds = to.at_s - from.at_s;
    let fits = seconds >= wait.least_s - SLACK_OF_WAITS_S && seconds <= wait.most_s * time_scale();
    let sentence = || {
        format!(
            "{seconds:.3} s from {} to {}, expected {} to {}",
            named(&wait.from),
            named(&wait.to),
            wait.least_s,
            wait.most_s
        )
    };
    (!fits).then(sentence)
}
