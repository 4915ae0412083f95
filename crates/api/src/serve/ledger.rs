//! How many bytes are in the daemon's memory for the sake of clients, and is that enough?

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Who holds no more than that rests.
const REST_BYTES: usize = 128 * 1024;

/// Counts bytes that are held for clients: what they send and what waits to be taken by them.
#[derive(Debug)]
pub(crate) struct Ledger {
    held: AtomicUsize,
    limit: usize,
    /// All that was held since the last rest.
    passed: AtomicUsize,
    /// After so many bytes it is worth giving back what they left behind.
    stir_bytes: usize,
    rest: Notify,
}

/// Bytes that count as long as this lives.
#[derive(Debug)]
pub(crate) struct Held {
    ledger: Arc<Ledger>,
    bytes: usize,
}

impl Ledger {
    pub(crate) fn new(limit: usize, stir_bytes: usize) -> Arc<Ledger> {
        Arc::new(Ledger {
            held: AtomicUsize::new(0),
            limit,
            passed: AtomicUsize::new(0),
            stir_bytes,
            rest: Notify::new(),
        })
    }

    /// Whether there is room for more. What comes next may be of any size, or else something large could
    /// never come.
    pub(crate) fn has_room(&self) -> bool {
        self.held() < self.limit
    }

    pub(crate) fn take(self: &Arc<Self>, bytes: usize) -> Held {
        self.add(bytes);
        Held {
            ledger: Arc::clone(self),
            bytes,
        }
    }

    /// By how much more than half of what is allowed is held: so much should go, while there is room yet.
    pub(crate) fn excess(&self) -> usize {
        self.held().saturating_sub(self.limit / 2)
    }

    fn add(&self, bytes: usize) {
        self.held.fetch_add(bytes, Ordering::Relaxed);
        self.passed.fetch_add(bytes, Ordering::Relaxed);
    }

    fn release(&self, bytes: usize) {
        let left = self.held.fetch_sub(bytes, Ordering::Relaxed) - bytes;
        if left <= REST_BYTES && self.passed.load(Ordering::Relaxed) >= self.stir_bytes {
            self.passed.store(0, Ordering::Relaxed);
            self.rest.notify_one();
        }
    }

    /// Whether anything was held since the last rest, or since this was asked.
    pub(crate) fn has_passed(&self) -> bool {
        self.passed.swap(0, Ordering::Relaxed) > 0
    }

    /// Waits until much has been held and next to nothing is any more. Cancelling it loses nothing.
    pub(crate) async fn at_rest(&self) {
        self.rest.notified().await;
    }

    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }
}

impl Held {
    pub(crate) fn grow(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.ledger.add(bytes);
    }

    pub(crate) fn has_room(&self) -> bool {
        self.ledger.has_room()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.ledger.release(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rests_once_after_much_was_held_and_not_before_it_is_released() {
        const STIR_BYTES: usize = 1_000_000;
        let ledger = Ledger::new(usize::MAX, STIR_BYTES);
        let rests = || {
            let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
            std::pin::pin!(ledger.at_rest()).poll(&mut cx).is_ready()
        };
        drop(ledger.take(STIR_BYTES - 1));
        assert!(!rests(), "so little is not worth it");
        let (large, small) = (ledger.take(STIR_BYTES), ledger.take(REST_BYTES));
        assert!(!rests());
        drop(large);
        assert!(rests());
        drop(small);
        assert!(!rests(), "it was said before");
        drop(ledger.take(1));
        assert!(ledger.has_passed());
        assert!(!ledger.has_passed());
    }
}
