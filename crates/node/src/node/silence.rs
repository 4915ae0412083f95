//! Which shims do not answer? All of them are looked at together now and then, while there are any.

use std::sync::Arc;
use std::time::Duration;

use outrigger_lifecycle::{Fact, Time};
use rustix::process::{Signal, pidfd_send_signal};

use crate::awaited::readable;
use crate::clock::now;
use crate::hands::{Hands, blocking};
use crate::node::life::Life;
use crate::node::{Node, Observer};
use crate::shim::{self, Finding, Shim};

/// How soon a shim is looked at first.
const FIRST_LOOK: Duration = Duration::from_secs(5);
/// Looks are at whole seconds, so that one serves many shims.
const GRID_NS: u64 = 1_000_000_000;
/// How long a process that was killed may take to go before that is told.
const GOES_WITHIN: Duration = Duration::from_secs(10);

impl Node {
    /// Sees to it that shims are looked at, now that there may be one.
    pub(super) fn watch(&mut self) {
        self.look_at
            .get_or_insert_with(|| on_grid(now() + FIRST_LOOK));
    }

    /// Looks at all shims, and forward to the next time if there are any.
    pub(super) fn look(&mut self) {
        let now = now();
        let mut next = None;
        for life in self.lives.values_mut() {
            let Some(shim) = life.hands.shim() else {
                continue;
            };
            let (finding, again) = shim.hearing().look(now);
            next = next.into_iter().chain([again]).min();
            match finding {
                Finding::Same => {}
                Finding::Ask => drop(tokio::spawn(ask(Arc::clone(&life.hands), shim))),
                Finding::Silent => life.hear_silence(&mut *self.observer),
                Finding::Answers => life.hear_again(&mut *self.observer),
            }
        }
        self.look_at = next.map(on_grid);
    }
}

impl Life {
    /// The shim does not answer.
    pub(super) fn hear_silence(&mut self, observer: &mut dyn Observer) {
        if self.seen.silence.is_none() {
            self.observe(observer, (now(), None), &Fact::ShimSilent);
        }
        self.turn(observer);
    }

    /// The shim answers.
    pub(super) fn hear_again(&mut self, observer: &mut dyn Observer) {
        if self.seen.silence.is_some() {
            self.observe(observer, (now(), None), &Fact::ShimAnswered);
        }
        self.turn(observer);
    }
}

/// Asks a shim for a sign of life. What it has to tell comes with it.
async fn ask(hands: Arc<Hands>, shim: Arc<Shim>) {
    let told = shim.ping().await.unwrap_or_default();
    told.into_iter().for_each(|warning| hands.warn(warning));
}

/// The next whole second.
fn on_grid(time: Time) -> Time {
    Time(time.0.div_ceil(GRID_NS).saturating_mul(GRID_NS))
}

/// Kills the Pod's shim, whether we are connected with it or not. The kernel kills what it keeps, and that it
/// is gone is told by whoever follows or seeks it.
pub(crate) async fn kill_shim(hands: Arc<Hands>) {
    let connected = hands.shim().and_then(|shim| shim.process());
    let ledger = hands.dirs.ledger();
    let found = blocking(move || match connected {
        Some(process) => Ok(Some(process)),
        None => Ok(shim::holder(&ledger).map(|(process, _)| process)),
    });
    let Ok(Some(process)) = found.await else {
        // It has ended, and that will be told.
        return;
    };
    if let Err(errno) = pidfd_send_signal(&process, Signal::KILL) {
        return hands.complain(format!("kill the pod's shim: {errno}"));
    }
    let Ok(process) = readable(process) else {
        return;
    };
    if tokio::time::timeout(GOES_WITHIN, process.readable())
        .await
        .is_err()
    {
        hands.complain(
            "the pod's shim was killed and does not end: it waits for a disk or a network file system; \
             the pod goes when it does"
                .to_owned(),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_fall_on_whole_seconds() {
        assert_eq!(on_grid(Time::from_ms(4_001)), Time::from_ms(5_000));
        assert_eq!(on_grid(Time::from_ms(5_000)), Time::from_ms(5_000));
    }
}
