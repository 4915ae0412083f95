//! What is left of a Pod when its life is over? Nothing: everything is tried, and what could not be
//! taken away is told.

use std::path::PathBuf;
use std::sync::Arc;

use outrigger_lifecycle::Fact;
use outrigger_pod::Slot;

use crate::directories::disclaim;
use crate::hands::{Hands, blocking, chain};
use crate::sandbox;

/// Releases everything that the Pod holds, as far as that is possible, and reports it.
pub(crate) async fn release(hands: Arc<Hands>) {
    // Whoever shows the logs must have read them before they go.
    hands.around.follower.drain(hands.pod.uid.clone()).await;
    let left = match hands.shim() {
        Some(shim) => {
            // From here on the shim's end is no loss.
            hands.set_shim(None);
            shim.release().await.map_err(|error| error.to_string())
        }
        // A shim that was lost leaves cgroups; another one takes them over to release them.
        None if hands.has_lost_shim() => sandbox::take_over(&hands).await,
        None => Ok(Vec::new()),
    };
    match left {
        Ok(left) => tell(&hands, left),
        Err(error) => hands.complain(format!("release the pod: {error}")),
    }
    remove_directories(&hands).await;
    hands.report(Fact::SandboxReleased);
}

/// Removes what one instance has on the disk, but its log.
pub(crate) async fn instance(hands: &Arc<Hands>, slot: Slot, attempt: u32) {
    let trees = hands.dirs.instance_trees(&hands.pod[slot].name.0, attempt);
    let _turn = hands.removing.lock().await;
    match blocking(move || Ok(remove(&trees))).await {
        Ok(left) => tell(hands, left),
        Err(problem) => hands.complain(problem),
    }
}

/// Removes the Pod's directories, then those above them that nodes made and that are empty now.
async fn remove_directories(hands: &Arc<Hands>) {
    let _turn = hands.removing.lock().await;
    // Without the lock they are another node's.
    let Some(lock) = hands.take_lock() else {
        return;
    };
    let here = Arc::clone(hands);
    let removed = blocking(move || {
        let trees = here.dirs.trees();
        let mut left = remove(&trees);
        let images = here.around.images.release(&here.pod.uid.0);
        left.extend(images.err().map(|error| chain(&error)));
        left.extend(lock.remove().err());
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

/// Removes all of these trees, and gives what could not be removed.
pub(crate) fn remove(trees: &[PathBuf]) -> Vec<String> {
    let problems = trees
        .iter()
        .filter_map(|tree| outrigger_image::tree::remove(tree).err());
    problems.map(|problem| problem.to_string()).collect()
}

fn tell(hands: &Hands, left: Vec<String>) {
    left.into_iter()
        .for_each(|left| hands.complain(format!("left behind: {left}")));
}
