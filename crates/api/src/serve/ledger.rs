//! How many bytes are in the daemon's memory for the sake of clients, and is that enough?

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts bytes that are held for clients: what they send and what waits to be taken by them.
#[derive(Debug)]
pub(crate) struct Ledger {
    held: AtomicUsize,
    limit: usize,
}

/// Bytes that count as long as this lives.
#[derive(Debug)]
pub(crate) struct Held {
    ledger: Arc<Ledger>,
    bytes: usize,
}

impl Ledger {
    pub(crate) fn new(limit: usize) -> Arc<Ledger> {
        Arc::new(Ledger {
            held: AtomicUsize::new(0),
            limit,
        })
    }

    /// Whether there is room for more. What comes next may be of any size, or else something large could
    /// never come.
    pub(crate) fn has_room(&self) -> bool {
        self.held() < self.limit
    }

    pub(crate) fn take(self: &Arc<Self>, bytes: usize) -> Held {
        self.held.fetch_add(bytes, Ordering::Relaxed);
        Held {
            ledger: Arc::clone(self),
            bytes,
        }
    }

    /// By how much more than half of what is allowed is held: so much should go, while there is room yet.
    pub(crate) fn excess(&self) -> usize {
        self.held().saturating_sub(self.limit / 2)
    }

    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }
}

impl Held {
    pub(crate) fn grow(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.ledger.held.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn has_room(&self) -> bool {
        self.ledger.has_room()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.ledger.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
