//! How many files may the node have open, and who may have them? As many as the machine allows: the soft limit that a
//! shell gives is used up by 250 Pods. Where there are few, Pods get those that neither the daemon itself nor its API
//! needs, so that whatever runs can always be looked at and deleted. Containers have limits of their own, in their
//! bundles.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Below this many the daemon says so when it starts.
const MODEST: u64 = 2048;
/// What a Pod takes while it starts.
const A_START: u64 = 8;
/// What it goes on taking: its lock, the connection to its shim, and its record, which stays open if it may.
const A_POD: u64 = 4;
/// The daemon's own: its store, its sockets, what it waits with.
const OWN: u64 = 24;
/// For what is open for a moment: a folder that is removed, a log that is read, a deletion.
const MOMENTS: u64 = 8;
/// The connections that the API has where there are enough files, and those where there are the fewest.
const CONNECTIONS: (u64, u64) = (1152, 12);

/// Raises the soft limit of this process to the hard one; and those that are counted by user, which containers
/// inherit where they cannot be given limits of their own, so that they do not depend on the shell that started us.
///
/// # Errors
/// If the kernel refuses.
pub(crate) fn raise() -> Result<(), String> {
    for (resource, of_what) in [
        (Resource::Nofile, "open files"),
        (Resource::Nproc, "processes"),
        (Resource::Sigpending, "pending signals"),
    ] {
        let maximum = getrlimit(resource).maximum;
        let all = Rlimit {
            current: maximum,
            maximum,
        };
        setrlimit(resource, all)
            .map_err(|errno| format!("raise the limit of {of_what}: {errno}"))?;
    }
    Ok(())
}

/// Warns if there are few.
pub(crate) fn tell_if_few() {
    let budget = budget();
    if budget.files < MODEST {
        tracing::warn!(
            "only {} files may be open at once, enough for about {} pods; {REMEDY}",
            budget.files,
            budget.pods
        );
    }
}

const REMEDY: &str = "raise the hard limit (`ulimit -Hn`, or LimitNOFILE= of the service)";

/// How many connections the API may have, those of clients without a certificate among them.
pub(crate) fn connections() -> u64 {
    budget().connections
}

/// Who may have how many of this process' files.
#[derive(Debug)]
struct Budget {
    files: u64,
    connections: u64,
    /// How many Pods may have something here.
    pods: u64,
    /// How many of them have.
    taken: AtomicU64,
    /// How many records stay open.
    records: AtomicU64,
    starts: Semaphore,
}

impl Budget {
    fn of(files: u64) -> Budget {
        let (most, fewest) = CONNECTIONS;
        let connections = (files.saturating_sub(OWN) / 4).clamp(fewest, most);
        let left = files.saturating_sub(OWN + MOMENTS + connections);
        let starts = usize::try_from(left / A_START).unwrap_or(Semaphore::MAX_PERMITS);
        Budget {
            files,
            connections,
            // One start's worth is never a Pod's.
            pods: (left.saturating_sub(A_START - A_POD) / A_POD).max(1),
            taken: AtomicU64::new(0),
            records: AtomicU64::new(0),
            starts: Semaphore::new(starts.clamp(1, Semaphore::MAX_PERMITS)),
        }
    }

    fn take(count: &AtomicU64, most: u64) -> bool {
        let more = |count: u64| (count < most).then_some(count + 1);
        let taken = count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        taken.is_ok()
    }
}

/// Of this process. Its limit is as it is when it is first asked for, after [`raise`].
fn budget() -> &'static Budget {
    static BUDGET: OnceLock<Budget> = OnceLock::new();
    BUDGET.get_or_init(|| {
        let limit = getrlimit(Resource::Nofile).current;
        Budget::of(limit.unwrap_or(u64::MAX))
    })
}

/// The files of one Pod.
#[derive(Debug)]
pub(crate) struct Share(());

impl Share {
    /// Takes them.
    ///
    /// # Errors
    /// If there are none left; with what can be done.
    pub(crate) fn take() -> Result<Share, String> {
        let budget = budget();
        if Budget::take(&budget.taken, budget.pods) {
            return Ok(Share(()));
        }
        Err(format!(
            "only {} files may be open at once, and {} pods have them: delete some of these, or {REMEDY}",
            budget.files, budget.pods
        ))
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        budget().taken.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The right of a file that is written to now and then to stay open in between.
#[derive(Debug)]
pub(crate) struct Stay(());

impl Stay {
    /// Takes it, if there is one left.
    pub(crate) fn take() -> Option<Stay> {
        let budget = budget();
        Budget::take(&budget.records, budget.pods).then(|| Stay(()))
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        budget().records.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Waits for the files that a Pod takes while it starts.
pub(crate) async fn for_a_start() -> Option<SemaphorePermit<'static>> {
    // It is never closed.
    budget().starts.acquire().await.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_limit_the_api_and_the_daemon_have_theirs() {
        for (files, connections, pods) in [
            (64, 12, 4),
            (256, 58, 40),
            (1024, 250, 184),
            (1 << 20, 1152, 261_847),
        ] {
            let budget = Budget::of(files);
            assert_eq!(
                (budget.connections, budget.pods),
                (connections, pods),
                "{files}"
            );
            assert!(OWN + MOMENTS + connections + A_POD * pods <= files);
        }
        // Where not even the daemon can live there is one Pod, which fails by itself.
        assert_eq!(Budget::of(8).pods, 1);
        assert_eq!(Budget::of(u64::MAX).connections, 1152);
    }

    #[test]
    fn what_is_taken_is_given_back() {
        let count = AtomicU64::new(0);
        assert!(Budget::take(&count, 2) && Budget::take(&count, 2) && !Budget::take(&count, 2));
        count.fetch_sub(1, Ordering::Relaxed);
        assert!(Budget::take(&count, 2));
    }
}
