//! A life as a person reads it: seconds, what was done and because of what, and below each
//! moment, indented, what changed in the Pod's status.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use outrigger_lifecycle::{
    Condition, ContainerStatus, Fact, HookKind, Outcome, State, Status, Step, Time,
};
use outrigger_pod::{Pod, ProbeKind, Slot};

use crate::Life;

/// One line a step or exit, times in seconds since acceptance. Of probes only changes are told.
#[must_use]
pub fn transcript(life: &Life) -> String {
    let pod = life.pod();
    let mut text = String::new();
    let Some(start) = life.record.first().map(|(time, _)| *time) else {
        return text;
    };
    let mut probed = BTreeMap::new();
    let mut statuses = life.statuses.iter().peekable();
    let mut before: Option<&Status> = None;
    for (index, (time, fact)) in life.record.iter().enumerate() {
        if let Some(line) = told(pod, fact, &mut probed) {
            let _ = writeln!(text, "{}  {}", clock(*time, start), line.trim_end());
        }
        while let Some((_, time, status)) = statuses.next_if(|(facts, ..)| *facts <= index + 1) {
            for line in changes(pod, before, status) {
                let _ = writeln!(text, "{}      {line}", clock(*time, start));
            }
            before = Some(status);
        }
    }
    let _ = writeln!(text, "{:?}: {:?}", life.settled, life.status.phase);
    text
}

fn clock(time: Time, start: Time) -> String {
    let ms = time.since_ms(start);
    format!("{:>6}.{:03}", ms / 1_000, ms % 1_000)
}

type Probed = BTreeMap<(Slot, u32, ProbeKind), bool>;

fn told(pod: &Pod, fact: &Fact, probed: &mut Probed) -> Option<String> {
    let line = match fact {
        Fact::Began(Step::Probe { .. }, _) => return None,
        Fact::Began(step, because) => format!("{:<32} {because}", words(pod, step)),
        Fact::Probed {
            slot,
            attempt,
            kind,
            outcome,
        } => {
            let good = matches!(outcome, Outcome::Success | Outcome::Warning(_));
            if probed.insert((*slot, *attempt, *kind), good) == Some(good) {
                return None;
            }
            let verb = if good { "succeeds" } else { "fails" };
            let kind = kind.word().to_lowercase();
            format!("{} {kind} probe {verb}", pod[*slot].name)
        }
        Fact::Exited { slot, exit, .. } => {
            let (name, reason) = (&pod[*slot].name, exit.reason.word());
            format!("{name} exits {} ({reason})", exit.code)
        }
        Fact::StartFailed { slot, failure, .. } => {
            format!("{} does not start: {}", pod[*slot].name, failure.reason)
        }
        Fact::HookEnded {
            slot, hook, result, ..
        } => {
            let verb = if result.is_ok() { "returns" } else { "fails" };
            format!("{} of {} {verb}", hook_word(*hook), pod[*slot].name)
        }
        Fact::SandboxFailed { reason, .. } => format!("no sandbox: {reason}"),
        Fact::SandboxLost => "the shim dies".to_owned(),
        Fact::ShimSilent => "the shim falls silent".to_owned(),
        Fact::ShimAnswered => "the shim answers again".to_owned(),
        Fact::SourcesChanged => "its sources change".to_owned(),
        Fact::NodeRestarted => "the node restarts".to_owned(),
        Fact::Updated => "the manifest is replaced".to_owned(),
        Fact::Resized { slot, result, .. } => match result {
            Ok(()) => format!("{} is resized", pod[*slot].name),
            Err(message) => format!("{} is not resized: {message}", pod[*slot].name),
        },
        Fact::DeleteRequested { .. } => "deletion is asked for".to_owned(),
        Fact::SandboxReady | Fact::SandboxReleased | Fact::Started { .. } => return None,
    };
    Some(line)
}

fn hook_word(hook: HookKind) -> &'static str {
    match hook {
        HookKind::PostStart => "postStart",
        HookKind::PreStop => "preStop",
    }
}

fn words(pod: &Pod, step: &Step) -> String {
    match step {
        Step::PrepareSandbox => "prepare sandbox".to_owned(),
        Step::Start { slot, attempt: 0 } => format!("start {}", pod[*slot].name),
        Step::Start { slot, attempt } => format!("start {} (restart {attempt})", pod[*slot].name),
        Step::RunHook { slot, hook, .. } => format!("{} {}", hook_word(*hook), pod[*slot].name),
        Step::Probe { slot, kind, .. } => format!("probe {} {}", pod[*slot].name, kind.word()),
        Step::Stop { slot, grace_ms, .. } => {
            format!("stop {} within {grace_ms} ms", pod[*slot].name)
        }
        Step::Resize { slot, .. } => format!("resize {}", pod[*slot].name),
        Step::Signal { slot, left_ms, .. } => {
            format!("TERM {}, {left_ms} ms left", pod[*slot].name)
        }
        Step::Kill { slot, .. } => format!("KILL {}", pod[*slot].name),
        Step::BeginTeardown { .. } => "teardown begins".to_owned(),
        Step::BeginReset { source } => format!("all start anew, for {}", pod[*source].name),
        Step::FinishReset => "all are down".to_owned(),
        Step::KillShim => "kill shim".to_owned(),
        Step::ReleaseSandbox => "release sandbox".to_owned(),
    }
}

/// What a status says that the one before it did not.
fn changes(pod: &Pod, before: Option<&Status>, status: &Status) -> Vec<String> {
    let mut of_the_pod = Vec::new();
    if before.is_none_or(|before| before.phase != status.phase) {
        of_the_pod.push(format!("{:?}", status.phase));
    }
    if before.is_none_or(|before| before.reason != status.reason) && !status.reason.is_empty() {
        of_the_pod.push(format!("reason {} ({})", status.reason, status.message));
    }
    let containers_ready = status
        .conditions
        .iter()
        .find(|c| c.kind == "ContainersReady");
    for condition in &status.conditions {
        let same = before.is_some_and(|before| before.conditions.contains(condition));
        // It says what ContainersReady says, unless the Pod has gates.
        let copy = condition.kind == "Ready"
            && containers_ready.is_some_and(|other| other.message == condition.message);
        if !same && !copy {
            of_the_pod.push(condition_words(condition));
        }
    }
    let mut lines = Vec::new();
    if !of_the_pod.is_empty() {
        lines.push(format!("pod: {}", of_the_pod.join(", ")));
    }
    for (slot, container) in pod.slots() {
        // A container that was added later has no status yet.
        let Some(now) = status.containers.get(slot.0).map(container_words) else {
            continue;
        };
        let then = before.and_then(|before| before.containers.get(slot.0));
        let then = then.map(container_words);
        if then.as_ref() != Some(&now) {
            lines.push(format!("{}: {now}", container.name));
        }
    }
    lines
}

fn condition_words(condition: &Condition) -> String {
    let holds = match (condition.unknown, condition.holds) {
        (true, _) => "Unknown",
        (false, true) => "True",
        (false, false) => "False",
    };
    let mut text = format!("{}={holds}", condition.kind);
    if !condition.reason.is_empty() {
        let _ = write!(text, ":{}", condition.reason);
    }
    if !condition.message.is_empty() {
        let _ = write!(text, " ({})", condition.message);
    }
    text
}

fn container_words(status: &ContainerStatus) -> String {
    let mut text = match &status.state {
        State::Waiting { reason, message } if message.is_empty() => format!("waiting {reason}"),
        State::Waiting { reason, message } => format!("waiting {reason} ({message})"),
        State::Running { .. } => "running".to_owned(),
        State::Terminated { exit, .. } => {
            format!("terminated {} {}", exit.reason.word(), exit.code)
        }
    };
    text.truncate(text.trim_end().len());
    if let Some((_, exit)) = &status.last {
        let _ = write!(text, ", last {} {}", exit.reason.word(), exit.code);
    }
    for (holds, word) in [(status.started, "started"), (status.ready, "ready")] {
        if holds {
            let _ = write!(text, ", {word}");
        }
    }
    if status.restart_count > 0 {
        let _ = write!(text, ", restarts {}", status.restart_count);
    }
    text
}
