//! Did a Pod live as it should? Reads an expected life and compares it with what was seen.
//!
//! A `.expect` file is lines of `WORD …`; `#` begins a comment. The words:
//!
//! - `delete 5.0 after main started#2`: the Pod is deleted (SIGINT) so many seconds after that event
//! - `exit 0`: the exit code of `outrigger run`
//! - `phase Failed DeadlineExceeded`, `condition Ready False PodFailed`
//! - `container main: terminated Completed 0; last none; restarts 0; ready no; started no`
//! - `message m1 final words`
//! - `step main started; says hello`: happens behind the step before it. `with …` instead of `step`: at the same
//!   place, in any order. `some …`: happens, in order only with its own container's steps
//!   A Pod's changes of phase are steps too: `step pod phase Running`
//! - `wait 10..15.5 main exited#2 -> main started#3`: so many seconds lie between these two
//!
//! Nothing else may start, exit or be written than what the steps tell.

mod compare;

use serde_json::Value;

use crate::life::{Event, events};
use crate::{Failure, Output, failed, status};

/// A step of the expected life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub(crate) rank: usize,
    pub(crate) loose: bool,
    pub(crate) container: String,
    pub(crate) what: String,
}

/// The n-th time that something happens to a container; `exited` fits each code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    container: String,
    what: String,
    number: usize,
}

/// Seconds between two moments.
#[derive(Debug, Clone, PartialEq)]
pub struct Wait {
    pub(crate) least_s: f64,
    pub(crate) most_s: f64,
    pub(crate) from: Moment,
    pub(crate) to: Moment,
}

/// An expected life.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Expected {
    /// When to delete the Pod, if it does not end by itself.
    pub delete: Option<(f64, Moment)>,
    exit: Option<i32>,
    phase: Option<String>,
    conditions: Vec<String>,
    containers: Vec<String>,
    messages: Vec<(String, String)>,
    steps: Vec<Step>,
    waits: Vec<Wait>,
}

impl Moment {
    fn read(text: &str) -> Option<Moment> {
        let (text, number) = match text.rsplit_once('#') {
            Some((text, number)) => (text, number.parse().ok()?),
            None => (text, 1),
        };
        let (container, what) = text.trim().split_once(' ')?;
        Some(Moment {
            container: container.into(),
            what: what.into(),
            number,
        })
    }

    /// The event of this moment, if it has come.
    #[must_use]
    pub fn find<'a>(&self, events: &'a [Event]) -> Option<&'a Event> {
        let fits = |event: &&Event| {
            event.container == self.container
                && (event.what == self.what
                    || (self.what == "exited" && event.what.starts_with("exited ")))
        };
        events.iter().filter(fits).nth(self.number.checked_sub(1)?)
    }
}

impl Expected {
    /// Reads a `.expect` file's text.
    ///
    /// # Errors
    /// At the first line that it does not understand.
    pub fn read(text: &str) -> Result<Expected, Failure> {
        let mut all = Expected::default();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            all.read_line(line)
                .ok_or_else(|| failed(format!("line {}: not understood: {line}", index + 1)))?;
        }
        Ok(all)
    }

    fn read_line(&mut self, line: &str) -> Option<()> {
        let (word, rest) = line.split_once(' ')?;
        let rest = rest.trim();
        match word {
            "delete" => {
                let (seconds, moment) = rest.split_once(" after ")?;
                self.delete = Some((seconds.parse().ok()?, Moment::read(moment)?));
            }
            "exit" => self.exit = Some(rest.parse().ok()?),
            "phase" => self.phase = Some(rest.into()),
            "condition" => self.conditions.push(rest.into()),
            "container" => self.containers.push(rest.into()),
            "message" => {
                let (name, message) = rest.split_once(' ')?;
                self.messages.push((name.into(), message.into()));
            }
            "step" | "with" | "some" => self.read_steps(word, rest)?,
            "wait" => {
                let (range, moments) = rest.split_once(' ')?;
                let (least, most) = range.split_once("..")?;
                let (from, to) = moments.split_once(" -> ")?;
                let (least_s, most_s) = (least.parse().ok()?, most.parse().ok()?);
                self.waits.push(Wait {
                    least_s,
                    most_s,
                    from: Moment::read(from)?,
                    to: Moment::read(to)?,
                });
            }
            _ => return None,
        }
        Some(())
    }

    /// `main started; says hello` is two steps of one container, one behind the other.
    fn read_steps(&mut self, word: &str, rest: &str) -> Option<()> {
        let (container, all) = rest.split_once(' ')?;
        for (index, what) in all.split("; ").enumerate() {
            let last = self.steps.last().map_or(0, |step| step.rank);
            let rank = if word == "with" && index == 0 {
                last
            } else {
                last + 1
            };
            let (container, what) = (container.to_string(), what.trim().to_string());
            self.steps.push(Step {
                rank,
                loose: word == "some",
                container,
                what,
            });
        }
        Some(())
    }

    /// Everything in which the run differs from what is expected; nothing if it lived as it should.
    #[must_use]
    pub fn differences(&self, output: &Output) -> Vec<String> {
        let seen = events(output);
        let mut wrong = compare::steps(&self.steps, &seen);
        wrong.extend(
            self.waits
                .iter()
                .filter_map(|wait| compare::wait(wait, &seen)),
        );
        if self.exit.is_some() && output.code != self.exit {
            wrong.push(format!(
                "exit code {:?}, expected {:?}",
                output.code, self.exit
            ));
        }
        match &output.status {
            Some(pod) => self.differences_of_status(pod, &mut wrong),
            None => wrong.push("no status file was written".into()),
        }
        wrong
    }

    fn differences_of_status(&self, pod: &Value, wrong: &mut Vec<String>) {
        let phase = status::phase(pod);
        if let Some(expected) = self.phase.as_ref().filter(|expected| **expected != phase) {
            wrong.push(format!("phase {phase}, expected {expected}"));
        }
        for (what, seen, expected) in [
            ("condition", status::conditions(pod), &self.conditions),
            ("container", status::containers(pod), &self.containers),
        ] {
            for line in expected.iter().filter(|line| !seen.contains(line)) {
                let key = line.split([' ', ':']).next().unwrap_or("");
                let found = seen
                    .iter()
                    .find(|other| other.split([' ', ':']).next() == Some(key));
                wrong.push(format!(
                    "{what} {}, expected {line}",
                    found.map_or("is missing", |found| found)
                ));
            }
        }
        for (name, expected) in &self.messages {
            let message = status::message(pod, name);
            if message.trim_end() != expected {
                wrong.push(format!(
                    "message of {name} is {message:?}, expected {expected:?}"
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests;
