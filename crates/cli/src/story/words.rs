//! The words for things that stand in several sentences.

use outrigger_node::{ExitReason, Finished, HookKind, Phase, State};
use outrigger_pod::{Kind, Pod, Signal};

use super::Weight;

/// The longest text of a stranger that is shown.
const SHOWN_CHARS: usize = 300;

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
pub(super) fn exited(code: i32, reason: ExitReason, ran_ms: Option<u64>, message: &str) -> String {
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

/// As the manifest spells it.
pub(super) fn hook_word(hook: HookKind) -> &'static str {
    match hook {
        HookKind::PostStart => "postStart",
        HookKind::PreStop => "preStop",
    }
}

/// `7 ms`, `0.3 s`, `12 s`, `2 min 5 s`.
pub(super) fn seconds(ms: u64) -> String {
    match ms {
        1..100 => format!("{ms} ms"),
        100..60_000 if ms % 1000 >= 100 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        0..120_000 => format!("{} s", ms / 1000),
        _ => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1000),
    }
}
