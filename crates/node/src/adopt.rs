//! Where does a life stand that an earlier node of this machine began? Its record tells what was
//! known, and its shim, if it answers, what happened since. A Pod of which that cannot be found out is left as
//! it is ([`Left`]): what is not known is never taken for new.

mod crash_note;
pub(crate) mod discard;
mod left;
mod progress;
mod traces;

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use outrigger_lifecycle::{Fact, Phase, Sandbox, Seen, Time};
use outrigger_pod::{Pod, PodUid};
use outrigger_wire::{Event, EventKind};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::clock::{WallClock, now};
use crate::hands::{Hands, Surroundings, blocking};
use crate::record::{self, Complain, ReadError, Recalled, Record};
use crate::shim::{Greeted, Reaching, Shim};
use crate::status::Transitions;
use crate::{ends, volumes};

pub use left::Left;
pub(crate) use progress::Progress;

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
    /// It is there, and it cannot be taken up with what the record knows: it speaks another protocol, or has
    /// done what the record does not know of.
    Stranger(String),
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

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Known");
        shown
            .field("pod", &self.hands.uid)
            .field("reach", &self.reach);
        shown.finish_non_exhaustive()
    }
}

/// What came of looking for a life.
#[derive(Debug)]
pub(crate) enum Recall {
    /// A life.
    Known(Box<Known>),
    /// None: nothing on this machine says that there ever was one.
    Nothing,
    /// There is one that cannot be taken up now. It must not be begun a second time.
    Left(Left),
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
        let unfinished = path.extension().is_some_and(|ending| ending == "new");
        if unfinished && let Err(error) = std::fs::remove_file(&path) {
            tracing::warn!(path = %path.display(), %error, "cannot be removed");
        }
    }
}

/// The uids of the Pods that have a record below `root`.
///
/// # Errors
/// If they cannot be listed: then nobody knows which Pods run.
pub(crate) fn recorded(root: &Path) -> Result<BTreeSet<PodUid>, String> {
    let folder = record::folder(root);
    let failed = |error: std::io::Error| {
        format!(
            "list the records of running pods in {}: {error}",
            folder.display()
        )
    };
    let entries = match std::fs::read_dir(&folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeSet::new()),
        entries => entries.map_err(failed)?,
    };
    let mut uids = BTreeSet::new();
    for entry in entries {
        let name = entry.map_err(failed)?.file_name();
        let uid = name.to_str().and_then(|name| name.strip_suffix(".jsonl"));
        uids.extend(uid.map(|uid| PodUid(uid.to_owned())));
    }
    Ok(uids)
}

/// What is known of a Pod's life beside its record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Lived {
    /// Nothing: it may never have begun.
    #[default]
    Unknown,
    /// It had begun.
    Begun,
    /// It is over.
    Over,
}

/// Takes up what the record of this Pod tells.
pub(crate) async fn recall(
    uid: &PodUid,
    lived: Lived,
    around: Arc<Surroundings>,
    sender: tokio::sync::mpsc::UnboundedSender<crate::node::Event>,
    complain: Complain,
) -> Recall {
    let path = record::path(&around.settings.directories.root, &uid.0);
    let file = path.clone();
    let recalled = match blocking(move || Ok(record::read(&file))).await {
        Ok(Ok(recalled)) => recalled,
        Ok(Err(ReadError::Absent)) => {
            let trace = traces::of(&around.settings.directories, uid);
            let told = || "the store of API objects".to_owned();
            return match trace.or_else(|| (lived != Lived::Unknown).then(told)) {
                None => Recall::Nothing,
                Some(trace) => Recall::Left(Left::without_record(&path, &trace)),
            };
        }
        Ok(Err(error)) => return Recall::Left(Left::unreadable(&path, &error)),
        Err(problem) => return Recall::Left(Left::soon(problem)),
    };
    if recalled.pod.uid != *uid {
        let problem = format!("it is of the pod with the uid {}", recalled.pod.uid);
        return Recall::Left(Left::unreadable(&path, &problem));
    }
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
    if lived == Lived::Over && !is_over(&pod, &seen) {
        return Recall::Left(Left::unreadable(&path, &"its end is missing"));
    }
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
        Ok(Some(Reach::Stranger(problem))) => return Recall::Left(Left::for_long(problem)),
        Ok(reach) => reach,
        Err(problem) => return Recall::Left(Left::soon(problem)),
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

fn is_over(pod: &Pod, seen: &Seen) -> bool {
    let phase = outrigger_lifecycle::plan(pod, seen, now()).status.phase;
    matches!(phase, Phase::Succeeded | Phase::Failed)
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
    let preparing = matches!(seen.sandbox, Sandbox::Preparing { .. });
    let locked = blocking(move || {
        if !this_boot {
            // What outlived the boot here holds nothing that lives.
            outrigger_image::tree::remove(&here.dirs.state).map_err(|error| error.to_string())?;
        }
        let located = volumes::locate(&here.pod(), &here.dirs);
        here.set_volumes(located);
        let has_ledger = here.dirs.ledger().exists();
        if absent && !has_ledger {
            // It has nothing here, and whoever prepares it takes the lock: until then it has no file open.
            return Ok(false);
        }
        here.take_up_share()?;
        here.take_up_lock()?;
        Ok(has_ledger)
    });
    if locked.await? && (absent || preparing) {
        // A shim that was lost may have left its cgroup, and be there still. One that has come further than the
        // record, to which the disk was closed, is a stranger.
        match reach(hands, ANSWER_WITHIN).await {
            Reach::Found(_) | Reach::Lost(_) => {}
            Reach::Silent => return Err("its shim does not answer".to_owned()),
            stranger @ Reach::Stranger(_) => return Ok(Some(stranger)),
        }
        if absent {
            crate::shim::kill_listener(&hands.dirs.socket());
            hands.lose_shim();
        }
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
        Ok(Err(Reaching::Stranger(problem))) => Reach::Stranger(problem),
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
    if let Some(problem) = unrecorded(hands, &containers, &missed) {
        return Reach::Stranger(problem);
    }
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

/// What the shim has done that the record does not know of. An instance is recorded before its shim is asked
/// for it, so a part of the record is missing: what else stood there nobody can tell.
fn unrecorded(hands: &Hands, containers: &[String], missed: &[Event]) -> Option<String> {
    let known = hands.instances.lock();
    let known = known.unwrap_or_else(PoisonError::into_inner);
    let about = missed.iter().map(|event| match &event.kind {
        EventKind::Started { container, .. } | EventKind::Exited { container, .. } => container,
    });
    let unknown = containers
        .iter()
        .chain(about)
        .find(|id| known.by_id(id).is_none())?;
    Some(format!(
        "its record lacks the container {unknown} that its shim knows, so a part of the record is missing"
    ))
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
        assert_eq!(recorded(&scratch.path), Ok(BTreeSet::new()));
        let folder = record::folder(&scratch.path);
        std::fs::write(&folder, "").unwrap();
        assert!(recorded(&scratch.path).is_err());
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
        let expected = BTreeSet::from(["a", "b"].map(|uid| PodUid(uid.to_owned())));
        assert_eq!(recorded(&scratch.path), Ok(expected.clone()));
        tidy(&scratch.path);
        assert_eq!(recorded(&scratch.path), Ok(expected));
        let there = |name: &str| folder.join(name).exists();
        assert!(there("a.jsonl.1") && there("c.jsonl.damaged") && there("d.jsonl.1"));
        assert!(!there("a.new"));
    }
}
