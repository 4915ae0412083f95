//! Which connections are open, is there room for one more, and whose time is over?
//!
//! Who has shown a certificate, or came by the unix socket, has places that nobody else can take. All others,
//! those whose handshake is not over among them, have a few of their own, and make room for each other.

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
    /// Those with a certificate of ours, and those of the unix socket.
    proven: BTreeMap<u64, Arc<Connection>>,
    /// All others, in the order in which they came.
    unproven: BTreeMap<u64, Arc<Connection>>,
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
        self.open().len() == 0
    }

    /// Takes a connection in, for the sake of which another may have to go. `None` (and the connection is closed)
    /// if nobody can.
    pub(super) fn admit(&self, socket: Socket) -> Option<Arc<Connection>> {
        let mut open = self.open();
        open.last += 1;
        let number = open.last;
        let connection = Arc::new(Connection::new(number, socket, &self.limits));
        if connection.is_local() {
            if open.proven.len() >= self.limits.connections && !open.shed(true) {
                refused(open.proven.len());
                return None;
            }
            open.proven.insert(number, Arc::clone(&connection));
        } else {
            while open.unproven.len() >= self.limits.strangers.max(1) {
                open.displace();
            }
            open.unproven.insert(number, Arc::clone(&connection));
        }
        open.peak = open.peak.max(open.len());
        Some(connection)
    }

    /// Gives one that has shown a certificate its place among those who have. False if all of them are busy, or
    /// if it was given up meanwhile.
    pub(super) fn prove(&self, connection: &Connection) -> bool {
        let mut open = self.open();
        let Some(proven) = open.unproven.remove(&connection.number) else {
            return false;
        };
        let all = open.proven.len();
        let remote = |each: &&Arc<Connection>| !each.is_local();
        let room = (self.limits.connections).saturating_sub(self.limits.connections_reserved);
        let is_full =
            all >= self.limits.connections || open.proven.values().filter(remote).count() >= room;
        // Who comes from afar takes no place from root's own.
        if is_full && !open.shed(false) {
            refused(all);
            return false;
        }
        open.proven.insert(connection.number, proven);
        true
    }

    /// Notes that bytes came in or went out.
    pub(super) fn note_moved(&self, bytes: usize) {
        self.moved.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Whether a crowd, or a few with very much to say, have just gone; says so once.
    pub(super) fn has_calmed(&self) -> bool {
        let mut open = self.open();
        let left = open.len();
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
            .proven
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

    /// Ends the connection that is worth the least, if one can be spared.
    pub(super) fn shed(&self) {
        let mut open = self.open();
        if !open.displace() {
            open.shed(true);
        }
    }

    /// Ends those whose time is over.
    pub(super) fn sweep(&self, now: Instant) {
        for connection in self.open().all() {
            if connection.is_overdue(now, &self.limits) {
                tracing::debug!(connection.number, "a connection's time is over");
                connection.end();
            }
        }
    }

    pub(super) fn end_all(&self) {
        for connection in self.open().all() {
            connection.end();
        }
    }

    pub(super) fn forget(&self, number: u64) {
        let mut open = self.open();
        open.proven.remove(&number);
        open.unproven.remove(&number);
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refused(connections: usize) {
    tracing::warn!(
        connections,
        "all connections are in use: one more is refused"
    );
}

impl Open {
    fn len(&self) -> usize {
        self.proven.len() + self.unproven.len()
    }

    fn all(&self) -> impl Iterator<Item = &Arc<Connection>> {
        self.proven.values().chain(self.unproven.values())
    }

    /// Ends the one that is worth the least of those that have proved nothing.
    fn displace(&mut self) -> bool {
        let least = self
            .unproven
            .values()
            .map(|each| (each.worth_unproven(), each.number))
            .min();
        let gone = least.and_then(|(_, number)| self.unproven.remove(&number));
        if let Some(connection) = &gone {
            connection.end();
        }
        gone.is_some()
    }

    /// Ends the idle one that is worth the least of those that have proved themselves.
    fn shed(&mut self, also_local: bool) -> bool {
        let idle = self
            .proven
            .values()
            .filter(|each| also_local || !each.is_local())
            .filter_map(|each| each.worth().map(|worth| (worth, each.number)))
            .min();
        let gone = idle.and_then(|(_, number)| self.proven.remove(&number));
        if let Some(connection) = &gone {
            connection.end();
        }
        gone.is_some()
    }
}
