//! Does a record explain itself? Whoever folds its lines and asks the planner of today at the times that
//! stand there must be told to take the very steps that were taken, in that order.

use std::collections::VecDeque;
use std::path::Path;

use outrigger_lifecycle::{Fact, Seen, Step, Time, plan};
use outrigger_pod::Pod;
use serde_json::Value;

use crate::{Failure, failed};

/// What was replayed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Replayed {
    /// How many records.
    pub records: usize,
    /// How many steps.
    pub steps: usize,
}

/// Replays all records below a daemon's `--root`, which must not run.
///
/// # Errors
/// If one of them tells of a step that the planner would not have taken.
pub fn replay_all(root: &Path) -> Result<Replayed, Failure> {
    let mut all = Replayed::default();
    for entry in std::fs::read_dir(root.join("lives")).into_iter().flatten() {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "jsonl") && path.is_file() {
            let text = std::fs::read_to_string(&path)?;
            all.steps += replay(&text)
                .map_err(|problem| failed(format!("{}: {problem}", path.display())))?;
            all.records += 1;
        }
    }
    Ok(all)
}

/// Replays a record; gives how many steps it tells of.
///
/// # Errors
/// The first line that cannot be explained.
pub fn replay(text: &str) -> Result<usize, String> {
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let mut life: Option<Life> = None;
    let mut steps = 0;
    for (number, line) in whole.lines().enumerate() {
        let at = |problem: String| format!("line {}: {problem}: {line}", number + 1);
        let line: Value = serde_json::from_str(line).map_err(|error| at(error.to_string()))?;
        match &mut life {
            None => life = Some(Life::begin(&line).map_err(at)?),
            Some(life) => steps += usize::from(life.take(&line).map_err(at)?),
        }
    }
    Ok(steps)
}

struct Life {
    pod: Pod,
    seen: Seen,
    /// Steps that were planned together and have not been taken up yet, and when.
    due: (Time, VecDeque<Step>),
}

impl Life {
    fn begin(line: &Value) -> Result<Life, String> {
        let pod = pod(&line["head"]["pod"])?;
        let accepted = decode(&line["head"]["accepted"])?;
        Ok(Life {
            seen: Seen::new(&pod, accepted),
            pod,
            due: (accepted, VecDeque::new()),
        })
    }

    /// Takes a line in; says whether it was a step.
    fn take(&mut self, line: &Value) -> Result<bool, String> {
        if let Some(snapshot) = line.get("snapshot") {
            self.seen = decode(&snapshot["seen"])?;
        } else if let Some(update) = line.get("update") {
            self.pod = pod(&update["pod"])?;
            let at = decode(&update["at"])?;
            self.seen.observe(&self.pod, at, &Fact::Updated);
        } else if let Some(line) = line.get("fact") {
            let (at, fact) = (decode(&line["at"])?, decode(&line["fact"])?);
            return self.observe(at, &fact);
        }
        Ok(false)
    }

    fn observe(&mut self, at: Time, fact: &Fact) -> Result<bool, String> {
        let step = match fact {
            Fact::Began(step, _) => Some(step),
            _ => None,
        };
        match step {
            Some(step) => {
                if self.due.1.is_empty() || self.due.0 != at {
                    let plan = plan(&self.pod, &self.seen, at);
                    self.due = (at, plan.steps.into_iter().map(|(step, _)| step).collect());
                }
                let expected = self.due.1.pop_front();
                if expected.as_ref() != Some(step) {
                    return Err(format!("the planner says {expected:?}"));
                }
            }
            // What was planned and not taken up was cut off with the daemon.
            None => self.due.1.clear(),
        }
        self.seen.observe(&self.pod, at, fact);
        Ok(step.is_some())
    }
}

fn pod(manifest: &Value) -> Result<Pod, String> {
    let manifest = decode(manifest)?;
    Pod::of_valid(manifest).map_err(|invalid| format!("the manifest is not valid: {invalid:?}"))
}

fn decode<T: serde::de::DeserializeOwned>(value: &Value) -> Result<T, String> {
    serde_json::from_value(value.clone()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::replay;

    const HEAD: &str = r#"{"head":{"accepted":5,"pod":{"apiVersion":"v1","kind":"Pod",
        "metadata":{"name":"p","namespace":"default","uid":"u"},
        "spec":{"containers":[{"name":"a","image":"i"}]}}}}"#;

    fn record(step: &str) -> String {
        let head = HEAD.replace('\n', " ");
        format!(
            "{head}\n{{\"fact\":{{\"at\":7,\"fact\":{{\"Began\":[{step},\"PodAccepted\"]}}}}}}\n{{\"fa"
        )
    }

    #[test]
    fn a_step_is_explained_only_if_the_planner_would_take_it() {
        assert_eq!(replay(&record("\"PrepareSandbox\"")), Ok(1));
        let wrong = replay(&record("\"FinishReset\"")).err();
        let wrong = wrong.unwrap_or_default();
        assert!(
            wrong.contains("the planner says Some(PrepareSandbox)"),
            "{wrong}"
        );
    }
}
