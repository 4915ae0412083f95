//! What did a run of the program show?

use std::time::Duration;

use serde_json::Value;

use crate::{Failure, LogLine};

/// Which of its two outputs a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Standard output: the containers' lines.
    Out,
    /// Standard error: the life of the Pod.
    Err,
}

/// A line as it arrived.
#[derive(Debug, Clone)]
pub struct Line {
    /// Where it came from.
    pub source: Source,
    /// When it arrived, since the start of the program.
    pub at: Duration,
    /// The line without its end.
    pub text: String,
}

/// What a run of the program left us to look at.
#[derive(Debug)]
pub struct Output {
    /// The exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// All its lines in the order of arrival.
    pub lines: Vec<Line>,
    /// From start to end.
    pub took: Duration,
    /// When it was started, in seconds since the epoch.
    pub began_s: f64,
    /// The containers' log lines by time.
    pub logs: Vec<LogLine>,
    /// The content of the status file.
    pub status: Option<Value>,
}

impl Output {
    /// The text of one of its outputs.
    #[must_use]
    pub fn text(&self, source: Source) -> String {
        let of: Vec<&str> = self
            .lines
            .iter()
            .filter(|line| line.source == source)
            .map(|line| line.text.as_str())
            .collect();
        of.join("\n")
    }

    /// Everything that was seen, for the text of a failure.
    #[must_use]
    pub fn shown(&self) -> String {
        format!(
            "exit code {:?} after {:?}\n{}",
            self.code,
            self.took,
            show(&self.lines)
        )
    }

    /// Fails unless it ended with this exit code.
    ///
    /// # Errors
    /// With everything that was seen.
    pub fn ended_with(self, code: i32) -> Result<Output, Failure> {
        crate::ensure!(
            self.code == Some(code),
            "exit code {code} was expected: {}",
            self.shown()
        );
        Ok(self)
    }
}

pub(crate) fn show(lines: &[Line]) -> String {
    let one = |line: &Line| {
        let mark = if line.source == Source::Out {
            "out"
        } else {
            "err"
        };
        format!("    {:8.3} {mark} {}", line.at.as_secs_f64(), line.text)
    };
    lines.iter().map(one).collect::<Vec<_>>().join("\n")
}
