//! What a shim reports becomes facts: in its order, with the container's last words.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use outrigger_lifecycle::{Exit, ExitReason, Fact, Time};
use outrigger_pod::Slot;
use outrigger_wire::{Event, EventKind};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::hands::{Hands, blocking};
use crate::logs::Source;
use crate::shim::Shim;
use crate::{release, termination};

/// How long an ended instance's things may lie about, so that clearing them away is in nobody's way.
const CLEAR_AWAY_AFTER: Duration = Duration::from_millis(50);

/// Follows a shim's events to their end.
pub(crate) async fn follow(
    hands: Arc<Hands>,
    shim: Arc<Shim>,
    mut events: UnboundedReceiver<Event>,
) {
    while let Some(event) = events.recv().await {
        hands.took_event(event.seq);
        match event.kind {
            EventKind::Started { container, .. } => {
                let known = find(&hands, &container);
                if let Some((slot, attempt)) = known {
                    hands.report_at(Time(event.at.boot_ns), Fact::Started { slot, attempt });
                }
            }
            EventKind::Exited {
                container,
                code,
                oom_killed,
                ..
            } => {
                if let Some((slot, attempt)) = find(&hands, &container) {
                    let reason = match (oom_killed, code) {
                        (true, _) => ExitReason::OomKilled,
                        (false, 0) => ExitReason::Completed,
                        (false, _) => ExitReason::Error,
                    };
                    let message = last_words(&hands, slot, attempt, code).await;
                    let exit = Exit {
                        at: Time(event.at.boot_ns),
                        code,
                        reason,
                        message,
                    };
                    hands.report(Fact::Exited {
                        slot,
                        attempt,
                        exit,
                    });
                    tokio::spawn(clear_away(
                        Arc::clone(&hands),
                        Arc::clone(&shim),
                        slot,
                        attempt,
                    ));
                }
            }
        }
    }
    // The stream ends with the shim. If we did not let it go ourselves, the Pod has lost it.
    let ours = hands
        .shim()
        .is_some_and(|current| Arc::ptr_eq(&current, &shim));
    if ours {
        hands.lose_shim();
        end_logs(&hands);
        hands.report(Fact::SandboxLost);
    }
}

/// Only the shim writes logs: without it, those of all instances are complete.
fn end_logs(hands: &Hands) {
    let instances = hands
        .instances
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    for (slot, attempt) in instances.all() {
        let pod = hands.pod.uid.clone();
        hands.around.follower.end(Source { pod, slot }, attempt);
    }
}

fn find(hands: &Hands, id: &str) -> Option<(Slot, u32)> {
    let instances = hands
        .instances
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    instances
        .by_id(id)
        .map(|(slot, attempt, _)| (slot, attempt))
}

async fn last_words(hands: &Arc<Hands>, slot: Slot, attempt: u32, code: i32) -> String {
    let container = &hands.pod[slot];
    let fall_back =
        container.spec.termination_message_policy.as_deref() == Some("FallbackToLogsOnError");
    let log = (fall_back && code != 0).then(|| hands.dirs.log(&container.name.0, attempt));
    let file = hands.dirs.termination(&container.name.0, attempt);
    let read = blocking(move || Ok(termination::message(&file, log.as_deref()))).await;
    read.unwrap_or_default()
}

/// Releases what an ended instance holds: its root file system, its cgroup, its directories.
async fn clear_away(hands: Arc<Hands>, shim: Arc<Shim>, slot: Slot, attempt: u32) {
    let source = Source {
        pod: hands.pod.uid.clone(),
        slot,
    };
    hands.around.follower.end(source, attempt);
    let Some((id, _)) = hands.instance(slot, attempt) else {
        return;
    };
    // The shim does one thing after the other, and removing cgroups can take it 10 ms: what this
    // exit has made ready to start goes first.
    tokio::time::sleep(CLEAR_AWAY_AFTER).await;
    let removed = shim.remove(id).await;
    if removed.is_err() {
        // The release of the whole Pod tries again, and tells.
        return;
    }
    release::instance(&hands, slot, attempt).await;
    let mut instances = hands
        .instances
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    instances.forget_before(slot, attempt.saturating_sub(2));
}
