//! How is a step carried out? One line each; the work is a task that comes back as a fact.

use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use outrigger_lifecycle::{Fact, HookKind, Seen, Step, Time};
use outrigger_pod::Slot;

use crate::hands::Hands;
use crate::node::silence;
use crate::resizing::Change;
use crate::shim::{CallError, Shim};
use crate::{hooks, probing, release, resizing, sandbox, start};

impl Hands {
    /// Takes up a step, as soon as everything that was observed up to now is recorded.
    pub(crate) fn perform(self: &Arc<Hands>, step: &Step, seen: &Seen) {
        let hands = Arc::clone(self);
        let spawn = |work| self.spawn(work);
        match *step {
            Step::PrepareSandbox => spawn(Box::pin(sandbox::prepare(hands))),
            Step::Start { slot, attempt } => {
                let change = Change::of(&self.pod(), seen, slot);
                spawn(Box::pin(async move {
                    resizing::make_room(&hands, &change).await;
                    start::start(hands, slot, attempt).await;
                }));
            }
            Step::RunHook {
                slot,
                attempt,
                hook,
            } => self.run_hook(slot, attempt, hook, None),
            Step::Probe {
                slot,
                attempt,
                kind,
            } => spawn(Box::pin(async move {
                let outcome = probing::probe(&hands, slot, attempt, kind).await;
                hands.report(Fact::Probed {
                    slot,
                    attempt,
                    kind,
                    outcome,
                });
            })),
            Step::Signal { slot, attempt, .. } => spawn(Box::pin(signal(hands, slot, attempt))),
            Step::Kill { slot, attempt } => spawn(Box::pin(kill(hands, slot, attempt))),
            Step::Resize { slot, attempt } => {
                let change = Change::of(&self.pod(), seen, slot);
                spawn(Box::pin(resizing::resize(hands, slot, attempt, change)));
            }
            Step::KillShim => spawn(Box::pin(silence::kill_shim(hands))),
            Step::ReleaseSandbox => spawn(Box::pin(release::release(hands))),
            // These are only noted.
            Step::Stop { .. }
            | Step::BeginTeardown { .. }
            | Step::BeginReset { .. }
            | Step::FinishReset => {}
        }
    }

    /// Runs a hook; one that an earlier node had begun at `began` goes on from there.
    pub(crate) fn run_hook(
        self: &Arc<Hands>,
        slot: Slot,
        attempt: u32,
        hook: HookKind,
        began: Option<Time>,
    ) {
        let hands = Arc::clone(self);
        self.spawn(Box::pin(async move {
            let result = hooks::run(&hands, (slot, attempt), hook, began).await;
            hands.report(Fact::HookEnded {
                slot,
                attempt,
                hook,
                result,
            });
        }));
    }

    fn spawn(&self, work: Work) {
        let settled = self.settled();
        tokio::spawn(async move {
            settled.await;
            work.await;
        });
    }

    /// The id and the stop signal of an instance.
    pub(crate) fn instance(&self, slot: Slot, attempt: u32) -> Option<(String, i32)> {
        let instances = self
            .instances
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        instances
            .get(slot, attempt)
            .map(|instance| (instance.id.clone(), instance.stop_signal.0))
    }

    /// Whether an instance was seen to run, and not to end.
    fn runs(&self, slot: Slot, attempt: u32) -> bool {
        let instances = self
            .instances
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        instances
            .get(slot, attempt)
            .is_some_and(|instance| instance.runs)
    }
}

/// How long a shim may take to answer before that is told.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// How long what was killed may take to end before that is told.
const GOES_WITHIN: Duration = Duration::from_secs(10);
/// How long after a failure it is asked again at first; the time doubles up to 32 times that.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How often it is asked: over a quarter of an hour.
const TRIALS: u32 = 36;

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

async fn signal(hands: Arc<Hands>, slot: Slot, attempt: u32) {
    let done = insist(
        &hands,
        (slot, attempt),
        "signal",
        async |shim, id, signal| shim.signal(id, signal).await,
    );
    done.await;
}

async fn kill(hands: Arc<Hands>, slot: Slot, attempt: u32) {
    let done = insist(&hands, (slot, attempt), "kill", async |shim, id, _| {
        shim.kill(id).await
    });
    done.await;
    tokio::spawn(tell_if_it_stays(Arc::downgrade(&hands), slot, attempt));
}

/// Tells of an instance that does not end though everything in it was killed.
async fn tell_if_it_stays(hands: Weak<Hands>, slot: Slot, attempt: u32) {
    tokio::time::sleep(GOES_WITHIN).await;
    let Some(hands) = hands.upgrade() else {
        return;
    };
    let hears = hands.shim().is_some_and(|shim| !shim.hearing().is_silent());
    if hears && hands.runs(slot, attempt) {
        let name = &hands.pod()[slot].name;
        hands.complain(format!(
            "container {name} was killed and does not end: a process of it waits for a disk or a network file \
             system; it ends when that answers"
        ));
    }
}

/// Asks the shim for an instance's end until that has worked, or there is nothing more to end: nobody
/// plans a second time for what was begun.
async fn insist(
    hands: &Hands,
    (slot, attempt): (Slot, u32),
    what: &str,
    ask: impl AsyncFn(&Shim, String, i32) -> Result<(), CallError>,
) {
    for trial in 0..TRIALS {
        let (Some(shim), Some((id, signal))) = (hands.shim(), hands.instance(slot, attempt)) else {
            // With its shim the instance is lost.
            return;
        };
        // One that has ended, or was never seen to run, is not asked about twice.
        if trial > 0 && !hands.runs(slot, attempt) {
            return;
        }
        let name = &hands.pod()[slot].name;
        let mut asked = std::pin::pin!(ask(&shim, id, signal));
        let answer = match tokio::time::timeout(ANSWER_WITHIN, &mut asked).await {
            Ok(answer) => answer,
            Err(_) => {
                // It is carried out as soon as the shim goes on.
                hands.complain(format!(
                    "{what} container {name}: the pod's shim does not answer"
                ));
                asked.await
            }
        };
        match answer {
            Ok(()) => return,
            // That it is gone is told by itself, and with it the instance.
            Err(CallError::Gone) => {}
            Err(error) => hands.complain(format!("{what} container {name}: {error}")),
        }
        tokio::time::sleep(AGAIN_AFTER * 2_u32.saturating_pow(trial.min(5))).await;
    }
}
