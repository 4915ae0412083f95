//! How does a Pod go that was never taken up? Somebody has asked for its deletion, and its record tells nothing:
//! its containers get the signal TERM and the time that was asked for, and then everything of it is ended and
//! removed, the record too.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use outrigger_pod::PodUid;
use outrigger_wire::{Event, EventKind};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::adopt::ANSWER_WITHIN;
use crate::directories::{PodDirectories, claim, disclaim};
use crate::hands::{Surroundings, blocking, chain};
use crate::lock::PodLock;
use crate::sandbox::{self, until_gone};
use crate::shim::{Greeted, Reaching, Shim, kill_listener};
use crate::{record, release, sweep};

/// How long such a shim may take to release the Pod.
const RELEASED_WITHIN: Duration = Duration::from_secs(20);
/// After how long what could not be removed is tried again at first; the time doubles each time.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// The longest time between two trials.
const AGAIN_AT_MOST: Duration = Duration::from_secs(60);
/// The signal TERM: which one the image asks for is not known.
const TERM: i32 = 15;

/// Where a Pod's cgroup can be below the node's; its class stands in its manifest only.
const CLASSES: [&str; 3] = ["", "/burstable", "/besteffort"];

/// Ends and removes a Pod that was not taken up. It comes back when nothing is left; what is in the way, such as
/// another process that has the Pod's lock, is waited for.
pub(crate) async fn discard(uid: PodUid, grace: Duration, around: Arc<Surroundings>) {
    let mut pause = AGAIN_AFTER;
    let mut grace = grace;
    loop {
        let left = discard_once(&uid, grace, &around).await;
        if left.is_empty() {
            return;
        }
        tracing::error!(pod = %uid, left = %left.join("; "), "left behind; it is tried again");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(AGAIN_AT_MOST);
        grace = Duration::ZERO;
    }
}

async fn discard_once(uid: &PodUid, grace: Duration, around: &Arc<Surroundings>) -> Vec<String> {
    if !sweep::is_plain(&uid.0) {
        return Vec::new();
    }
    let dirs = around.settings.directories.of_uid(uid, PathBuf::new());
    let (file, state) = (dirs.lock(), dirs.state.clone());
    let locked = blocking(move || {
        let lock = PodLock::take(&file, false)?;
        claim(&state, 0o700)?;
        Ok(lock)
    });
    let lock = match locked.await {
        Ok(lock) => lock,
        Err(problem) => return vec![problem],
    };
    // Without a ledger there is no shim, and none has left anything.
    let left = match dirs.ledger().symlink_metadata().is_ok() {
        true => end(uid, &dirs, grace, around).await,
        false => Vec::new(),
    };
    // What is left has its ledger, by which the next daemon finds it.
    match left.is_empty() {
        true => remove(uid.clone(), dirs, around, lock).await,
        false => left,
    }
}

/// Ends the processes of a Pod of which nothing is known, and removes its cgroup; gives what is left.
pub(crate) async fn end(
    uid: &PodUid,
    dirs: &PodDirectories,
    grace: Duration,
    around: &Surroundings,
) -> Vec<String> {
    let socket = dirs.socket();
    let greeting = Shim::connect(&socket, 0);
    match tokio::time::timeout(ANSWER_WITHIN, greeting).await {
        Ok(Ok(greeted)) => {
            let shim = ask_to_end(greeted, grace).await;
            if let Ok(left) = shim.release_within(RELEASED_WITHIN).await {
                return left;
            }
        }
        Ok(Err(Reaching::Gone)) => {}
        Err(_) | Ok(Err(Reaching::Busy | Reaching::Stranger(_))) => {
            kill_listener(&socket);
        }
    }
    until_gone(&socket).await;
    // Nobody reads the events any more, and a damaged ledger would keep the next shim from its work.
    if let Err(error) = crate::own_file::empty(&dirs.ledger()) {
        return vec![format!("empty {}: {error}", dirs.ledger().display())];
    }
    let mut left = Vec::new();
    for class in CLASSES {
        let cgroup = format!("{}{class}/pod{uid}", around.settings.cgroup);
        match sandbox::take_over_cgroup(&around.settings.shim, dirs, cgroup).await {
            Ok(more) => left.extend(more),
            Err(problem) => left.push(problem),
        }
    }
    left
}

/// Gives the containers the signal, and time until they have ended.
async fn ask_to_end(greeted: Greeted, grace: Duration) -> Shim {
    let Greeted {
        shim,
        containers,
        missed,
        mut events,
        ..
    } = greeted;
    let ended: Vec<String> = missed.into_iter().filter_map(ended).collect();
    let mut running: Vec<String> = containers
        .into_iter()
        .filter(|id| !ended.contains(id))
        .collect();
    if !grace.is_zero() {
        for id in &running {
            // One that cannot be signalled is killed when its time is over.
            shim.signal(id.clone(), TERM).await.ok();
        }
        let all = until_ended(&mut running, &mut events);
        tokio::time::timeout(grace, all).await.ok();
    }
    shim
}

/// Waits until all of them have ended, or their shim has.
async fn until_ended(running: &mut Vec<String>, events: &mut UnboundedReceiver<Event>) {
    while !running.is_empty() {
        let Some(event) = events.recv().await else {
            return;
        };
        let gone = ended(event);
        running.retain(|id| gone.as_ref() != Some(id));
    }
}

fn ended(event: Event) -> Option<String> {
    match event.kind {
        EventKind::Exited { container, .. } => Some(container),
        EventKind::Started { .. } => None,
    }
}

/// Removes what it has on the disk; gives what is left.
async fn remove(
    uid: PodUid,
    dirs: PodDirectories,
    around: &Arc<Surroundings>,
    lock: PodLock,
) -> Vec<String> {
    let around = Arc::clone(around);
    let removed = blocking(move || {
        let directories = &around.settings.directories;
        let mut trees = sweep::logs_of(&directories.logs, &uid.0);
        trees.extend([dirs.state, dirs.root]);
        let mut left = release::remove(&trees);
        let images = around.images.release(&uid.0);
        left.extend(images.err().map(|error| chain(&error)));
        if left.is_empty() {
            left.extend(record::remove(&directories.root, &uid.0).err());
        }
        if left.is_empty() {
            left.extend(lock.remove().err());
            trees
                .iter()
                .filter_map(|tree| tree.parent())
                .for_each(disclaim);
        }
        Ok(left)
    });
    removed.await.unwrap_or_else(|problem| vec![problem])
}
