//! A scenario as a person writes it: a Pod, how its containers behave, what happens to it, and
//! what must come of it. `scenarios/README.md` tells how to write one.

mod lines;
mod updates;

use std::fmt;

use outrigger_pod::{Pod, RestartPolicy};

use crate::{Build, Faults, Life, Scripts, live};

/// The line between a scenario's script and its transcript.
const RULE: &str = "----";
/// How far from its time an expected line may stand, in milliseconds.
const TOLERANCE_MS: u64 = 250;

/// A scenario.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// The Pod.
    pub pod: Pod,
    /// How its containers behave.
    pub scripts: Scripts,
    /// What happens to it.
    pub faults: Faults,
    /// What must be in its transcript, and what must not.
    pub expectations: Vec<Expectation>,
    /// The script as it was written.
    pub script: String,
    /// The transcript that stands below it.
    pub transcript: String,
}

/// Something that a transcript must or must not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expectation {
    /// A line with this text at this many milliseconds.
    At(u64, String),
    /// No line with this text.
    Never(String),
}

/// A script that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadScenario {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: String,
}

impl fmt::Display for BadScenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl std::error::Error for BadScenario {}

impl Scenario {
    /// Reads a scenario's file.
    ///
    /// # Errors
    /// When a line of the script cannot be read.
    pub fn read(text: &str) -> Result<Scenario, BadScenario> {
        let (script, transcript) = text
            .split_once(&format!("\n{RULE}\n"))
            .unwrap_or((text.trim_end(), ""));
        let mut reading = Reading::default();
        for (index, line) in script.lines().enumerate() {
            let bad = |what| BadScenario {
                line: index + 1,
                what,
            };
            lines::read(&mut reading, line).map_err(bad)?;
        }
        updates::apply(&mut reading).map_err(|what| BadScenario {
            line: script.lines().count(),
            what,
        })?;
        Ok(Scenario {
            pod: reading.build.done(),
            scripts: reading.scripts,
            faults: reading.faults,
            expectations: reading.expectations,
            script: script.to_owned(),
            transcript: transcript.to_owned(),
        })
    }

    /// Lives it.
    #[must_use]
    pub fn live(&self) -> Life {
        live(&self.pod, self.scripts.clone(), &self.faults, 1)
    }

    /// The file that it is, with `transcript` below its script.
    #[must_use]
    pub fn file(&self, transcript: &str) -> String {
        format!("{}\n{RULE}\n{transcript}", self.script)
    }

    /// What of its expectations `transcript` does not keep.
    #[must_use]
    pub fn unmet(&self, transcript: &str) -> Vec<String> {
        let lines: Vec<(u64, String)> = transcript.lines().filter_map(timed).collect();
        let mut unmet = Vec::new();
        for expectation in &self.expectations {
            match expectation {
                Expectation::At(ms, text) => {
                    let said = lines.iter().any(|(at, line)| {
                        at.abs_diff(*ms) <= TOLERANCE_MS && line.contains(text.as_str())
                    });
                    if !said {
                        unmet.push(format!("nothing like {text:?} at {ms} ms"));
                    }
                }
                Expectation::Never(text) => {
                    let said = lines.iter().find(|(_, line)| line.contains(text.as_str()));
                    if let Some((at, line)) = said {
                        unmet.push(format!("{line:?} at {at} ms, but never {text:?}"));
                    }
                }
            }
        }
        unmet
    }
}

/// A line of a transcript: its time in milliseconds and its words, one space between them.
fn timed(line: &str) -> Option<(u64, String)> {
    let mut words = line.split_whitespace();
    let (seconds, ms) = words.next()?.split_once('.')?;
    let at = seconds.parse::<u64>().ok()? * 1_000 + ms.parse::<u64>().ok()?;
    Some((at, words.collect::<Vec<_>>().join(" ")))
}

/// What has been read so far.
struct Reading {
    build: Build,
    scripts: Scripts,
    faults: Faults,
    expectations: Vec<Expectation>,
    slots: usize,
    /// When the manifest is changed, and how, in the words of the script.
    updates: Vec<(u64, Vec<String>)>,
}

impl Default for Reading {
    fn default() -> Reading {
        Reading {
            build: Build::pod(RestartPolicy::Always),
            scripts: Scripts::default(),
            faults: Faults::default(),
            expectations: Vec::new(),
            slots: 0,
            updates: Vec::new(),
        }
    }
}
