//! What the oracle remembers of one container.

use outrigger_lifecycle::{HookKind, Time};
use outrigger_pod::{Container as Declared, ProbeKind};

#[derive(Debug, Clone, Default)]
pub(super) struct Container {
    /// The newest instance that was started, and whether it lives.
    pub(super) attempt: Option<u32>,
    pub(super) alive: bool,
    /// A start was asked for and has not been answered.
    pub(super) asked: bool,
    /// The kernel took one of the newest instance's processes: an init so taken has failed.
    pub(super) oom: bool,
    /// It exited 0 in this epoch.
    pub(super) done: bool,
    /// It was up once in this epoch.
    pub(super) up_once: bool,
    pub(super) started_at: Time,
    pub(super) last_code: Option<i32>,
    pub(super) exited_at: Option<Time>,
    /// Its newest end came from a probe's kill.
    pub(super) probe_killed: bool,
    /// Its definition was changed since its newest start was asked for.
    pub(super) redefined: bool,
    /// The newest start was asked for because of such a change.
    pub(super) asked_anew: bool,
    /// All containers were started anew since its newest end.
    pub(super) reset: bool,
    /// Its newest creation failed.
    pub(super) retrying: bool,
    /// Of the newest instance: since when it is stopped, the grace in ms, and whether for a probe.
    pub(super) stop: Option<(Time, u64, bool)>,
    pub(super) signalled_at: Option<Time>,
    pub(super) post_starts: u32,
    pub(super) pre_stops: u32,
    pub(super) pre_stop_runs: bool,
    pub(super) post_start_done: bool,
    pub(super) startup_good: bool,
    pub(super) probed_at: [Option<Time>; 3],
    /// Restarts that count for the back-off, and when the newest of them began; `unsure` after a
    /// probe's kill, whose rule of its own the oracle does not follow.
    pub(super) restarts: u32,
    pub(super) counted_at: Time,
    pub(super) unsure: bool,
}

impl Container {
    /// A new instance runs.
    pub(super) fn start(&mut self, attempt: u32, now: Time) {
        self.attempt = Some(attempt);
        self.alive = true;
        self.oom = false;
        self.asked = false;
        self.retrying = false;
        self.reset = false;
        self.started_at = now;
        self.stop = None;
        self.signalled_at = None;
        self.post_starts = 0;
        self.pre_stops = 0;
        self.pre_stop_runs = false;
        self.post_start_done = false;
        self.startup_good = false;
        self.probed_at = [None; 3];
    }

    pub(super) fn hook_ended(&mut self, hook: HookKind, good: bool) {
        match hook {
            HookKind::PostStart => self.post_start_done = good,
            HookKind::PreStop => self.pre_stop_runs = false,
        }
    }

    pub(super) fn probe_ended(&mut self, kind: ProbeKind, good: bool) {
        if kind == ProbeKind::Startup && good {
            self.startup_good = true;
        }
    }

    pub(super) fn is_up(&self, declared: &Declared) -> bool {
        self.alive
            && (declared.lifecycle.post_start.is_none() || self.post_start_done)
            && (declared.probes.startup.is_none() || self.startup_good)
    }

    pub(super) fn note_up(&mut self, declared: &Declared) {
        if self.is_up(declared) {
            self.up_once = true;
        }
    }
}
