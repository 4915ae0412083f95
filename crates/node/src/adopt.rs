//! Where does a life stand that an earlier node of this machine began? Its record tells what was
//! known, and its shim, if it answers, what happened since.

pub(crate) mod quarantine;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use outrigger_lifecycle::{Fact, Sandbox, Seen, Time};
use outrigger_wire::Event;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::clock::{WallClock, now};
use crate::hands::{Hands, Surroundings, blocking};
use crate::record::{self, Complain, ReadError, Recalled, Record};
use crate::sandbox::until_gone;
use crate::shim::{Greeted, Reaching, Shim};
use crate::status::Transitions;
use crate::{ends, volumes};

/// How long all other Pods wait for a shim that does not answer; it is then asked again beside them.
const FIRST_ANSWER_WITHIN: Duration = Duration::from_millis(300);
/// How long a shim may take to answer when nobody waits for it.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// How long after that it is asked again.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(2);

/// What became of the search for a Pod's shim.
#[derive(Debug)]
pub(crate) enum Reach {
    /// It answered.
    Found(Box<Found>),
    /// There is none any more.
    Lost(Vec<Missed>),
    /// It spoke another protocol, so it was killed, and its containers with it.
    Stranger(String, Vec<Missed>),
    /// It is there and does not answer.
    Silent,
}

/// What a shim says happened while nobody listened: its number, when, what.
pub(crate) type Missed = (u64, Option<Time>, Fact);

/// A shim that answered.
#[derive(Debug)]
pub(crate) struct Found {
    /// The shim.
    pub(crate) shim: Arc<Shim>,
    /// The containers that it has.
    pub(crate) containers: Vec<String>,
    /// What it says happened since.
    pub(crate) missed: Vec<Missed>,
    /// What will happen.
    pub(crate) events: UnboundedReceiver<Event>,
}

/// A life that was found.
pub(crate) struct Known {
    /// Its hands.
    pub(crate) hands: Arc<Hands>,
    /// The fold of its facts.
    pub(crate) seen: Seen,
    /// Since when its conditions are as they are.
    pub(crate) conditions: Transitions,
    /// What its times mean.
    pub(crate) wall: WallClock,
    /// What became of the search for its shim; `None` if it should have none.
    pub(crate) reach: Option<Reach>,
    /// Whether it was recorded since the machine was booted.
    pub(crate) this_boot: bool,
}

/// What came of reading a record.
pub(crate) enum Recall {
    /// A life.
    Known(Box<Known>),
    /// None, and whoever wants the Pod may begin it anew.
    Nothing,
    /// There is one that cannot be taken up now, and why. It must not be begun a second time.
    Left(String),
}

/// Removes what a node that was killed has not finished writing, or not finished removing. It must come
/// before anybody writes.
pub(crate) fn tidy(root: &Path) {
    let entries = std::fs::read_dir(record::folder(root));
    for path in entries
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
    {
        let unfinished = match path.extension().and_then(|ending| ending.to_str()) {
            Some("new") => true,
            // What was replaced, without what has replaced it.
            Some("1") => !path.with_extension("").exists(),
            _ => false,
        };
        if unfinished && let Err(error) = std::fs::remove_file(&path) {
            tracing::warn!(path = %path.display(), %error, "cannot be removed");
        }
    }
}

/// The records below `root`.
///
/// # Errors
/// If they cannot be listed: then nobody knows which Pods run.
pub(crate) fn records(root: &Path) -> Result<Vec<PathBuf>, String> {
    let folder = record::folder(root);
    let failed = |error: std::io::Error| {
        format!(
            "list the records of running pods in {}: {error}",
            folder.display()
        )
    };
    let entries = match std::fs::read_dir(&folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|ending| ending == "jsonl") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// Takes up what one record tells. A damaged record is put aside, and what it may have been of is
/// removed: nothing is guessed.
pub(crate) async fn recall(
    path: PathBuf,
    around: Arc<Surroundings>,
    sender: tokio::sync::mpsc::UnboundedSender<crate::node::Event>,
    complain: Complain,
) -> Recall {
    let file = path.clone();
    let read = blocking(move || Ok(record::read(&file))).await;
    let recalled = match read {
        Ok(Ok(recalled)) => recalled,
        Ok(Err(ReadError::Empty)) => {
            // The Pod was never more than accepted, and its source brings it again.
            std::fs::remove_file(&path).ok();
            return Recall::Nothing;
        }
        Ok(Err(error @ ReadError::Damaged { .. })) => {
            tracing::error!(record = %path.display(), %error, "a pod's record tells nothing");
            quarantine::quarantine(&path, &around).await;
            return Recall::Nothing;
        }
        Ok(Err(ReadError::Io(error))) | Err(error) => {
            tracing::error!(record = %path.display(), %error, "a pod's record cannot be read");
            return Recall::Left(format!("its record {}: {error}", path.display()));
        }
    };
    let Recalled {
        pod,
        boot,
        zero_ns,
        mut seen,
        last_seq,
        instances,
        mut conditions,
        length,
    } = recalled;
    let this_boot = boot == record::boot_id();
    let record = Record::resume(path, length, complain);
    let hands = Arc::new(Hands::new(Arc::new(pod), around, sender, Some(record)));
    *hands
        .instances
        .lock()
        .unwrap_or_else(PoisonError::into_inner) = instances;
    let mut wall = WallClock::of_zero(zero_ns);
    if this_boot {
        hands.took_event(last_seq);
    } else {
        wall = after_boot(&mut seen, &mut conditions, zero_ns);
    }
    let reach = match stand(&hands, &seen, this_boot).await {
        Ok(reach) => reach,
        Err(problem) => return Recall::Left(problem),
    };
    Recall::Known(Box::new(Known {
        hands,
        seen,
        conditions: Transitions::recalled(conditions),
        wall,
        reach,
        this_boot,
    }))
}

/// The times of an earlier boot on this one's clock; none of them is in the future, whatever the
/// machine's clock says now.
fn after_boot(seen: &mut Seen, conditions: &mut [(String, bool, Time)], zero_ns: i64) -> WallClock {
    let wall = WallClock::read();
    let mut by_ns = zero_ns.saturating_sub(wall.zero_ns());
    let accepted = seen.accepted.0.saturating_add_signed(by_ns);
    let ahead = accepted.saturating_sub(now().0);
    by_ns = by_ns.saturating_sub_unsigned(ahead);
    record::shift(seen, by_ns);
    for (_, _, since) in conditions {
        since.0 = since.0.saturating_add_signed(by_ns);
    }
    wall
}

/// Takes up what the Pod has on this machine.
///
/// # Errors
/// If that cannot be done now; it may be another process'.
async fn stand(hands: &Arc<Hands>, seen: &Seen, this_boot: bool) -> Result<Option<Reach>, String> {
    if matches!(seen.sandbox, Sandbox::Released { .. }) {
        return Ok(None);
    }
    let here = Arc::clone(hands);
    let absent = matches!(seen.sandbox, Sandbox::Absent { .. });
    let locked = blocking(move || {
        if !this_boot {
            // What outlived the boot here holds nothing that lives.
            outrigger_image::tree::remove(&here.dirs.state).map_err(|error| error.to_string())?;
        }
        let located = volumes::locate(&here.pod(), &here.dirs);
        here.set_volumes(located);
        let fresh = here.take_up_lock()?;
        // A shim that was lost may have left its cgroup, and one that nobody wrote down is there still.
        if absent && here.dirs.ledger().exists() {
            crate::shim::kill_listener(&here.dirs.socket());
            here.lose_shim();
        }
        Ok(fresh)
    });
    if let Err(error) = locked.await {
        tracing::error!(pod = %hands.uid, %error, "a pod cannot be taken up");
        return Err(error);
    }
    match seen.sandbox {
        Sandbox::Ready { .. } | Sandbox::Releasing { .. } if this_boot => {
            Ok(Some(reach(hands, FIRST_ANSWER_WITHIN).await))
        }
        Sandbox::Ready { .. } | Sandbox::Releasing { .. } => Ok(Some(Reach::Lost(Vec::new()))),
        Sandbox::Absent { .. } | Sandbox::Preparing { .. } | Sandbox::Released { .. } => Ok(None),
    }
}

/// Looks for the Pod's shim, which is silent if it does not answer within this time.
async fn reach(hands: &Arc<Hands>, within: Duration) -> Reach {
    let socket = hands.dirs.socket();
    let greeting = Shim::connect(&socket, hands.last_event());
    match tokio::time::timeout(within, greeting).await {
        Err(_) | Ok(Err(Reaching::Busy)) => Reach::Silent,
        Ok(Err(Reaching::Gone)) => Reach::Lost(ends::unheard(hands).await),
        Ok(Err(Reaching::Stranger(problem))) => {
            if let Some(pid) = crate::shim::kill_listener(&socket) {
                tracing::error!(pod = %hands.uid, pid, %problem, "a shim was killed");
            }
            until_gone(&socket).await;
            Reach::Stranger(problem, ends::unheard(hands).await)
        }
        Ok(Ok(greeted)) => found(hands, greeted).await,
    }
}

async fn found(hands: &Arc<Hands>, greeted: Greeted) -> Reach {
    let Greeted {
        shim,
        prepared,
        containers,
        missed,
        events,
    } = greeted;
    if !prepared {
        // It holds nothing but itself.
        shim.release_within(ANSWER_WITHIN).await.ok();
        return Reach::Lost(ends::unheard(hands).await);
    }
    let mut facts = Vec::new();
    for event in missed {
        hands.took_event(event.seq);
        if let Some((at, fact)) = ends::tell(hands, &event).await {
            facts.push((event.seq, at, fact));
        }
    }
    Reach::Found(Box::new(Found {
        shim: Arc::new(shim),
        containers,
        missed: facts,
        events,
    }))
}

/// Asks a silent shim again and again, and tells the loop when it knows.
pub(crate) async fn reach_at_last(hands: Arc<Hands>) {
    loop {
        match reach(&hands, ANSWER_WITHIN).await {
            Reach::Silent => tokio::time::sleep(ASK_AGAIN_AFTER).await,
            reach => return hands.report_reached(reach),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn records_that_cannot_be_listed_are_not_taken_for_none() {
        let scratch = Scratch::new();
        assert_eq!(records(&scratch.path), Ok(Vec::new()));
        let folder = record::folder(&scratch.path);
        std::fs::write(&folder, "").unwrap();
        assert!(records(&scratch.path).is_err());
        std::fs::remove_file(&folder).unwrap();
        std::fs::create_dir(&folder).unwrap();
        for name in [
            "b.jsonl",
            "a.jsonl",
            "a.jsonl.1",
            "a.new",
            "c.jsonl.damaged",
            "d.jsonl.1",
        ] {
            std::fs::write(folder.join(name), "").unwrap();
        }
        let expected = [folder.join("a.jsonl"), folder.join("b.jsonl")];
        assert_eq!(records(&scratch.path), Ok(expected.to_vec()));
        tidy(&scratch.path);
        assert_eq!(records(&scratch.path), Ok(expected.to_vec()));
        let there = |name: &str| folder.join(name).exists();
        assert!(there("a.jsonl.1") && there("c.jsonl.damaged"));
        assert!(!there("a.new") && !there("d.jsonl.1"));
    }
}
