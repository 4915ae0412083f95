//! A shim that is there and does not answer: its containers go on, and what it would tell and do waits.

use outrigger_lifecycle::Fact;

use super::{Coming, Keeper};
use crate::World;

/// How long it takes until a node takes a shim for silent.
const NOTICED_AFTER_MS: u64 = 10_000;

/// Whether the shim answers.
#[derive(Debug, Default)]
pub(super) struct Silence {
    lasts: bool,
    /// Which silence of this world it is.
    number: u64,
    /// What comes when it goes on, in order.
    withheld: Vec<Coming>,
}

impl Silence {
    /// What only the node's connection would have brought comes no more.
    pub(super) fn lose_the_node(&mut self) {
        self.withheld.retain(
            |coming| matches!(coming, Coming::Report { keeper, .. } if *keeper == Keeper::Shim),
        );
    }
}

impl World {
    /// The shim stops to answer for so long.
    pub(crate) fn fall_silent(&mut self, for_ms: u64) {
        self.silence.lasts = true;
        self.silence.number += 1;
        let number = self.silence.number;
        self.after_ms(NOTICED_AFTER_MS, Coming::Notice(number));
        self.after_ms(for_ms, Coming::Speak(number));
    }

    pub(crate) fn is_silent(&self) -> bool {
        self.silence.lasts
    }

    /// Whether that silence lasts still.
    pub(crate) fn is_the_silence(&self, number: u64) -> bool {
        self.silence.lasts && self.silence.number == number
    }

    /// Keeps back what a silent shim would have to do with; gives the rest.
    pub(crate) fn pass(&mut self, coming: Coming) -> Option<Coming> {
        let is_the_shims = match &coming {
            Coming::Start { .. } => true,
            Coming::Report { fact, .. } => !matches!(
                fact,
                Fact::SandboxLost | Fact::SandboxReleased | Fact::SandboxFailed { .. }
            ),
            _ => false,
        };
        if self.silence.lasts && is_the_shims {
            self.silence.withheld.push(coming);
            return None;
        }
        Some(coming)
    }

    /// The silence is over: what was kept back comes now, if it may.
    pub(crate) fn break_silence(&mut self, may: impl Fn(&Coming) -> bool) {
        self.silence.lasts = false;
        let withheld = std::mem::take(&mut self.silence.withheld);
        for coming in withheld.into_iter().filter(|coming| may(coming)) {
            self.after_ms(0, coming);
        }
    }
}
