//! Which words are found for what happened?

use std::collections::{BTreeMap, BTreeSet};

use outrigger_node::{
    Because, Ending, ExitReason, Fact, Finished, HookKind, Outcome, Phase, State, Step, StopCause,
    Telling,
};
use outrigger_pod::{Kind, Pod, ProbeKind, Signal, Slot};

use super::Weight;

/// The longest text of a stranger that is shown.
const SHOWN_CHARS: usize = 300;

/// A line to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// About which container; `None` for the Pod.
    pub(super) slot: Option<Slot>,
    /// In words.
    pub(super) text: String,
    /// How important it is.
    pub(super) weight: Weight,
}

/// What must be remembered of one Pod to tell its facts well.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Why the newest start of each container was begun.
    starts: BTreeMap<Slot, Because>,
    /// The verdict of each probe that was told last, with its instance.
    verdicts: BTreeMap<(Slot, ProbeKind), (u32, bool)>,
    /// The probes that could not be carried out, by instance.
    errors: BTreeSet<(Slot, ProbeKind, u32)>,
}

impl Memory {
    /// The line for a fact, if it deserves one.
    pub(super) fn tell(&mut self, telling: &Telling<'_>) -> Option<Told> {
        match telling.fact {
            Fact::Began(step, because) => self.began(step, because, telling.stop_signal),
            Fact::SandboxFailed { reason, message } => error(
                None,
                format!("cannot be prepared: {reason}: {}", one_line(message)),
            ),
            Fact::SandboxLost => error(
                None,
                "its shim is gone, and every process of the pod with it".to_owned(),
            ),
            Fact::Started { slot, attempt } => plain(*slot, self.started(*slot, *attempt)),
            Fact::StartFailed { slot, failure, .. } => error(
                Some(*slot),
                format!(
                    "cannot start: {}: {}",
                    failure.reason,
                    one_line(&failure.message)
                ),
            ),
            Fact::Exited {
                slot,
                attempt,
                exit,
            } => {
                let ran_ms =
                    started_at(telling, *slot, *attempt).map(|since| exit.at.since_ms(since));
                let weight = if exit.code == 0 {
                    Weight::Plain
                } else {
                    Weight::Warning
                };
                Some(Told {
                    slot: Some(*slot),
                    text: exited(exit.code, exit.reason, ran_ms, &exit.message),
                    weight,
                })
            }
            Fact::HookEnded {
                slot, hook, result, ..
            } => match result {
                Ok(()) => plain(*slot, format!("{} hook is done", hook_word(*hook))),
                Err(problem) => warning(
                    *slot,
                    format!("{} hook failed: {}", hook_word(*hook), one_line(problem)),
                ),
            },
            Fact::Probed {
                slot,
                attempt,
                kind,
                outcome,
            } => self.probed(telling, *slot, *attempt, *kind, outcome),
            Fact::DeleteRequested { grace_s: None } => pod("deletion is asked for".to_owned()),
            Fact::DeleteRequested { grace_s: Some(0) } => {
                pod("deletion is asked for, without grace".to_owned())
            }
            Fact::DeleteRequested {
                grace_s: Some(grace_s),
            } => pod(format!("deletion is asked for within {grace_s} s")),
            _ => None,
        }
    }

    fn began(
        &mut self,
        step: &Step,
        because: &Because,
        stop_signal: Option<Signal>,
    ) -> Option<Told> {
        match step {
            Step::PrepareSandbox if *because == Because::SandboxMissing => {
                pod("is prepared once more".to_owned())
            }
            Step::Start { slot, .. } => {
                self.starts.insert(*slot, because.clone());
                None
            }
            Step::RunHook { slot, hook, .. } => {
                plain(*slot, format!("{} hook runs", hook_word(*hook)))
            }
            Step::Stop { slot, cause, .. } if *cause != StopCause::Teardown => {
                warning(*slot, format!("is to stop: {because}"))
            }
            Step::Signal { slot, left_ms, .. } => {
                let signal = stop_signal.unwrap_or(Signal::TERM);
                let left = seconds(*left_ms);
                plain(
                    *slot,
                    format!("{signal} sent, {left} until SIGKILL ({because})"),
                )
            }
            Step::Kill { slot, .. } => warning(*slot, format!("SIGKILL sent ({because})")),
            Step::BeginTeardown { ending, grace_ms } => {
                let text = format!("ends: {because}; grace period {}", seconds(*grace_ms));
                let weight = if *ending == Ending::MainsDone {
                    Weight::Plain
                } else {
                    Weight::Warning
                };
                Some(Told {
                    slot: None,
                    text,
                    weight,
                })
            }
            Step::BeginReset { .. } => pod(format!("all containers start anew: {because}")),
            _ => None,
        }
    }

    fn started(&self, slot: Slot, attempt: u32) -> String {
        let because = match self.starts.get(&slot) {
            Some(because) => format!(" ({because})"),
            None => String::new(),
        };
        match attempt {
            0 => format!("started{because}"),
            again => format!("started again, restart {again}{because}"),
        }
    }

    fn probed(
        &mut self,
        telling: &Telling<'_>,
        slot: Slot,
        attempt: u32,
        kind: ProbeKind,
        outcome: &Outcome,
    ) -> Option<Told> {
        let probe = telling.pod[slot].probes.get(kind)?;
        let current = telling.seen.containers.get(slot.0)?.current.as_ref()?;
        let seen = &current.probes[ProbeKind::ALL.iter().position(|known| *known == kind)?];
        let word = kind.word().to_lowercase();
        let verdict = seen.verdict.unwrap_or(kind == ProbeKind::Liveness);
        let told = self.verdicts.insert((slot, kind), (attempt, verdict));
        let told = told
            .filter(|(known, _)| *known == attempt)
            .map(|(_, verdict)| verdict);
        match outcome {
            // A probe that meets the container's end cannot be carried out, and that says nothing.
            // Only one that fails so again is worth a line.
            Outcome::Error(problem) if !self.errors.insert((slot, kind, attempt)) => {
                let problem = one_line(problem);
                warning(slot, format!("{word} probe could not be carried out: {problem}"))
            }
            Outcome::Warning(text) if told != Some(true) => warning(
                slot,
                format!("{word} probe passed with a warning: {}", one_line(text)),
            ),
            Outcome::Success if verdict && told != Some(true) && kind != ProbeKind::Liveness => {
                let ready = if kind == ProbeKind::Readiness {
                    ": ready"
                } else {
                    ""
                };
                plain(slot, format!("{word} probe passed{ready}"))
            }
            Outcome::Failure(problem) => {
                let (_, count) = seen
                    .streak
                    .filter(|(passed, _)| !passed)
                    .unwrap_or((false, 1));
                let limit = probe.failure_threshold;
                let problem = one_line(problem);
                let colon = if problem.is_empty() { "" } else { ": " };
                if count == limit {
                    let times =
                        if limit == 1 { String::new() } else { format!(" {limit} times in a row") };
                    let unready = if kind == ProbeKind::Readiness { ", not ready" } else { "" };
                    warning(slot, format!("{word} probe failed{times}{unready}{colon}{problem}"))
                } else if count == 1 {
                    warning(
                        slot,
                        format!("{word} probe failed (1 of {limit}){colon}{problem}"),
                    )
                } else {
                    None
                }
            }
            _ => None,
        }
    }
}

/// What was taken up.
pub(super) fn accepted(pod: &Pod) -> String {
    let list = |containers: Vec<&str>| containers.join(", ");
    let before = pod
        .containers
        .iter()
        .filter(|c| c.kind != Kind::Main)
        .map(|c| c.name.0.as_str())
        .collect::<Vec<_>>();
    let mains = list(
        pod.of_kind(Kind::Main)
            .map(|(_, container)| container.name.0.as_str())
            .collect(),
    );
    if before.is_empty() {
        format!("{}/{} accepted: {mains}", pod.namespace, pod.name)
    } else {
        format!(
            "{}/{} accepted: {}, then {mains}",
            pod.namespace,
            pod.name,
            list(before)
        )
    }
}

/// How a container ended.
fn exited(code: i32, reason: ExitReason, ran_ms: Option<u64>, message: &str) -> String {
    let how = match (reason, code) {
        (ExitReason::OomKilled, _) => format!("ran out of memory and was killed, exit code {code}"),
        (_, 129..=192) => format!("ended by {}, exit code {code}", Signal(code - 128)),
        _ => format!("exited with {code}"),
    };
    let after = ran_ms
        .map(|ms| format!(" after {}", seconds(ms)))
        .unwrap_or_default();
    let message = one_line(message);
    if message.is_empty() {
        format!("{how}{after}")
    } else {
        format!("{how}{after}: {message}")
    }
}

/// That a container waits before it is started again.
pub(super) fn back_off(message: &str) -> String {
    // The planner's message is the kubelet's: `back-off 40s restarting failed container=…`.
    match message.split_whitespace().nth(1) {
        Some(wait) => format!("restarts after a back-off of {wait}"),
        None => "restarts after a back-off".to_owned(),
    }
}

/// The Pod's end and why.
pub(super) fn outcome(end: &Finished) -> (String, Weight) {
    let exits = || {
        end.pod.slots().filter_map(|(slot, container)| {
            match &end.status.containers.get(slot.0)?.state {
                State::Terminated { exit, .. } => Some((container, exit)),
                _ => None,
            }
        })
    };
    match end.status.phase {
        Phase::Succeeded => (
            "Succeeded: every main container exited with 0".to_owned(),
            Weight::Plain,
        ),
        _ if !end.status.reason.is_empty() => (
            format!(
                "Failed: {}: {}",
                end.status.reason,
                one_line(&end.status.message)
            ),
            Weight::Error,
        ),
        _ => {
            let mains =
                exits().filter(|(container, exit)| container.kind == Kind::Main && exit.code != 0);
            let first = mains.min_by_key(|(_, exit)| exit.at);
            let init =
                || exits().find(|(container, exit)| container.kind == Kind::Init && exit.code != 0);
            let why = match first.or_else(init) {
                Some((container, exit)) => format!(
                    "{} {}",
                    container.name,
                    exited(exit.code, exit.reason, None, "")
                ),
                None => "it was over before every main container had exited with 0".to_owned(),
            };
            (format!("Failed: {why}"), Weight::Error)
        }
    }
}

/// Text of a stranger in one line, without control characters, and not too long.
pub(super) fn one_line(text: &str) -> String {
    let words: Vec<&str> = text
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|w| !w.is_empty())
        .collect();
    let line = words.join(" ");
    match line.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

fn started_at(telling: &Telling<'_>, slot: Slot, attempt: u32) -> Option<outrigger_node::Time> {
    let current = telling.seen.containers.get(slot.0)?.current.as_ref()?;
    match &current.life {
        outrigger_node::Life::Exited { started, .. } if current.attempt == attempt => *started,
        _ => None,
    }
}

fn hook_word(hook: HookKind) -> &'static str {
    match hook {
        HookKind::PostStart => "postStart",
        HookKind::PreStop => "preStop",
    }
}

/// `7 ms`, `0.3 s`, `12 s`, `2 min 5 s`.
fn seconds(ms: u64) -> String {
    match ms {
        1..100 => format!("{ms} ms"),
        100..60_000 if ms % 1000 >= 100 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        0..120_000 => format!("{} s", ms / 1000),
        _ => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1000),
    }
}

fn pod(text: String) -> Option<Told> {
    Some(Told {
        slot: None,
        text,
        weight: Weight::Plain,
    })
}

fn plain(slot: Slot, text: String) -> Option<Told> {
    Some(Told {
        slot: Some(slot),
        text,
        weight: Weight::Plain,
    })
}

fn warning(slot: Slot, text: String) -> Option<Told> {
    Some(Told {
        slot: Some(slot),
        text,
        weight: Weight::Warning,
    })
}

fn error(slot: Option<Slot>, text: String) -> Option<Told> {
    Some(Told {
        slot,
        text,
        weight: Weight::Error,
    })
}
