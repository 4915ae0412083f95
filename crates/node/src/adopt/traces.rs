//! Has this Pod lived on this machine, although it has no record? Everything that a life has comes into being
//! after its record, so whatever is there says that the record was lost.

use std::path::PathBuf;

use outrigger_pod::PodUid;

use crate::directories::Directories;
use crate::{record, sweep};

/// Something that only a life leaves behind.
pub(super) fn of(directories: &Directories, uid: &PodUid) -> Option<String> {
    if !sweep::is_plain(&uid.0) {
        return None;
    }
    let dirs = directories.of_uid(uid, PathBuf::new());
    let older = record::path(&directories.root, &uid.0).with_extension("jsonl.1");
    let mut traces = vec![older, dirs.ledger(), dirs.state, dirs.root];
    traces.extend(sweep::logs_of(&directories.logs, &uid.0));
    let there = |path: &PathBuf| path.symlink_metadata().is_ok();
    let trace = traces.into_iter().find(there)?;
    Some(trace.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn a_life_is_known_by_anything_that_it_left() {
        let scratch = Scratch::new();
        let at = |path: &str| scratch.path.join(path);
        let directories = Directories {
            root: at("root"),
            state: at("state"),
            logs: at("logs"),
        };
        for (uid, trace) in [
            ("a", "state/pods/a"),
            ("b", "root/pods/b"),
            ("c", "logs/default_web_c"),
        ] {
            let uid = PodUid(uid.to_owned());
            assert_eq!(of(&directories, &uid), None);
            std::fs::create_dir_all(at(trace)).unwrap();
            assert_eq!(
                of(&directories, &uid),
                Some(at(trace).display().to_string())
            );
        }
    }
}
