//! What the model answers at once: resizes and probes.

use outrigger_lifecycle::{Fact, Outcome};
use outrigger_pod::{ProbeKind, Slot};

use super::Keeper;
use crate::{Happened, Probing, World};

impl World {
    pub(crate) fn resize(&mut self, slot: Slot, attempt: u32) {
        let lives = self
            .processes
            .get(&slot)
            .is_some_and(|process| process.attempt == attempt);
        let good = lives && self.resize_failures == 0;
        self.resize_failures = self.resize_failures.saturating_sub(1);
        self.happened(Happened::Resized(slot, attempt, good));
        let result = if good {
            Ok(())
        } else {
            Err("scripted".to_owned())
        };
        let fact = Fact::Resized {
            slot,
            attempt,
            result,
        };
        self.report(fact, Keeper::Node);
    }

    pub(crate) fn probe(&mut self, slot: Slot, attempt: u32, kind: ProbeKind) {
        self.happened(Happened::ProbeBegan(slot, attempt, kind));
        let outcome = match self
            .processes
            .get(&slot)
            .filter(|process| process.attempt == attempt)
        {
            None => Outcome::Error("no such process".to_owned()),
            Some(process) => {
                let age_ms = self.now.since_ms(process.started);
                let good = match (kind, process.run.probing) {
                    (ProbeKind::Startup, _) => {
                        process.run.up_after_ms.is_some_and(|up| age_ms >= up)
                    }
                    (_, Probing::Good) => true,
                    (_, Probing::FailsFrom(from_ms)) => age_ms < from_ms,
                    (_, Probing::GoodFrom(from_ms)) => age_ms >= from_ms,
                    (_, Probing::Shaky) => self.random.chance(50),
                };
                if good {
                    Outcome::Success
                } else {
                    Outcome::Failure("scripted".to_owned())
                }
            }
        };
        let good = outcome == Outcome::Success;
        self.happened(Happened::ProbeEnded(slot, attempt, kind, good));
        self.report(
            Fact::Probed {
                slot,
                attempt,
                kind,
                outcome,
            },
            Keeper::Node,
        );
    }
}
