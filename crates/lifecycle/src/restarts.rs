//! Whether a container that ended runs again, and when: policies, exit rules, crash-loop back-off.

use outrigger_pod::{Container, Kind, Pod, RestartPolicy, RuleAction};

use crate::{BackOff, Exit, ExitReason, History, StopCause, Time};

/// The wait before the second restart in a row; each further one waits twice as long.
const INITIAL_MS: u64 = 10_000;
/// The longest wait.
const CAP_MS: u64 = 300_000;
/// How long after a failed creation (no instance came to be) it is tried again.
const RETRY_MS: u64 = 10_000;

/// How long after it, if ConfigMaps or Secrets have changed since: at once, but not a hundred times a second.
pub(crate) const RETRY_SOON_MS: u64 = 500;

/// Whether `container`, which ended with `exit`, is to run again.
///
/// `stopped_for` says what it was stopped for, if it was. After a kill by its startup or liveness
/// probe its policy counts but not its exit code: a container under OnFailure that answers SIGTERM
/// with exit code 0 did not succeed (kubelet: kill and start are one decision, taken before there
/// is an exit code). One that was stopped so as to be replaced runs again whatever its policy.
pub(crate) fn wanted(
    pod: &Pod,
    container: &Container,
    exit: &Exit,
    stopped_for: Option<StopCause>,
) -> bool {
    let failed =
        exit.code != 0 || (container.kind == Kind::Init && exit.reason == ExitReason::OomKilled);
    match container.kind {
        Kind::Sidecar => return true,
        Kind::Init if !failed => return false,
        Kind::Ephemeral => return false,
        Kind::Init | Kind::Main => {}
    }
    if matches!(
        stopped_for,
        Some(StopCause::DefinitionChanged | StopCause::Resize)
    ) {
        return true;
    }
    if container.restart_policy.is_some()
        && container.restart_rules.iter().any(|r| r.matches(exit.code))
    {
        return true;
    }
    match (policy(pod, container), container.kind) {
        (RestartPolicy::Never, _) => false,
        // An init container that failed is tried again under both: success is final either way.
        (_, Kind::Init) | (RestartPolicy::Always, _) => true,
        (RestartPolicy::OnFailure, _) => failed || matches!(stopped_for, Some(StopCause::Probe(_))),
    }
}

/// The policy that speaks for a container: its own, else the Pod's.
pub(crate) fn policy(pod: &Pod, container: &Container) -> RestartPolicy {
    match container.kind {
        Kind::Sidecar => RestartPolicy::Always,
        Kind::Ephemeral => RestartPolicy::Never,
        Kind::Init | Kind::Main => container.restart_policy.unwrap_or(pod.restart_policy),
    }
}

/// Whether an exit with `code` asks for a restart of all containers (KEP-5532): the first rule
/// that matches decides.
pub(crate) fn restarts_all(container: &Container, code: i32) -> bool {
    let first = container
        .restart_rules
        .iter()
        .find(|rule| rule.matches(code));
    first.is_some_and(|rule| rule.action == RuleAction::RestartAllContainers)
}

/// What the newest instance was stopped for, if it was.
pub(crate) fn stopped_for(history: &History) -> Option<StopCause> {
    let instance = history.current.as_ref()?;
    instance.stop.as_ref().map(|stop| stop.cause)
}

/// Whether the newest instance was killed so as to be started again at once.
fn killed_to_restart(history: &History) -> bool {
    matches!(
        stopped_for(history),
        Some(StopCause::Probe(_) | StopCause::DefinitionChanged | StopCause::Resize)
    )
}

/// When the next instance may be started, for a container that is to run.
pub(crate) fn due(history: &History) -> Time {
    if let Some((at, _)) = history.failure {
        let wait_ms = match history.sources_changed {
            true => RETRY_SOON_MS,
            false => RETRY_MS,
        };
        return at.plus_ms(wait_ms);
    }
    schedule(history).map_or(Time::default(), |schedule| schedule.start)
}

/// Keeps the back-off for a restart that begins at `now`.
pub(crate) fn note_start(history: &mut History, now: Time) {
    if history.failure.is_some() {
        return;
    }
    let Some(looked_at) = schedule(history).and_then(|schedule| schedule.looked_at) else {
        return;
    };
    let delay_ms = match running_back_off(history, looked_at) {
        Some(back_off) => (back_off.delay_ms.saturating_mul(2)).min(CAP_MS),
        None => INITIAL_MS,
    };
    history.back_off = Some(BackOff {
        delay_ms,
        updated: now,
    });
}

struct Schedule {
    start: Time,
    /// The exit that the back-off is reckoned from; none if this restart does not count.
    looked_at: Option<Time>,
}

/// The first restart is immediate, the following wait 10, 20, 40 … 300 s from the exit before
/// them. A restart after a kill for a probe, a new image or a resize is decided together with the kill, when the exit is still
/// to come: it is reckoned from the exit *before*, so that it is immediate unless that one was
/// recent, and the very first such restart does not count.
fn schedule(history: &History) -> Option<Schedule> {
    let older = history.previous.as_ref().map(|(_, exit)| exit.at);
    let Some(exit) = history.exit().map(|exit| exit.at) else {
        return older.map(|older| after(history, older));
    };
    if !killed_to_restart(history) {
        return Some(after(history, exit));
    }
    let Some(older) = older else {
        return Some(Schedule {
            start: exit,
            looked_at: None,
        });
    };
    if after(history, older).start <= exit {
        return Some(Schedule {
            start: exit,
            looked_at: Some(older),
        });
    }
    Some(after(history, exit))
}

fn after(history: &History, exit: Time) -> Schedule {
    let wait_ms = running_back_off(history, exit).map_or(0, |back_off| back_off.delay_ms);
    Schedule {
        start: exit.plus_ms(wait_ms),
        looked_at: Some(exit),
    }
}

/// The back-off, unless the run that ended at `exit` was long enough to forget it.
fn running_back_off(history: &History, exit: Time) -> Option<BackOff> {
    history
        .back_off
        .filter(|back_off| exit.since_ms(back_off.updated) <= 2 * CAP_MS)
}

#[cfg(test)]
mod tests;
