//! A life as a person reads it: seconds, what was done, and because of what.

use std::fmt::Write as _;

use outrigger_lifecycle::{Fact, HookKind, Step};
use outrigger_pod::Pod;

use crate::Life;

/// One line a step or exit, times in seconds since acceptance; probes are left out.
#[must_use]
pub fn transcript(pod: &Pod, life: &Life) -> String {
    let mut text = String::new();
    let Some(start) = life.trace.first().map(|(time, _)| *time) else {
        return text;
    };
    for (time, fact) in &life.record {
        let line = match fact {
            Fact::Began(Step::Probe { .. }, _) => continue,
            Fact::Began(step, because) => format!("{:<32} {because}", words(pod, step)),
            Fact::Exited { slot, exit, .. } => {
                format!(
                    "{} exits {} ({})",
                    pod[*slot].name,
                    exit.code,
                    exit.reason.word()
                )
            }
            Fact::StartFailed { slot, failure, .. } => {
                format!("{} does not start: {}", pod[*slot].name, failure.reason)
            }
            Fact::SandboxLost => "the shim dies".to_owned(),
            Fact::NodeRestarted => "the node restarts".to_owned(),
            Fact::DeleteRequested { .. } => "deletion is asked for".to_owned(),
            _ => continue,
        };
        let ms = time.since_ms(start);
        let _ = writeln!(
            text,
            "{:>6}.{:03}  {}",
            ms / 1_000,
            ms % 1_000,
            line.trim_end()
        );
    }
    let _ = writeln!(text, "{:?}: {:?}", life.settled, life.status.phase);
    text
}

fn words(pod: &Pod, step: &Step) -> String {
    match step {
        Step::PrepareSandbox => "prepare sandbox".to_owned(),
        Step::Start { slot, attempt: 0 } => format!("start {}", pod[*slot].name),
        Step::Start { slot, attempt } => format!("start {} (restart {attempt})", pod[*slot].name),
        Step::RunHook {
            slot,
            hook: HookKind::PostStart,
            ..
        } => format!("postStart {}", pod[*slot].name),
        Step::RunHook {
            slot,
            hook: HookKind::PreStop,
            ..
        } => format!("preStop {}", pod[*slot].name),
        Step::Probe { slot, kind, .. } => format!("probe {} {}", pod[*slot].name, kind.word()),
        Step::Stop { slot, grace_ms, .. } => {
            format!("stop {} within {grace_ms} ms", pod[*slot].name)
        }
        Step::Signal { slot, left_ms, .. } => {
            format!("TERM {}, {left_ms} ms left", pod[*slot].name)
        }
        Step::Kill { slot, .. } => format!("KILL {}", pod[*slot].name),
        Step::BeginTeardown { .. } => "teardown begins".to_owned(),
        Step::BeginReset { source } => format!("all start anew, for {}", pod[*source].name),
        Step::FinishReset => "all are down".to_owned(),
        Step::ReleaseSandbox => "release sandbox".to_owned(),
    }
}
