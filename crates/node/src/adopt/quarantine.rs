//! What becomes of a Pod whose record tells nothing? The record is put aside, and everything that the
//! Pod had is ended and removed: nothing is guessed.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use outrigger_pod::PodUid;

use crate::adopt::ANSWER_WITHIN;
use crate::directories::{PodDirectories, claim};
use crate::hands::{Surroundings, blocking, chain};
use crate::lock::PodLock;
use crate::sandbox::{self, until_gone};
use crate::shim::{Reaching, Shim, kill_listener};
use crate::{release, sweep};

/// How long such a shim may take to release the Pod: the daemon's start waits for it.
const RELEASED_WITHIN: Duration = Duration::from_secs(20);

/// Where a Pod's cgroup can be below the node's; its class stands in its manifest only.
const CLASSES: [&str; 3] = ["", "/burstable", "/besteffort"];

/// Puts a damaged record aside, and ends the Pod that it may have been of.
pub(super) async fn quarantine(path: &Path, around: &Arc<Surroundings>) {
    let aside = path.with_extension("jsonl.damaged");
    if let Err(error) = std::fs::rename(path, &aside) {
        tracing::error!(record = %path.display(), %error, "cannot be put aside");
    }
    let uid = path.file_stem().and_then(|uid| uid.to_str());
    let Some(uid) = uid.filter(|uid| sweep::is_plain(uid)) else {
        return;
    };
    let uid = PodUid(uid.to_owned());
    let dirs = around.settings.directories.of_uid(&uid, PathBuf::new());
    let (file, state) = (dirs.lock(), dirs.state.clone());
    let locked = blocking(move || {
        let lock = PodLock::take(&file, false)?;
        claim(&state, 0o700)?;
        Ok(lock)
    });
    let left = match locked.await {
        Ok(lock) => {
            let mut left = end(&uid, &dirs, around).await;
            // What is left has its ledger, by which the next daemon finds it.
            if left.is_empty() {
                left.extend(remove(uid.clone(), dirs, around, lock).await);
            }
            left
        }
        Err(problem) => vec![problem],
    };
    for left in left {
        tracing::error!(pod = %uid, %left, "left behind");
    }
}

/// Ends the processes of a Pod of which nothing is known, and removes its cgroup; gives what is left.
pub(crate) async fn end(uid: &PodUid, dirs: &PodDirectories, around: &Surroundings) -> Vec<String> {
    let socket = dirs.socket();
    let greeting = Shim::connect(&socket, 0);
    match tokio::time::timeout(ANSWER_WITHIN, greeting).await {
        Ok(Ok(greeted)) => {
            if let Ok(left) = greeted.shim.release_within(RELEASED_WITHIN).await {
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
    if let Err(error) = std::fs::File::create(dirs.ledger()) {
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

/// Removes what it has on the disk; gives what is left.
async fn remove(
    uid: PodUid,
    dirs: PodDirectories,
    around: &Arc<Surroundings>,
    lock: PodLock,
) -> Vec<String> {
    let around = Arc::clone(around);
    let removed = blocking(move || {
        let mut trees = sweep::logs_of(&around.settings.directories.logs, &uid.0);
        trees.extend([dirs.state, dirs.root]);
        let mut left = release::remove(&trees);
        let images = around.images.release(&uid.0);
        left.extend(images.err().map(|error| chain(&error)));
        if left.is_empty() {
            left.extend(lock.remove().err());
        }
        Ok(left)
    });
    removed.await.unwrap_or_else(|problem| vec![problem])
}
