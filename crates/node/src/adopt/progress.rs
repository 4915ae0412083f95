//! How far has the daemon come with taking up its Pods? It stands in a file, so that a Pod that kills the daemon
//! each time it is taken up does not keep it from starting for ever.
//!
//! After a start that died before all Pods were taken up, the next one takes them up one after the other, and the
//! file names the one under way. One with which the daemon died is tried once more, alone, when all others have
//! been taken up; if it dies again, the Pod is set aside: left as it is for an hour.
//!
//! Only deaths count that the daemon brought upon itself: a crash leaves a byte in a file of its own, and the kernel
//! counts the processes that it kills for want of memory. Whoever kills the daemon again and again sets nobody aside.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use outrigger_pod::PodUid;
use serde::{Deserialize, Serialize};

use crate::adopt::Left;
use crate::adopt::crash_note::{self, CrashNote, Noter};
use crate::own_file;

/// The longest file that is read: a name and a number for each of thousands of Pods.
const LONGEST_BYTES: u64 = 4 << 20;

/// What stands in the file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct State {
    /// Whether Pods are being taken up, and how.
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<Stage>,
    /// The Pod that is being taken up while no other is.
    #[serde(skip_serializing_if = "Option::is_none")]
    under_way: Option<String>,
    /// Pods with which the daemon died once, and which have not been tried again.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    suspects: BTreeSet<String>,
    /// How many processes the machine had killed for want of memory when that began.
    #[serde(skip_serializing_if = "Option::is_none")]
    oom_kills: Option<u64>,
    /// Pods with which it died twice in a row, and when that was, in seconds of Unix time.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    set_aside: BTreeMap<String, u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Stage {
    /// All at once.
    Together,
    /// One after the other.
    Singly,
}

/// The file, and what stands in it.
#[derive(Debug, Clone)]
pub(crate) struct Progress {
    path: PathBuf,
    crash: CrashNote,
    state: Arc<Mutex<State>>,
}

impl Progress {
    /// Reads what the daemon before has left in `root`, and concludes how this one begins. Nothing is written yet.
    /// A file that tells nothing is taken for one of a start that died.
    pub(crate) fn begin(root: &Path, noter: Option<Noter>) -> Progress {
        let path = root.join("adoption.json");
        let crash = CrashNote::new(root, noter);
        let read = own_file::read(&path, LONGEST_BYTES);
        let before = match read {
            Err(error) if error.kind() == ErrorKind::NotFound => State::default(),
            Err(error) => died(&path, &error),
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|error| died(&path, &error)),
        };
        let died = crash.is_there() || before.oom_kills < crash_note::oom_kills();
        let state = next(before, died, seconds(SystemTime::now()));
        Progress {
            path,
            crash,
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// Whether Pods are to be taken up one after the other.
    pub(crate) fn is_singly(&self) -> bool {
        self.state().stage == Some(Stage::Singly)
    }

    /// The Pods that must not be taken up now, and why.
    pub(crate) fn withheld(&self) -> BTreeMap<PodUid, Left> {
        let (state, now) = (self.state(), seconds(SystemTime::now()));
        let suspects = state
            .suspects
            .iter()
            .map(|uid| (PodUid(uid.clone()), Left::suspected()));
        let aside = state.set_aside.iter().map(|(uid, since)| {
            let ago = Duration::from_secs(now.saturating_sub(*since));
            (PodUid(uid.clone()), Left::set_aside(ago))
        });
        suspects.chain(aside).collect()
    }

    /// Writes down that Pods are being taken up from now on. It may wait for the disk.
    ///
    /// # Errors
    /// If it cannot be written: then a Pod that kills the daemon would not be found. A full disk is let pass: deletions
    /// make room, and there are none without a daemon.
    pub(crate) fn started(&self) -> Result<(), String> {
        self.crash.begin();
        match self.try_write(|state| state.oom_kills = crash_note::oom_kills()) {
            Err(Unwritten { text, is_full }) if is_full => {
                tracing::warn!("{text}; make room on its disk");
                Ok(())
            }
            done => done.map_err(|unwritten| unwritten.text),
        }
    }

    /// Writes down that this Pod is being taken up, and no other. It may wait for the disk.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn alone(&self, uid: &PodUid) -> Result<(), String> {
        self.crash.begin();
        self.write(|state| {
            state.under_way = Some(uid.0.clone());
            state.oom_kills = crash_note::oom_kills();
        })
    }

    /// The Pod that was under way has been taken up, or left; the daemon lives. It may wait for the disk.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn survived(&self, uid: &PodUid) -> Result<(), String> {
        self.write(|state| {
            state.under_way = None;
            if state.stage.is_none() {
                state.oom_kills = None;
            }
            state.suspects.remove(&uid.0);
            state.set_aside.remove(&uid.0);
        })
    }

    /// Nothing is left of this Pod. It may wait for the disk.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn forget(&self, uid: &PodUid) -> Result<(), String> {
        let state = self.state();
        let known = state.suspects.contains(&uid.0) || state.set_aside.contains_key(&uid.0);
        drop(state);
        match known {
            true => self.survived(uid),
            false => Ok(()),
        }
    }

    /// All Pods have been taken up, or the daemon ends as it should. It may wait for the disk.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn over(&self) -> Result<(), String> {
        self.write(|state| {
            state.stage = None;
            state.under_way = None;
            state.oom_kills = None;
        })
    }

    /// The daemon ends as it should. It may wait for the disk.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn ended(&self) -> Result<(), String> {
        self.crash.remove();
        self.over()
    }

    /// The daemon is about to die of itself.
    pub(crate) fn crashed(&self) {
        self.crash.write();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, change: impl FnOnce(&mut State)) -> Result<(), String> {
        self.try_write(change).map_err(|unwritten| unwritten.text)
    }

    /// A file that says nothing is removed.
    fn try_write(&self, change: impl FnOnce(&mut State)) -> Result<(), Unwritten> {
        let mut state = self.state();
        change(&mut state);
        let failed = |error: String| Unwritten {
            text: format!("write {}: {error}", self.path.display()),
            is_full: false,
        };
        if *state == State::default() {
            return match std::fs::remove_file(&self.path) {
                Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(error.to_string())),
                _ => Ok(()),
            };
        }
        let bytes = serde_json::to_vec(&*state).map_err(|error| failed(error.to_string()))?;
        outrigger_image::durable::replace(&self.path, &bytes).map_err(|error| Unwritten {
            is_full: matches!(
                error.source.kind(),
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded
            ),
            ..failed(crate::hands::chain(&error))
        })
    }
}

/// Why the file is not written, and whether it is for the lack of room.
struct Unwritten {
    text: String,
    is_full: bool,
}

/// What a file that tells nothing stands for.
fn died(path: &Path, problem: &dyn std::fmt::Display) -> State {
    tracing::warn!(
        "{}: {problem}; pods are taken up one after the other, and those that were set aside are tried again",
        path.display()
    );
    State {
        stage: Some(Stage::Together),
        // Whatever has become of it: there was more than none.
        oom_kills: None,
        ..State::default()
    }
}

/// How a start begins after what the one before has left, which has died of itself or not.
fn next(before: State, died: bool, now_s: u64) -> State {
    let State {
        stage,
        under_way,
        suspects,
        mut set_aside,
        oom_kills: _,
    } = before;
    if !died {
        return State {
            stage: Some(Stage::Together),
            suspects,
            set_aside,
            ..State::default()
        };
    }
    // Only deaths in a row count: a start that ended without this Pod under way clears it of suspicion.
    let mut suspected = BTreeSet::new();
    match under_way {
        Some(uid) if suspects.contains(&uid) || set_aside.contains_key(&uid) => {
            set_aside.insert(uid, now_s);
        }
        Some(uid) => {
            suspected.insert(uid);
        }
        None => {}
    }
    State {
        stage: Some(match stage {
            Some(_) => Stage::Singly,
            None => Stage::Together,
        }),
        suspects: suspected,
        set_aside,
        ..State::default()
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    fn uid(name: &str) -> PodUid {
        PodUid(name.to_owned())
    }

    fn withheld(progress: &Progress) -> Vec<String> {
        progress.withheld().into_keys().map(|uid| uid.0).collect()
    }

    /// A start that takes up these Pods, each as it is wanted, and dies with the last of them.
    fn dies_with(scratch: &Scratch, pods: &[&str]) -> Progress {
        let progress = Progress::begin(&scratch.path, None);
        progress.started().unwrap();
        if let [others @ .., last] = pods {
            for pod in others {
                progress.alone(&uid(pod)).unwrap();
                progress.survived(&uid(pod)).unwrap();
            }
            progress.alone(&uid(last)).unwrap();
        }
        progress.crashed();
        progress
    }

    #[test]
    fn a_pod_that_was_alone_at_two_deaths_in_a_row_is_set_aside() {
        let scratch = Scratch::new();
        assert!(!dies_with(&scratch, &[]).is_singly());
        assert!(dies_with(&scratch, &["a", "bomb"]).is_singly());
        let third = dies_with(&scratch, &["a", "b", "bomb"]);
        assert_eq!(withheld(&third), ["bomb"]);
        let fourth = Progress::begin(&scratch.path, None);
        assert_eq!(withheld(&fourth), ["bomb"]);
        assert!(
            fourth.withheld()[&uid("bomb")]
                .problem
                .contains("twice in a row")
        );
        fourth.started().unwrap();
        fourth.over().unwrap();
        // It stays so, until it is deleted or tried again.
        let fifth = Progress::begin(&scratch.path, None);
        assert!(!fifth.is_singly());
        assert_eq!(withheld(&fifth), ["bomb"]);
        fifth.over().unwrap();
        fifth.forget(&uid("bomb")).unwrap();
        assert!(!scratch.path.join("adoption.json").exists());
    }

    #[test]
    fn who_is_killed_by_others_has_not_died_of_a_pod() {
        let scratch = Scratch::new();
        for _ in 0..5 {
            let progress = Progress::begin(&scratch.path, None);
            assert!(!progress.is_singly());
            assert_eq!(withheld(&progress), [""; 0]);
            progress.started().unwrap();
            progress.alone(&uid("a")).unwrap();
        }
    }

    #[test]
    fn deaths_with_different_pods_set_nobody_aside() {
        let scratch = Scratch::new();
        dies_with(&scratch, &[]);
        for _ in 0..5 {
            dies_with(&scratch, &["a"]);
            let next = dies_with(&scratch, &["b"]);
            assert_eq!(withheld(&next), ["a"]);
            // Killed before the one under suspicion was tried again.
            assert_eq!(withheld(&dies_with(&scratch, &[])), ["b"]);
            assert_eq!(withheld(&dies_with(&scratch, &[])), [""; 0]);
        }
    }

    #[test]
    fn a_pod_that_lets_the_daemon_live_is_not_suspected_any_more() {
        let scratch = Scratch::new();
        dies_with(&scratch, &[]);
        dies_with(&scratch, &["a"]);
        let third = Progress::begin(&scratch.path, None);
        third.started().unwrap();
        third.over().unwrap();
        third.alone(&uid("a")).unwrap();
        third.survived(&uid("a")).unwrap();
        assert!(!scratch.path.join("adoption.json").exists());
    }

    #[test]
    fn a_file_that_tells_nothing_stands_for_a_start_that_died() {
        let scratch = Scratch::new();
        for bytes in ["", "{", "7"] {
            std::fs::write(scratch.path.join("adoption.json"), bytes).unwrap();
            assert!(
                Progress::begin(&scratch.path, None).is_singly(),
                "{bytes:?}"
            );
        }
    }
}
