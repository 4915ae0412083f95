//! Which connections are open, is there room for one more, and whose time is over?

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::Limits;
use super::connection::{Connection, Socket};

/// So many connections at once are a crowd.
const CROWD: usize = 64;

#[derive(Debug)]
pub(super) struct Registry {
    limits: Arc<Limits>,
    open: Mutex<Open>,
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

    /// Whether a crowd has just gone; says so once.
    pub(super) fn has_calmed(&self) -> bool {
        let mut open = self.open();
        let left = open.connections.len();
        let calmed = open.peak >= CROWD && left <= open.peak / 16;
        if calmed {
            open.peak = left;
        }
        calmed
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
