//! What a shim reports becomes facts: in its order, with the container's last words.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use outrigger_lifecycle::{Exit, ExitReason, Fact, Time};
use outrigger_pod::Slot;
use outrigger_wire::{Event, EventKind};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::adopt::Missed;
use crate::clock::stamped;
use crate::hands::{Hands, blocking};
use crate::logs::Source;
use crate::shim::{self, Shim};
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
        if let Some((at, fact)) = tell(&hands, &event).await {
            hands.report_event(event.seq, at, fact);
        }
    }
    // The stream ends with the shim. If we did not let it go ourselves, the Pod has lost it.
    let ours = || {
        let current = hands.shim();
        current.is_some_and(|current| Arc::ptr_eq(&current, &shim))
    };
    if ours() {
        // What is planned from here on takes it for dead, so it must not have hung up only.
        let socket = hands.dirs.socket();
        let killed = blocking(move || Ok(shim::kill_listener(&socket))).await;
        if let Ok(Some(pid)) = killed {
            tracing::warn!(pod = %hands.uid, pid, "a shim that had hung up was killed");
        }
    }
    if ours() {
        hands.lose_shim();
        end_logs(&hands);
        for (seq, at, fact) in unheard(&hands).await {
            hands.report_event(seq, at, fact);
        }
        hands.report(Fact::SandboxLost);
    }
}

/// What a shim that is gone wrote down before, and could tell nobody: an exit code that it has noted
/// is not lost with it.
pub(crate) async fn unheard(hands: &Arc<Hands>) -> Vec<Missed> {
    let (ledger, heard) = (hands.dirs.ledger(), hands.last_event());
    let events = blocking(move || Ok(shim::unheard(&ledger, heard))).await;
    let mut facts = Vec::new();
    for event in events.unwrap_or_default() {
        hands.took_event(event.seq);
        if let Some((at, fact)) = tell(hands, &event).await {
            facts.push((event.seq, at, fact));
        }
    }
    facts
}

/// What an event of the shim says, and when that was; nothing if it is about no instance of ours.
pub(crate) async fn tell(hands: &Arc<Hands>, event: &Event) -> Option<(Option<Time>, Fact)> {
    match &event.kind {
        EventKind::Started { container, .. } => {
            let (slot, attempt) = find(hands, container)?;
            Some((Some(stamped(event.at)), Fact::Started { slot, attempt }))
        }
        EventKind::Exited {
            container,
            code,
            oom_killed,
            message,
            ..
        } => {
            let (slot, attempt) = find(hands, container)?;
            let reason = match (oom_killed, code) {
                (true, _) => ExitReason::OomKilled,
                (false, 0) => ExitReason::Completed,
                (false, _) => ExitReason::Error,
            };
            let exit = Exit {
                at: stamped(event.at),
                code: *code,
                reason,
                message: last_words(hands, slot, attempt, *code, message.clone()).await,
            };
            let fact = Fact::Exited {
                slot,
                attempt,
                exit,
            };
            Some((None, fact))
        }
    }
}

/// Only the shim writes logs: without it, those of all instances are complete.
fn end_logs(hands: &Hands) {
    let Some(follower) = &hands.around.follower else {
        return;
    };
    let instances = hands
        .instances
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    for (slot, attempt) in instances.all() {
        let pod = hands.uid.clone();
        follower.end(Source { pod, slot }, attempt);
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

/// `told` is what the shim has read of them; an older one leaves that to us.
async fn last_words(
    hands: &Arc<Hands>,
    slot: Slot,
    attempt: u32,
    code: i32,
    told: Option<String>,
) -> String {
    let pod = hands.pod();
    let container = &pod[slot];
    let fall_back =
        container.spec.termination_message_policy.as_deref() == Some("FallbackToLogsOnError");
    let log = (fall_back && code != 0).then(|| hands.dirs.log(&container.name.0, attempt));
    let file = hands.dirs.termination(&container.name.0, attempt);
    let read = blocking(move || {
        let own = told.unwrap_or_else(|| termination::in_file(&file));
        Ok(termination::message(own, log.as_deref()))
    });
    let read = read.await;
    read.unwrap_or_default()
}

impl Hands {
    /// Releases what an ended instance holds, as soon as its end is recorded: what it leaves is part
    /// of that. The shim's events up to `last_seq` are, too, and need not be kept by it any more.
    pub(crate) fn clear_away(self: &Arc<Hands>, slot: Slot, attempt: u32, last_seq: u64) {
        if let Some(shim) = self.shim() {
            let clear = clear_away(Arc::clone(self), Some((shim, last_seq)), slot, attempt);
            tokio::spawn(clear);
        }
    }

    /// Releases what an instance left that ended under an earlier node; `held` says whether the shim
    /// still has it.
    pub(crate) fn clear_leftovers(self: &Arc<Hands>, slot: Slot, attempt: u32, held: bool) {
        let name = self.pod()[slot].name.0.clone();
        let trees = self.dirs.instance_trees(&name, attempt);
        if held || trees.iter().any(|tree| tree.symlink_metadata().is_ok()) {
            let shim = self.shim().filter(|_| held).map(|shim| (shim, 0));
            tokio::spawn(clear_away(Arc::clone(self), shim, slot, attempt));
        }
    }
}

/// The newest of the shim's events that is safe in the Pod's record, if that was `last_seq`.
fn recorded(hands: &Hands, last_seq: u64) -> u64 {
    let whole = hands.record().is_some_and(|it| it.retry_after().is_none());
    if whole { last_seq } else { 0 }
}

/// Releases what an ended instance holds: its root file system, its cgroup, its directories.
async fn clear_away(hands: Arc<Hands>, shim: Option<(Arc<Shim>, u64)>, slot: Slot, attempt: u32) {
    hands.settled().await;
    if let Some(follower) = &hands.around.follower {
        let pod = hands.uid.clone();
        follower.end(Source { pod, slot }, attempt);
    }
    let Some((id, _)) = hands.instance(slot, attempt) else {
        return;
    };
    // The shim does one thing after the other, and removing cgroups can take it 10 ms: what this
    // exit has made ready to start goes first.
    tokio::time::sleep(CLEAR_AWAY_AFTER).await;
    if let Some((shim, last_seq)) = shim
        && shim.remove(id, recorded(&hands, last_seq)).await.is_err()
    {
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
