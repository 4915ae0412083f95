//! What did nodes leave that were killed? A Pod whose life was bound to such a node is over: its
//! shim has released what it held, and its directories are removed by whoever comes next. So is one that
//! outlives its node and that nobody knows any more, of which something could not be removed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use outrigger_image::Store;
use outrigger_pod::PodUid;
use rustix::time::{ClockId, clock_gettime};

use crate::directories::{Directories, PodDirectories, claim, disclaim};
use crate::hands::chain;
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

/// Removes what Pods left that are not among the `known`: their directories and what they hold of the
/// images. Gives who they were, each with what is still there. A Pod that another process has is left
/// alone, and so is one whose shim is there: it may be known in another `--root`. One whose shim is gone
/// and has left its ledger is given to `end` first, which gives what it could not end.
pub(crate) fn sweep_unknown(
    directories: &Directories,
    images: &Store,
    known: &BTreeSet<String>,
    end: impl Fn(&PodUid, &PodDirectories) -> Vec<String>,
) -> Vec<(String, Vec<String>)> {
    let mut swept = Vec::new();
    for uid in unknown(directories, images, known) {
        let (state, root) = (
            directories.state.join("pods").join(&uid),
            directories.root.join("pods").join(&uid),
        );
        if claim(&directories.state.join("pods"), 0o700).is_err() {
            continue;
        }
        let Some(lock) = PodLock::take_idle(&state.with_extension("lock")) else {
            continue;
        };
        if crate::shim::listens(&state.join("shim.sock")) {
            let text = "its shim is there, and is left as it is".to_owned();
            swept.push((uid, vec![text]));
            continue;
        }
        let pod = PodUid(uid.clone());
        let dirs = directories.of_uid(&pod, PathBuf::new());
        if dirs.ledger().symlink_metadata().is_ok() {
            let left = end(&pod, &dirs);
            if !left.is_empty() {
                swept.push((uid, left));
                continue;
            }
        }
        let trees = [state, root];
        let mut left = crate::release::remove(&trees);
        let released = images.release(&uid);
        left.extend(released.err().map(|error| chain(&error)));
        if left.is_empty() {
            left.extend(lock.remove().err());
            let above = trees.iter().filter_map(|tree| tree.parent());
            above.for_each(disclaim);
        }
        swept.push((uid, left));
    }
    swept
}

/// Who has something here and is not known. A directory below `--root` whose other half is not in this
/// `--state` may be of a Pod that runs in another one, unless it is older than this boot.
fn unknown(
    directories: &Directories,
    images: &Store,
    known: &BTreeSet<String>,
) -> BTreeSet<String> {
    let (state, root) = (
        directories.state.join("pods"),
        directories.root.join("pods"),
    );
    let mut uids: BTreeSet<String> = names(&state)
        .map(|name| {
            name.strip_suffix(".lock")
                .map(str::to_owned)
                .unwrap_or(name)
        })
        .collect();
    let boot = booted();
    let old = |path: PathBuf| {
        let changed = path.symlink_metadata().and_then(|data| data.modified());
        changed.is_ok_and(|changed| boot.is_some_and(|boot| changed < boot))
    };
    uids.extend(names(&root).filter(|uid| old(root.join(uid))));
    let holders = images.holders().unwrap_or_default();
    // Who holds an image has a directory for what it writes.
    uids.extend(
        holders
            .into_iter()
            .filter(|uid| root.join(uid).symlink_metadata().is_err()),
    );
    uids.retain(|uid| is_plain(uid) && !known.contains(uid));
    uids
}

fn names(folder: &Path) -> impl Iterator<Item = String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok())
}

/// When the machine was booted, as far as its clock is right.
fn booted() -> Option<SystemTime> {
    let up = clock_gettime(ClockId::Boottime);
    let up = Duration::from_secs(u64::try_from(up.tv_sec).ok()?);
    SystemTime::now().checked_sub(up)
}

/// Whether this can be a uid, and no path that leads elsewhere.
pub(crate) fn is_plain(uid: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    !uid.is_empty() && !uid.starts_with('.') && uid.bytes().all(plain)
}

/// Log directories are named `<namespace>_<name>_<uid>`; no name holds an underscore.
pub(crate) fn logs_of(logs: &Path, uid: &str) -> Vec<PathBuf> {
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
    #[test]
    fn what_nobody_knows_is_removed_unless_somebody_may_use_it() {
        let scratch = Scratch::new();
        let at = |path: &str| scratch.path.join(path);
        let directories = Directories {
            root: at("root"),
            state: at("state"),
            logs: at("logs"),
        };
        let images = Store::open(&directories.root).unwrap();
        for uid in ["known", "left", "held", "served", "elsewhere", "old"] {
            std::fs::create_dir_all(at("root/pods").join(uid).join("layers")).unwrap();
        }
        for uid in ["known", "left", "held", "served"] {
            std::fs::create_dir_all(at("state/pods").join(uid)).unwrap();
        }
        std::fs::write(at("state/pods/alone.lock"), "").unwrap();
        for holder in ["gone", "elsewhere"] {
            std::fs::create_dir_all(at("root/images/holds").join(holder)).unwrap();
        }
        let old = std::fs::File::open(at("root/pods/old")).unwrap();
        old.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        let _held = PodLock::take(&at("state/pods/held.lock"), false).unwrap();
        let _shim = std::os::unix::net::UnixListener::bind(at("state/pods/served/shim.sock"));

        let known = BTreeSet::from(["known".to_owned()]);
        for uid in ["left", "busy"] {
            std::fs::create_dir_all(at("state/pods").join(uid)).unwrap();
            std::fs::write(at("state/pods").join(uid).join("ledger"), "").unwrap();
        }
        let ended = std::cell::RefCell::new(Vec::new());
        let end = |uid: &PodUid, dirs: &PodDirectories| {
            assert!(dirs.ledger().exists());
            ended.borrow_mut().push(uid.0.clone());
            Vec::from_iter((uid.0 == "busy").then(|| "its cgroup".to_owned()))
        };
        let swept = sweep_unknown(&directories, &images, &known, end);
        assert_eq!(*ended.borrow(), ["busy", "left"]);
        assert!(at("state/pods/busy/ledger").exists() && at("state/pods/busy.lock").exists());
        let told: Vec<(&str, usize)> = swept
            .iter()
            .map(|(uid, left)| (uid.as_str(), left.len()))
            .collect();
        let expected = [
            ("alone", 0),
            ("busy", 1),
            ("gone", 0),
            ("left", 0),
            ("old", 0),
            ("served", 1),
        ];
        assert_eq!(told, expected);
        let there = |uid: &str| {
            let root = at("root/pods").join(uid).exists();
            (root, at("state/pods").join(uid).exists())
        };
        for uid in ["known", "held", "served"] {
            assert_eq!(there(uid), (true, true), "{uid}");
        }
        assert_eq!(there("elsewhere"), (true, false));
        assert_eq!(there("left"), (false, false));
        assert_eq!(there("old"), (false, false));
        assert!(!at("state/pods/alone.lock").exists() && !at("state/pods/left.lock").exists());
        assert_eq!(images.holders().unwrap(), ["elsewhere"]);
    }

    #[test]
    fn only_plain_names_are_uids() {
        assert!(is_plain("3b1a7c52-0000") && is_plain("u_1.x"));
        for name in ["", ".", "..", ".hidden", "a/b", "a b"] {
            assert!(!is_plain(name), "{name:?}");
        }
    }
}
