//! How is a step carried out? One line each; the work is a task that comes back as a fact.

use std::sync::Arc;

use outrigger_lifecycle::{Fact, HookKind, Step};
use outrigger_pod::Slot;

use crate::hands::Hands;
use crate::{hooks, probing, release, sandbox, start};

impl Hands {
    /// Takes up a step.
    pub(crate) fn perform(self: &Arc<Hands>, step: &Step) {
        let hands = Arc::clone(self);
        match *step {
            Step::PrepareSandbox => spawn(async move { sandbox::prepare(hands).await }),
            Step::Start { slot, attempt } => {
                spawn(async move { start::start(hands, slot, attempt).await })
            }
            Step::RunHook {
                slot,
                attempt,
                hook,
            } => spawn(run_hook(hands, slot, attempt, hook)),
            Step::Probe {
                slot,
                attempt,
                kind,
            } => spawn(async move {
                let outcome = probing::probe(&hands, slot, attempt, kind).await;
                hands.report(Fact::Probed {
                    slot,
                    attempt,
                    kind,
                    outcome,
                });
            }),
            Step::Signal { slot, attempt, .. } => spawn(signal(hands, slot, attempt)),
            Step::Kill { slot, attempt } => spawn(kill(hands, slot, attempt)),
            Step::ReleaseSandbox => spawn(async move { release::release(hands).await }),
            // These are only noted.
            Step::Stop { .. }
            | Step::BeginTeardown { .. }
            | Step::BeginReset { .. }
            | Step::FinishReset => {}
        }
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
}

fn spawn(work: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(work);
}

async fn run_hook(hands: Arc<Hands>, slot: Slot, attempt: u32, hook: HookKind) {
    let result = hooks::run(&hands, slot, attempt, hook).await;
    hands.report(Fact::HookEnded {
        slot,
        attempt,
        hook,
        result,
    });
}

async fn signal(hands: Arc<Hands>, slot: Slot, attempt: u32) {
    let (Some(shim), Some((id, signal))) = (hands.shim(), hands.instance(slot, attempt)) else {
        return;
    };
    if let Err(error) = shim.signal(id, signal).await {
        hands.complain(format!(
            "signal container {}: {error}",
            hands.pod[slot].name
        ));
    }
}

async fn kill(hands: Arc<Hands>, slot: Slot, attempt: u32) {
    let (Some(shim), Some((id, _))) = (hands.shim(), hands.instance(slot, attempt)) else {
        return;
    };
    if let Err(error) = shim.kill(id).await {
        hands.complain(format!("kill container {}: {error}", hands.pod[slot].name));
    }
}
