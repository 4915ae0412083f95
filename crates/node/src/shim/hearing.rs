//! Does a shim answer? Whoever looks at it now and then asks one that has not been heard for a while, and
//! takes it for silent if it lets many looks go by.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use outrigger_lifecycle::Time;
use tokio::sync::watch;

use crate::clock::now;

/// How long a shim is let alone after it was heard.
const LET_ALONE: Duration = Duration::from_secs(5);
/// How long after each other those looks are that wait for an answer.
const WAITS: Duration = Duration::from_secs(1);
/// How many of them a shim may let go by. They are counted, and not only timed, as it may be the node that
/// was stopped, or the machine.
const LOOKS: u32 = 5;

/// What a look has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finding {
    /// Nothing new.
    Same,
    /// It is to be asked for a sign of life.
    Ask,
    /// It has not answered for too long.
    Silent,
    /// It answers again.
    Answers,
}

/// What is known of one shim.
#[derive(Debug)]
pub(crate) struct Hearing {
    /// When something came from it last.
    heard: AtomicU64,
    asked: Mutex<Option<Asked>>,
    silent: watch::Sender<bool>,
}

/// A question that is not answered yet.
#[derive(Debug, Clone, Copy)]
struct Asked {
    at: Time,
    /// When the next look counts.
    next: Time,
    /// How many have counted.
    looks: u32,
}

impl Hearing {
    /// Of a shim that was heard just now.
    pub(super) fn new() -> Hearing {
        Hearing {
            heard: AtomicU64::new(now().0),
            asked: Mutex::default(),
            silent: watch::Sender::new(false),
        }
    }

    /// Something has come from it.
    pub(super) fn hears(&self) {
        self.heard.fetch_max(now().0, Ordering::Relaxed);
    }

    /// When something came from it last.
    pub(crate) fn heard(&self) -> Time {
        Time(self.heard.load(Ordering::Relaxed))
    }

    /// Whether it has not answered for too long.
    pub(crate) fn is_silent(&self) -> bool {
        *self.silent.borrow()
    }

    /// Waits until it has not answered for too long.
    pub(super) async fn until_silent(&self) {
        // The sender lives as long as this value.
        self.silent
            .subscribe()
            .wait_for(|silent| *silent)
            .await
            .ok();
    }

    /// Looks at it; gives when it wants to be looked at again.
    pub(crate) fn look(&self, now: Time) -> (Finding, Time) {
        let heard = self.heard();
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(unanswered) = asked.as_mut().filter(|asked| asked.at >= heard) {
            if now < unanswered.next {
                return (Finding::Same, unanswered.next);
            }
            unanswered.looks = unanswered.looks.saturating_add(1);
            unanswered.next = now + WAITS;
            let fell = unanswered.looks >= LOOKS && !self.silent.send_replace(true);
            let finding = if fell { Finding::Silent } else { Finding::Same };
            return (finding, unanswered.next);
        }
        *asked = None;
        if self.silent.send_replace(false) {
            return (Finding::Answers, heard + LET_ALONE);
        }
        if now - heard < LET_ALONE {
            return (Finding::Same, heard + LET_ALONE);
        }
        let next = now + WAITS;
        *asked = Some(Asked {
            at: now,
            next,
            looks: 0,
        });
        (Finding::Ask, next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hearing: &Hearing, after_s: u64) -> Time {
        hearing.heard() + Duration::from_secs(after_s)
    }

    #[test]
    fn it_is_asked_after_five_seconds_and_silent_after_ten() {
        let hearing = Hearing::new();
        let begin = hearing.heard();
        let look = |after_s: u64| hearing.look(begin + Duration::from_secs(after_s)).0;
        assert_eq!(
            hearing.look(at(&hearing, 4)),
            (Finding::Same, at(&hearing, 5))
        );
        assert_eq!(look(5), Finding::Ask);
        for after_s in [5, 6, 6, 7, 7, 8, 8, 9, 9] {
            assert_eq!((look(after_s), hearing.is_silent()), (Finding::Same, false));
        }
        assert_eq!((look(10), hearing.is_silent()), (Finding::Silent, true));
        assert_eq!(look(11), Finding::Same);
        hearing
            .heard
            .store((begin + Duration::from_secs(12)).0, Ordering::Relaxed);
        assert_eq!((look(13), hearing.is_silent()), (Finding::Answers, false));
        assert_eq!(look(14), Finding::Same);
    }

    #[test]
    fn a_node_that_was_stopped_itself_does_not_take_it_for_silent() {
        let hearing = Hearing::new();
        let begin = hearing.heard();
        let look = |after_s: u64| hearing.look(begin + Duration::from_secs(after_s)).0;
        assert_eq!(look(3600), Finding::Ask);
        assert_eq!(look(7200), Finding::Same);
        hearing
            .heard
            .store((begin + Duration::from_secs(7201)).0, Ordering::Relaxed);
        assert_eq!(look(7202), Finding::Same);
        assert!(!hearing.is_silent());
    }
}
