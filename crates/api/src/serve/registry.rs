//! Which connections are open, is there room for one more, and whose time is over?

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Limits;
use super::connection::{Connection, Socket};

/// So many connections at once are a crowd.
const CROWD: usize = 64;
/// So many bytes that came in or went out are as good as a crowd: they leave as much behind.
const STIR_BYTES: usize = 8 * 1024 * 1024;
/// Who takes nothing for so long goes when memory runs short.
const SHORT_PATIENCE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Registry {
    limits: Arc<Limits>,
    open: Mutex<Open>,
    /// What came in and went out since it was calm.
    moved: AtomicUsize,
}

#[derive(Debug, Default)]
struct Open {
    last: u64,
    /// The most that were open at once since it was calm.
    peak: usize,
    connections: BTreeMap<u64, Arc<Connection>>,
}

impl Registry {
    pub(super) fn new(limits: Arc<Limits>) -> Arc<Registry> {
        Arc::new(Registry {
            limits,
            open: Mutex::default(),
            moved: AtomicUsize::new(0),
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open().connections.is_empty()
    }

    /// Takes a connection in, for the sake of which one that is idle may have to go. `None` (and the
    /// connection is closed) if all are busy.
    pub(super) fn admit(&self, socket: Socket) -> Option<Arc<Connection>> {
        let mut open = self.open();
        open.last += 1;
        let connection = Arc::new(Connection::new(open.last, socket, &self.limits));
        let all = open.connections.len();
        let is_local = connection.is_local();
        let is_full = if is_local {
            all >= self.limits.connections
        } else {
            let remote = |each: &&Arc<Connection>| !each.is_local();
            let room = (self.limits.connections).saturating_sub(self.limits.connections_reserved);
            all >= self.limits.connections
                || open.connections.values().filter(remote).count() >= room
        };
        // Who comes from afar takes no place from root's own.
        if is_full && !open.shed(is_local) {
            tracing::warn!(
                connections = all,
                "all connections are in use: one more is refused"
            );
            return None;
        }
        let number = connection.number;
        open.connections.insert(number, Arc::clone(&connection));
        open.peak = open.peak.max(open.connections.len());
        Some(connection)
    }

    /// Notes that bytes came in or went out.
    pub(super) fn note_moved(&self, bytes: usize) {
        self.moved.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Whether a crowd, or a few with very much to say, have just gone; says so once.
    pub(super) fn has_calmed(&self) -> bool {
        let mut open = self.open();
        let left = open.connections.len();
        let was_stirred = open.peak >= CROWD || self.moved.load(Ordering::Relaxed) >= STIR_BYTES;
        let calmed = was_stirred && left <= (open.peak / 16).max(1);
        if calmed {
            open.peak = left;
            self.moved.store(0, Ordering::Relaxed);
        }
        calmed
    }

    /// Ends those who have been taking nothing the longest, until so many bytes are free.
    pub(super) fn relieve(&self, now: Instant, mut excess: usize) {
        let open = self.open();
        let mut stalled: Vec<_> = open
            .connections
            .values()
            .filter(|connection| !connection.is_local())
            .filter_map(|connection| connection.stall().map(|stall| (stall, connection)))
            .filter(|((since, _), _)| now.duration_since(*since) >= SHORT_PATIENCE)
            .collect();
        stalled.sort_by_key(|((since, _), _)| *since);
        for ((_, bytes), connection) in stalled {
            if excess == 0 {
                break;
            }
            tracing::warn!(
                connection.number,
                bytes,
                "a client that takes nothing is cut off early: others need the memory"
            );
            excess = excess.saturating_sub(bytes.max(1));
            connection.end();
        }
    }

    /// Ends the idle connection that is worth the least.
    pub(super) fn shed(&self) {
        self.open().shed(true);
    }

    /// Ends those whose time is over.
    pub(super) fn sweep(&self, now: Instant) {
        for connection in self.open().connections.values() {
            if connection.is_overdue(now, &self.limits) {
                tracing::debug!(connection.number, "a connection's time is over");
                connection.end();
            }
        }
    }

    pub(super) fn end_all(&self) {
        for connection in self.open().connections.values() {
            connection.end();
        }
    }

    pub(super) fn forget(&self, number: u64) {
        self.open().connections.remove(&number);
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn shed(&mut self, also_local: bool) -> bool {
        let idle = self
            .connections
            .values()
            .filter(|each| also_local || !each.is_local())
            .filter_map(|each| each.worth().map(|worth| (worth, each.number)))
            .min();
        let Some((_, number)) = idle else {
            return false;
        };
        if let Some(connection) = self.connections.remove(&number) {
            connection.end();
        }
        true
    }
}
