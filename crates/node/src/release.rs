//! What is left of a Pod when its life is over? Nothing: everything is tried, and what could not be
//! taken away is told.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use outrigger_lifecycle::Fact;
use outrigger_pod::Slot;

use crate::directories::disclaim;
use crate::hands::{Hands, blocking, chain};
use crate::sandbox;
use crate::shim::CallError;

/// How long a shim that did not answer before may take.
const SILENT_WITHIN: Duration = Duration::from_secs(10);

/// Releases everything that the Pod holds, as far as that is possible, and reports it.
pub(crate) async fn release(hands: Arc<Hands>) {
    // Whoever shows the logs must have read them before they go.
    if let Some(follower) = &hands.around.follower {
        follower.drain(hands.uid.clone()).await;
    }
    let mut leaving = None;
    let left = match hands.shim() {
        Some(shim) => {
            leaving = shim.process();
            // From here on the shim's end is no loss.
            hands.set_shim(None);
            let released = match shim.hearing().is_silent() {
                true => shim.release_within(SILENT_WITHIN).await,
                false => shim.release().await,
            };
            match released {
                // It was killed while it did so, and what it left is nobody's but ours.
                Err(CallError::Gone) => sandbox::take_over(&hands).await,
                Err(error @ CallError::Late { .. }) => {
                    hands.complain(format!("release the pod: {error}"));
                    sandbox::take_over(&hands).await
                }
                released => released.map_err(|error| error.to_string()),
            }
        }
        // A shim that was lost leaves cgroups; another one takes them over to release them.
        None if may_have_left(&hands) => sandbox::take_over(&hands).await,
        None => Ok(Vec::new()),
    };
    let clean = tell_released(&hands, left);
    if !clean {
        // Whoever deletes the Pod tries again.
        hands.lose_shim();
    }
    hands.released.store(clean, Ordering::Relaxed);
    // How the containers ended stands in the ledger, too: it stays if the disk has kept that from the record.
    let recorded = hands.record().is_none_or(|it| it.retry_after().is_none());
    remove_directories(&hands, clean && recorded).await;
    hands.around.see_off(leaving);
    hands.report(Fact::SandboxReleased);
}

/// Whether a shim may have left something that nobody released. Its ledger is made before it has
/// anything, and goes when nothing is left: so whoever comes next knows, too.
fn may_have_left(hands: &Hands) -> bool {
    hands.has_lost_shim() || hands.dirs.ledger().symlink_metadata().is_ok()
}

/// Tells what a shim could not release; says whether that was nothing.
fn tell_released(hands: &Hands, left: Result<Vec<String>, String>) -> bool {
    let clean = matches!(&left, Ok(left) if left.is_empty());
    match left {
        Ok(left) => tell(hands, left),
        Err(error) => hands.complain(format!("release the pod: {error}")),
    }
    clean
}

/// Removes what one instance has on the disk, but its log.
pub(crate) async fn instance(hands: &Arc<Hands>, slot: Slot, attempt: u32) {
    let trees = hands
        .dirs
        .instance_trees(&hands.pod()[slot].name.0, attempt);
    let _turn = hands.removing.lock().await;
    match blocking(move || Ok(remove(&trees))).await {
        Ok(left) => tell(hands, left),
        Err(problem) => hands.complain(problem),
    }
}

/// Removes what outlives a Pod's life until its deletion: what its release left behind, its logs, and
/// last its record.
pub(crate) async fn purge(hands: Arc<Hands>) {
    hands.settled().await;
    release_again(&hands).await;
    let logs = hands.dirs.logs.clone();
    let removed = blocking(move || {
        let left = remove(std::slice::from_ref(&logs));
        logs.parent().into_iter().for_each(disclaim);
        Ok(left)
    });
    match removed.await {
        Ok(left) => tell(&hands, left),
        Err(problem) => hands.complain(problem),
    }
    if let Some(record) = hands.record()
        && let Err(problem) = record.remove().await
    {
        hands.complain(problem);
    }
    hands.report_gone();
}

/// Tries again to release what could not be released when the life ended.
async fn release_again(hands: &Arc<Hands>) {
    let lost = may_have_left(hands) && !hands.released.load(Ordering::Relaxed);
    let here = Arc::clone(hands);
    let locked = blocking(move || {
        let dirs = &here.dirs;
        let left = [&dirs.state, &dirs.root, &dirs.lock()]
            .iter()
            .any(|path| path.symlink_metadata().is_ok());
        if !left && !lost {
            return Ok(false);
        }
        here.take_up_lock()?;
        Ok(true)
    });
    match locked.await {
        Ok(false) => return,
        Ok(true) => {}
        Err(problem) => return hands.complain(problem),
    }
    let mut clean = true;
    if lost {
        hands.set_shim(None);
        clean = tell_released(hands, sandbox::take_over(hands).await);
        hands.around.see_off(None);
    }
    remove_directories(hands, clean).await;
}

/// Removes the Pod's directories, then those above them that nodes made and that are empty now. The
/// logs of a Pod that outlives its node stay until it is deleted; and so does the ledger, if its shim's
/// release was not `clean`, for whoever tries again, or if the record lacks what it tells.
async fn remove_directories(hands: &Arc<Hands>, clean: bool) {
    let _turn = hands.removing.lock().await;
    let here = Arc::clone(hands);
    let removed = blocking(move || {
        // Without the lock they are another node's. It waits for those who write there now.
        let Some(lock) = here.take_lock() else {
            return Ok(Vec::new());
        };
        let mut trees = here.trees();
        let keeps = !clean && here.around.lasting();
        if keeps {
            trees.retain(|tree| *tree != here.dirs.state);
        }
        let mut left = remove(&trees);
        let images = here.around.images.release(&here.uid.0);
        left.extend(images.err().map(|error| chain(&error)));
        // The lock's file stays as long as something else does: whoever comes next finds it by that.
        if left.is_empty() && !keeps {
            left.extend(lock.remove().err());
        }
        trees
            .iter()
            .filter_map(|tree| tree.parent())
            .for_each(disclaim);
        Ok(left)
    });
    match removed.await {
        Ok(left) => tell(hands, left),
        Err(problem) => hands.complain(problem),
    }
}

impl Hands {
    /// Everything of the Pod that goes when its life is over.
    pub(crate) fn trees(&self) -> Vec<PathBuf> {
        let mut trees = vec![self.dirs.state.clone(), self.dirs.root.clone()];
        if !self.around.lasting() {
            trees.push(self.dirs.logs.clone());
        }
        trees
    }
}

/// Removes all of these trees, and gives what could not be removed.
pub(crate) fn remove(trees: &[PathBuf]) -> Vec<String> {
    let problems = trees
        .iter()
        .filter_map(|tree| outrigger_image::tree::remove(tree).err());
    problems.map(|problem| problem.to_string()).collect()
}

/// Tells what could not be removed.
pub(crate) fn tell(hands: &Hands, left: Vec<String>) {
    left.into_iter()
        .for_each(|left| hands.complain(format!("left behind: {left}")));
}

#[cfg(test)]
mod tests;
