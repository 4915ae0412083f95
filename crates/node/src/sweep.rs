//! What did nodes leave that were killed? A Pod whose life was bound to such a node is over: its
//! shim has released what it held, and its directories are removed by whoever comes next.

use std::path::{Path, PathBuf};

use crate::directories::{Directories, disclaim};
use crate::lock::PodLock;

/// Removes the directories of Pods that were bound to a node that is gone. What cannot be removed
/// now is tried again by the next node.
pub(crate) fn sweep(directories: &Directories) {
    let folder = directories.state.join("pods");
    for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_lock = path
            .extension()
            .is_some_and(|extension| extension == "lock");
        let Some(uid) = path
            .file_stem()
            .and_then(|uid| uid.to_str())
            .filter(|_| is_lock)
        else {
            continue;
        };
        // A Pod that runs has its lock held, and one that outlives its node is not bound.
        if let Some(lock) = PodLock::take_over_bound(&path) {
            let mut trees = logs_of(&directories.logs, uid);
            trees.push(folder.join(uid));
            trees.push(directories.root.join("pods").join(uid));
            let gone = trees
                .iter()
                .all(|tree| outrigger_image::tree::remove(tree).is_ok());
            if gone && lock.remove().is_ok() {
                trees
                    .iter()
                    .filter_map(|tree| tree.parent())
                    .for_each(disclaim);
            }
        }
    }
}

/// Log directories are named `<namespace>_<name>_<uid>`; no name holds an underscore.
fn logs_of(logs: &Path, uid: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(logs).into_iter().flatten().flatten();
    let own = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.and_then(|name| name.rsplit_once('_'))
            .is_some_and(|(_, known)| known == uid)
    };
    entries.map(|entry| entry.path()).filter(own).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn only_what_was_bound_to_a_dead_node_is_removed() {
        let scratch = Scratch::new();
        let at = |path: &str| scratch.path.join(path);
        let directories = Directories {
            root: at("root"),
            state: at("state"),
            logs: at("logs"),
        };
        for uid in ["dead", "alive", "free"] {
            std::fs::create_dir_all(at("state/pods").join(uid)).unwrap();
            std::fs::create_dir_all(at("logs").join(format!("ns_p_{uid}"))).unwrap();
        }
        drop(PodLock::take(&at("state/pods/dead.lock"), true).unwrap());
        let _held = PodLock::take(&at("state/pods/alive.lock"), true).unwrap();
        drop(PodLock::take(&at("state/pods/free.lock"), false).unwrap());
        sweep(&directories);
        let there = |uid: &str| {
            let log = at("logs").join(format!("ns_p_{uid}"));
            (at("state/pods").join(uid).exists(), log.exists())
        };
        assert_eq!(there("dead"), (false, false));
        assert_eq!(there("alive"), (true, true));
        assert_eq!(there("free"), (true, true));
        assert!(!at("state/pods/dead.lock").exists() && at("state/pods/alive.lock").exists());
    }
}
