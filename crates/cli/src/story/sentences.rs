//! Which words are found for what happened?

use std::collections::{BTreeMap, BTreeSet};

use outrigger_node::{Because, Ending, Fact, Life, Outcome, Step, StopCause, Telling, Time};
use outrigger_pod::{ProbeKind, Signal, Slot};

use super::Weight;
use super::words::{exited, hook_word, one_line, seconds};

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
            Fact::ShimSilent => Some(Told {
                slot: None,
                text: "its shim does not answer: nobody can tell how it is".to_owned(),
                weight: Weight::Warning,
            }),
            Fact::ShimAnswered => pod("its shim answers again".to_owned()),
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
            Step::KillShim => Some(Told {
                slot: None,
                text: format!("its shim is killed, and everything with it ({because})"),
                weight: Weight::Warning,
            }),
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
                warning(
                    slot,
                    format!("{word} probe could not be carried out: {problem}"),
                )
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
                let failed = seen.streak.filter(|(passed, _)| !passed);
                let count = failed.map_or(1, |(_, count)| count);
                probe_failed(slot, kind, (count, probe.failure_threshold), problem)
            }
            _ => None,
        }
    }
}

/// A line for the first failure of a row and for the one that decides.
fn probe_failed(
    slot: Slot,
    kind: ProbeKind,
    (count, limit): (u32, u32),
    problem: &str,
) -> Option<Told> {
    let word = kind.word().to_lowercase();
    let problem = one_line(problem);
    let colon = if problem.is_empty() { "" } else { ": " };
    if count == limit {
        let times = match limit {
            1 => String::new(),
            _ => format!(" {limit} times in a row"),
        };
        let unready = match kind {
            ProbeKind::Readiness => ", not ready",
            ProbeKind::Startup | ProbeKind::Liveness => "",
        };
        return warning(
            slot,
            format!("{word} probe failed{times}{unready}{colon}{problem}"),
        );
    }
    (count == 1)
        .then(|| {
            warning(
                slot,
                format!("{word} probe failed (1 of {limit}){colon}{problem}"),
            )
        })
        .flatten()
}

fn started_at(telling: &Telling<'_>, slot: Slot, attempt: u32) -> Option<Time> {
    let current = telling.seen.containers.get(slot.0)?.current.as_ref()?;
    match &current.life {
        Life::Exited { started, .. } if current.attempt == attempt => *started,
        _ => None,
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
