//! What happened in a run, in one list: starts and exits as the program tells them on standard
//! error, and what the containers wrote, by the times of their log files.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Line, LogLine, Output, Source};

/// Something that happened to a container, or that it wrote.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// When, in seconds since the program was started.
    pub at_s: f64,
    /// To which container.
    pub container: String,
    /// What: `started`, `exited 3`, `says some text`, and `phase Running` of `pod`.
    pub what: String,
}

impl Event {
    /// Whether it is told by the container itself and not by the program.
    #[must_use]
    pub fn is_said(&self) -> bool {
        self.what.starts_with("says ")
    }
}

/// All events of a run by time.
#[must_use]
pub fn events(output: &Output) -> Vec<Event> {
    let told = output
        .lines
        .iter()
        .filter(|line| line.source == Source::Err);
    let told: Vec<(f64, Event)> = told
        .filter_map(|line| Some((line.at.as_secs_f64(), lifecycle(&line.text)?)))
        .collect();
    // The program counts from an instant of its own, a little after we have started it. The line
    // that came fastest tells how much later that was.
    let late_s = told
        .iter()
        .map(|(arrived_s, event)| arrived_s - event.at_s)
        .fold(f64::INFINITY, f64::min);
    let mut all: Vec<Event> = told
        .into_iter()
        .map(|(_, event)| Event {
            at_s: event.at_s + late_s,
            ..event
        })
        .collect();
    all.extend(said(output));
    all.sort_by(|a, b| a.at_s.total_cmp(&b.at_s));
    all
}

/// What has happened so far, by the arrival of the lines.
#[must_use]
pub fn so_far(lines: &[Line]) -> Vec<Event> {
    let read = |line: &Line| match line.source {
        Source::Err => lifecycle(&line.text),
        Source::Out => shown(&line.text).map(|(container, text)| Event {
            at_s: line.at.as_secs_f64(),
            container: container.into(),
            what: format!("says {text}"),
        }),
    };
    lines.iter().filter_map(read).collect()
}

/// The container and the text of a line on standard output.
fn shown(line: &str) -> Option<(&str, &str)> {
    let (name, text) = line.split_once('|')?;
    Some((name.trim(), text.strip_prefix(' ').unwrap_or(text)))
}

/// Reads `0.012s  main  started (…)`, `1.000s  main  exited with 3 after 0.9 s` and
/// `… ended by SIGKILL, exit code 137 …`, and of the Pod `pod  Pending → Running`; lines about other
/// things give nothing.
#[must_use]
pub fn lifecycle(line: &str) -> Option<Event> {
    let mut words = line.split_whitespace();
    let at_s = words.next()?.strip_suffix('s')?.parse().ok()?;
    let container = words.next()?.to_string();
    let rest = words.collect::<Vec<_>>().join(" ");
    let code_behind = |mark: &str| -> Option<i32> {
        let digits = rest.split_once(mark)?.1;
        let end = digits
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(digits.len());
        digits[..end].parse().ok()
    };
    if let Some((_, phase)) = rest.split_once(" → ") {
        return Some(Event {
            at_s,
            container,
            what: format!("phase {phase}"),
        });
    }
    let what = match rest.split([' ', ',']).next()? {
        "started" => "started".to_string(),
        "exited" => format!("exited {}", code_behind("exited with ")?),
        "ended" | "ran" => format!("exited {}", code_behind("exit code ")?),
        _ => return None,
    };
    Some(Event {
        at_s,
        container,
        what,
    })
}

/// The lines of the containers: those on standard output, which must be all, with the times of the
/// log files where these could be caught.
fn said(output: &Output) -> Vec<Event> {
    let mut by_container: BTreeMap<&str, Vec<(f64, &str)>> = BTreeMap::new();
    for line in output
        .lines
        .iter()
        .filter(|line| line.source == Source::Out)
    {
        if let Some((name, text)) = shown(&line.text) {
            by_container
                .entry(name)
                .or_default()
                .push((line.at.as_secs_f64(), text));
        }
    }
    let mut caught: BTreeMap<&str, Vec<&LogLine>> = BTreeMap::new();
    for line in &output.logs {
        caught
            .entry(line.container.as_str())
            .or_default()
            .push(line);
    }
    let mut all = Vec::new();
    for (container, lines) in by_container {
        let files = caught.get(container).map_or(&[][..], Vec::as_slice);
        let alike = files.len() == lines.len()
            && files
                .iter()
                .map(|line| &line.text)
                .collect::<BTreeSet<_>>()
                .len()
                == lines
                    .iter()
                    .map(|(_, text)| text)
                    .collect::<BTreeSet<_>>()
                    .len();
        for (index, (arrived_s, text)) in lines.iter().enumerate() {
            let (at_s, text) = match files.get(index) {
                Some(line) if alike => (line.at_s - output.began_s, line.text.as_str()),
                _ => (*arrived_s, *text),
            };
            all.push(Event {
                at_s,
                container: container.into(),
                what: format!("says {text}"),
            });
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifecycle_lines_are_events() {
        let what = |line: &str| lifecycle(line).map(|event| event.what);
        let event = lifecycle("   0.012s  proxy      started (init has passed)").unwrap();
        assert_eq!(
            (event.at_s, event.container.as_str(), event.what.as_str()),
            (0.012, "proxy", "started")
        );
        assert_eq!(
            what(" 1.5s main exited with 3 after 1.2 s: 7 words").as_deref(),
            Some("exited 3")
        );
        assert_eq!(
            what(" 1.5s main ended by SIGKILL, exit code 137 after 2 s").as_deref(),
            Some("exited 137")
        );
        assert_eq!(
            what(" 1.5s main ran out of memory and was killed, exit code 0").as_deref(),
            Some("exited 0")
        );
        assert_eq!(
            what(" 1.5s main started again, restart 1").as_deref(),
            Some("started")
        );
        assert_eq!(what(" 1.5s main restarts after a back-off of 10s"), None);
        assert_eq!(
            what(" 1.5s pod Pending → Running").as_deref(),
            Some("phase Running")
        );
        assert_eq!(what("error: started nothing"), None);
    }
}
