//! What each line of a scenario's script means.

use std::str::SplitWhitespace;

use outrigger_pod::{ExitRule, Kind, Operator, Probe, ProbeKind, RestartPolicy, RuleAction, Slot};

use super::{Expectation, Reading};
use crate::{Build, OnSignal, Probing, Run, exec_probe};

/// A hook that takes this long outlives every Pod.
const ENDLESS_MS: u64 = 86_400_000;

/// The words of a line that have not been read.
type Words<'a> = SplitWhitespace<'a>;

/// Reads one line.
pub(super) fn read(reading: &mut Reading, line: &str) -> Result<(), String> {
    let mut words = line.split_whitespace();
    let Some(first) = words.next().filter(|word| !word.starts_with('#')) else {
        return Ok(());
    };
    match first {
        "pod" => return pod(reading, words),
        "init" => return container(reading, Kind::Init, line),
        "sidecar" => return container(reading, Kind::Sidecar, line),
        "main" => return container(reading, Kind::Main, line),
        "delete" => {
            let at = duration_ms(words.next())?;
            let grace_s = match words.next() {
                Some("grace") => Some(number(words.next())?),
                _ => None,
            };
            reading.faults.deletions.push((at, grace_s));
        }
        "kill-node" => {
            let (at, back) = (duration_ms(words.next())?, duration_ms(words.next())?);
            reading.faults.node_kills.push((at, back));
        }
        "kill-shim" => reading.faults.shim_kills.push(duration_ms(words.next())?),
        "silence" => {
            let (at, lasts) = (duration_ms(words.next())?, duration_ms(words.next())?);
            reading.faults.silences.push((at, lasts));
        }
        "sources" => {
            let at = duration_ms(words.next())?;
            reading.faults.source_changes.push(at);
        }
        "update" => {
            let at = duration_ms(words.next())?;
            let words = words.map(str::to_owned).collect();
            reading.updates.push((at, words));
        }
        "no-resize" => reading.faults.resize_failures = number(words.next())?,
        "no-sandbox" => reading.faults.sandbox_failures = number(words.next())?,
        "delay" => reading.faults.delay_ms = duration_ms(words.next())?,
        "expect" => {
            let at = duration_ms(words.next())?;
            let text = words.collect::<Vec<_>>().join(" ");
            reading.expectations.push(Expectation::At(at, text));
        }
        "never" => {
            let text = words.collect::<Vec<_>>().join(" ");
            reading.expectations.push(Expectation::Never(text));
        }
        other => return Err(format!("{other:?} begins no line")),
    }
    Ok(())
}

fn pod(reading: &mut Reading, mut words: Words<'_>) -> Result<(), String> {
    reading.build = Build::pod(policy(words.next())?);
    while let Some(word) = words.next() {
        let build = reading.build.clone();
        reading.build = match word {
            "grace" => build.grace_s(number(words.next())?),
            "deadline" => build.deadline_s(number(words.next())?),
            other => return Err(format!("a pod has no {other:?}")),
        };
    }
    Ok(())
}

fn container(reading: &mut Reading, kind: Kind, line: &str) -> Result<(), String> {
    let (declared, runs) = line.split_once(" : ").ok_or("no \" : \" before the runs")?;
    let mut words = declared.split_whitespace().skip(1);
    let name = words.next().ok_or("no name")?;
    let mut build = reading.build.clone().container(kind, name);
    let mut newest: Option<ProbeKind> = None;
    let rest: Vec<&str> = words.collect();
    let rest = rest.join(" ");
    let mut words = rest.split_whitespace();
    while let Some(word) = words.next() {
        let kind = match word {
            "startup" => Some(ProbeKind::Startup),
            "liveness" => Some(ProbeKind::Liveness),
            "readiness" => Some(ProbeKind::Readiness),
            _ => None,
        };
        build = match (kind, newest) {
            (Some(kind), _) => {
                newest = Some(kind);
                build.with(|c| *probe(&mut c.probes, kind) = Some(exec_probe(10, 3)))
            }
            (None, Some(kind)) if is_of_probe(word) => of_probe(build, kind, word, &mut words)?,
            (None, _) => of_container(build, word, &mut words)?,
        };
    }
    reading.build = build;
    let runs: Result<Vec<Run>, String> = runs.split(';').map(run).collect();
    reading.scripts.0.insert(Slot(reading.slots), runs?);
    reading.slots += 1;
    Ok(())
}

fn probe(probes: &mut outrigger_pod::Probes, kind: ProbeKind) -> &mut Option<Probe> {
    match kind {
        ProbeKind::Startup => &mut probes.startup,
        ProbeKind::Liveness => &mut probes.liveness,
        ProbeKind::Readiness => &mut probes.readiness,
    }
}

fn is_of_probe(word: &str) -> bool {
    matches!(word, "every" | "times" | "delay" | "grace" | "success")
}

fn of_probe(
    build: Build,
    kind: ProbeKind,
    word: &str,
    words: &mut Words<'_>,
) -> Result<Build, String> {
    let value: u32 = number(words.next())?;
    Ok(build.with(|container| {
        let Some(probe) = probe(&mut container.probes, kind) else {
            return;
        };
        match word {
            "every" => probe.period_s = value,
            "times" => probe.failure_threshold = value,
            "delay" => probe.initial_delay_s = value,
            "success" => probe.success_threshold = value,
            _ => probe.grace_s = Some(u64::from(value)),
        }
    }))
}

fn of_container(build: Build, word: &str, words: &mut Words<'_>) -> Result<Build, String> {
    match word {
        "sleeping" => Ok(build.sleeping()),
        "asking" => Ok(build.asking()),
        "restart-for" => {
            let resource = words.next().ok_or("no resource")?;
            Ok(build.restarted_for(resource))
        }
        "postStart" => Ok(build.post_start()),
        "preStop" => Ok(build.pre_stop()),
        "policy" => {
            let policy = policy(words.next())?;
            Ok(build.with(|container| container.restart_policy = Some(policy)))
        }
        "rule" => {
            let action = match words.next() {
                Some("Restart") => RuleAction::Restart,
                Some("RestartAllContainers") => RuleAction::RestartAllContainers,
                other => return Err(format!("{other:?} is no action")),
            };
            let operator = match words.next() {
                Some("In") => Operator::In,
                Some("NotIn") => Operator::NotIn,
                other => return Err(format!("{other:?} is no operator")),
            };
            let values: Result<Vec<i32>, String> = words
                .next()
                .unwrap_or_default()
                .split(',')
                .map(|value| number(Some(value)))
                .collect();
            let rule = ExitRule {
                action,
                operator,
                values: values?,
            };
            Ok(build.with(|container| container.restart_rules.push(rule)))
        }
        other => Err(format!("a container has no {other:?}")),
    }
}

pub(super) fn run(text: &str) -> Result<Run, String> {
    let mut run = Run::serves();
    let mut words = text.split_whitespace().peekable();
    while let Some(word) = words.next() {
        match word {
            "serves" => {}
            "exit" => {
                let code = number(words.next())?;
                run.ends = Some((duration_ms(words.next())?, code));
                run.on_signal = OnSignal::Ends(100, 143);
            }
            "term" => {
                let after_ms = duration_ms(words.next())?;
                run.on_signal = OnSignal::Ends(after_ms, number(words.next())?);
            }
            "deaf" => run.on_signal = OnSignal::Ignores,
            "oom" => run.oom = true,
            "up" => {
                run.up_after_ms = match words.next() {
                    Some("never") => None,
                    at => Some(duration_ms(at)?),
                }
            }
            "sick" => run.probing = Probing::FailsFrom(duration_ms(words.next())?),
            "well" => run.probing = Probing::GoodFrom(duration_ms(words.next())?),
            "postStart" | "preStop" => {
                let takes_ms = match words.next() {
                    Some("endless") => ENDLESS_MS,
                    takes => duration_ms(takes)?,
                };
                let good = words.next_if(|word| *word == "fails").is_none();
                match word {
                    "postStart" => run.post_start = (takes_ms, good),
                    _ => run.pre_stop = (takes_ms, good),
                }
            }
            "uncreatable" => run.creation = (false, false),
            "unrunnable" => run.creation = (true, false),
            other => return Err(format!("a run has no {other:?}")),
        }
    }
    Ok(run)
}

fn policy(word: Option<&str>) -> Result<RestartPolicy, String> {
    match word {
        Some("Always") => Ok(RestartPolicy::Always),
        Some("OnFailure") => Ok(RestartPolicy::OnFailure),
        Some("Never") => Ok(RestartPolicy::Never),
        other => Err(format!("{other:?} is no policy")),
    }
}

pub(super) fn number<T: std::str::FromStr>(word: Option<&str>) -> Result<T, String> {
    let text = word.unwrap_or_default();
    text.parse()
        .map_err(|_| format!("{text:?} is no such number"))
}

/// Seconds, such as `3` or `0.25`.
fn duration_ms(word: Option<&str>) -> Result<u64, String> {
    let text = word.unwrap_or_default();
    let (whole, rest) = text.split_once('.').unwrap_or((text, "0"));
    let ms = format!("{rest:0<3}");
    let seconds: u64 = number(Some(whole))?;
    Ok(seconds * 1_000 + number::<u64>(Some(&ms))?)
}
