//! How containers behave in the model: how long they run, how they end, how they take a signal.

use std::collections::BTreeMap;

use outrigger_pod::Slot;

use crate::Random;

/// How one run of a container goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Milliseconds until it ends by itself, and its exit code; `None`: it does not.
    pub ends: Option<(u64, i32)>,
    /// Whether the kernel takes one of its processes for want of memory.
    pub oom: bool,
    /// What it does when its stop signal comes.
    pub on_signal: OnSignal,
    /// Milliseconds from its start until its startup probe would succeed; `None`: never.
    pub up_after_ms: Option<u64>,
    /// How its liveness and readiness probes fare.
    pub probing: Probing,
    /// Milliseconds that its postStart hook takes, and whether it succeeds.
    pub post_start: (u64, bool),
    /// Milliseconds that its preStop hook takes, and whether it succeeds.
    pub pre_stop: (u64, bool),
    /// Whether it can be created at all, and then whether its command can be executed.
    pub creation: (bool, bool),
}

/// What a process does with its stop signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnSignal {
    /// It ends after this many milliseconds with this exit code.
    Ends(u64, i32),
    /// It goes on; only SIGKILL ends it.
    Ignores,
}

/// How probes fare on a running container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probing {
    /// They succeed.
    Good,
    /// They fail from this many milliseconds after the start on.
    FailsFrom(u64),
    /// They fail until this many milliseconds after the start.
    GoodFrom(u64),
    /// By chance.
    Shaky,
}

impl Run {
    /// A run that ends by itself.
    #[must_use]
    pub fn ends(after_ms: u64, code: i32) -> Run {
        Run {
            ends: Some((after_ms, code)),
            oom: false,
            on_signal: OnSignal::Ends(100, 143),
            up_after_ms: Some(0),
            probing: Probing::Good,
            post_start: (50, true),
            pre_stop: (50, true),
            creation: (true, true),
        }
    }

    /// A run that goes on until it is asked to stop, and then ends with exit code 0 a second later.
    #[must_use]
    pub fn serves() -> Run {
        Run {
            ends: None,
            on_signal: OnSignal::Ends(1_000, 0),
            ..Run::ends(0, 0)
        }
    }

    /// A run by chance.
    pub fn any(random: &mut Random) -> Run {
        let spans = [0, 1, 50, 900, 5_000, 40_000, 700_000];
        let codes = [0, 0, 0, 1, 3, 42, 137];
        let ends = random
            .chance(70)
            .then(|| (random.pick(&spans), random.pick(&codes)));
        let on_signal = if random.chance(80) {
            OnSignal::Ends(
                random.pick(&[0, 20, 1_500, 9_000, 60_000]),
                random.pick(&codes),
            )
        } else {
            OnSignal::Ignores
        };
        let up_after_ms = random
            .chance(85)
            .then(|| random.pick(&[0, 0, 100, 2_500, 30_000]));
        let probing = match random.below(6) {
            0 => Probing::FailsFrom(random.pick(&[0, 3_000, 20_000])),
            1 => Probing::Shaky,
            _ => Probing::Good,
        };
        Run {
            ends,
            oom: false,
            on_signal,
            up_after_ms,
            probing,
            post_start: (random.pick(&[0, 10, 1_000, 20_000]), random.chance(85)),
            pre_stop: (
                random.pick(&[0, 10, 1_000, 20_000, 100_000]),
                random.chance(85),
            ),
            creation: (random.chance(95), random.chance(95)),
        }
    }
}

/// How a container's runs go, one after the other; the last entry speaks for all later ones.
pub type Script = Vec<Run>;

/// The scripts of a Pod's containers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scripts(pub BTreeMap<Slot, Script>);

impl Scripts {
    /// How the `attempt`-th run of a container goes; without a script it ends at once with 0.
    #[must_use]
    pub fn run(&self, slot: Slot, attempt: u32) -> Run {
        let script = self.0.get(&slot).map_or(&[][..], Vec::as_slice);
        let index = (attempt as usize).min(script.len().saturating_sub(1));
        script.get(index).copied().unwrap_or(Run::ends(0, 0))
    }
}
