//! The oracle's eye on starts, ends, signals, hooks and probes.

use outrigger_lifecycle::HookKind;
use outrigger_pod::{HookAction, Kind, ProbeKind, RestartPolicy, Slot};

use super::Oracle;

impl Oracle<'_> {
    pub(super) fn start_asked(&mut self, slot: Slot, attempt: u32) {
        let declared = &self.pod[slot];
        let kind = declared.kind;
        self.deny(self.teardown.is_some(), "INV-20", || {
            format!("start of {slot:?} in a teardown")
        });
        let lives = self.containers[slot.0].alive || self.containers[slot.0].asked;
        self.deny(lives, "INV-11", || {
            format!("second instance of {slot:?} asked for")
        });
        if kind == Kind::Ephemeral {
            let again = self.containers[slot.0].attempt.is_some();
            self.deny(again, "INV-11", || format!("{slot:?} asked for again"));
            self.containers[slot.0].asked = true;
            return;
        }
        let before: Vec<Slot> = self
            .pod
            .slots()
            .map(|(other, _)| other)
            .filter(|other| *other < slot)
            .collect();
        for other in before {
            let container = &self.containers[other.0];
            let (missing, invariant) = match self.pod[other].kind {
                Kind::Init => (!container.done, "INV-01"),
                Kind::Sidecar => (!container.up_once, "INV-02"),
                Kind::Ephemeral => (false, "INV-01"),
                Kind::Main => {
                    let hook = self.pod[other].lifecycle.post_start.is_some();
                    let hooked = hook
                        && container.alive
                        && !container.post_start_done
                        && container.stop.is_none();
                    (container.asked || hooked, "INV-05")
                }
            };
            self.deny(missing, invariant, || {
                format!("{slot:?} asked for before {other:?} had passed")
            });
        }
        let done = kind == Kind::Init && self.containers[slot.0].done;
        self.deny(done, "INV-03", || {
            format!("init {slot:?} asked for again after exit 0")
        });
        let runs = self
            .pod
            .of_kind(Kind::Init)
            .any(|(other, _)| self.containers[other.0].alive);
        self.deny(kind == Kind::Init && runs, "INV-02", || {
            "two init containers at once".to_owned()
        });
        if kind == Kind::Main {
            self.main_restart(slot);
        }
        self.back_off(slot);
        let older = self.containers[slot.0].attempt;
        self.deny(
            older.is_some_and(|older| older >= attempt),
            "INV-12",
            || format!("attempt {attempt} of {slot:?} after {older:?}"),
        );
        let container = &mut self.containers[slot.0];
        container.asked_anew = std::mem::take(&mut container.redefined);
        self.containers[slot.0].asked = true;
    }

    /// A main that ended may run again only if its policy, a rule or a reset says so.
    fn main_restart(&mut self, slot: Slot) {
        let declared = &self.pod[slot];
        let container = &self.containers[slot.0];
        let Some(code) = container
            .last_code
            .filter(|_| !container.reset && !container.redefined)
        else {
            return;
        };
        let rule = declared.restart_policy.is_some()
            && declared.restart_rules.iter().any(|rule| rule.matches(code));
        let may = match declared.restart_policy.unwrap_or(self.pod.restart_policy) {
            RestartPolicy::Always => true,
            RestartPolicy::OnFailure => code != 0 || container.probe_killed,
            RestartPolicy::Never => false,
        };
        self.deny(!may && !rule, "INV-07", || {
            format!("{slot:?} asked for again after exit {code}")
        });
    }

    fn back_off(&mut self, slot: Slot) {
        let now = self.now;
        // An end that the shim's death caused is known only when that is.
        let news_ms = 2 * self.delay_ms + self.silence_ms + if self.shim_died { 31_000 } else { 0 };
        let container = &mut self.containers[slot.0];
        if container.retrying {
            return;
        }
        let Some(exited_at) = container.exited_at else {
            return;
        };
        if container.probe_killed {
            container.unsure = true;
        }
        if exited_at.since_ms(container.counted_at) + news_ms > 600_000 {
            container.restarts = 0;
        }
        let least_ms = match container.restarts {
            0 => 0,
            n => (10_000u64 << (n - 1).min(20)).min(300_000),
        };
        let waited_ms = now.since_ms(exited_at);
        container.restarts += 1;
        container.counted_at = now;
        let wrong = !container.unsure && waited_ms < least_ms;
        self.deny(wrong, "INV-10", || {
            format!("{slot:?} waited {waited_ms} ms and not {least_ms} ms")
        });
    }

    pub(super) fn started(&mut self, slot: Slot, attempt: u32) {
        let twice = self.containers[slot.0].alive;
        self.deny(twice, "INV-11", || format!("two instances of {slot:?}"));
        let now = self.now;
        self.containers[slot.0].start(attempt, now);
        self.containers[slot.0].note_up(&self.pod[slot]);
    }

    pub(super) fn exited(&mut self, slot: Slot, attempt: u32, code: i32) {
        let now = self.now;
        let container = &mut self.containers[slot.0];
        container.alive = false;
        container.asked = false;
        container.retrying = false;
        container.reset = false;
        container.attempt = Some(attempt);
        container.last_code = Some(code);
        container.exited_at = Some(now);
        container.probe_killed = container.stop.is_some_and(|(_, _, for_probe)| for_probe);
        container.done = code == 0 && !container.oom;
        self.grace_kept(slot);
    }

    /// INV-25: the last process is dead when grace and tail are over. A shorter grace that was
    /// asked for later is not the oracle's concern, and a node that was away may be late.
    fn grace_kept(&mut self, slot: Slot) {
        let Some((began, grace_ms)) = self.teardown else {
            return;
        };
        if self.node_died {
            return;
        }
        let own_ms = self.containers[slot.0]
            .stop
            .map_or(0, |(_, grace_ms, _)| grace_ms);
        let limit_ms = grace_ms.max(own_ms) + 2_000 + 4 * self.delay_ms + self.silence_ms + 500;
        let took_ms = self.now.since_ms(began);
        self.deny(took_ms > limit_ms, "INV-25", || {
            format!("{slot:?} lived {took_ms} ms of {limit_ms} ms")
        });
    }

    pub(super) fn signalled(&mut self, slot: Slot) {
        let now = self.now;
        let container = self.containers[slot.0].clone();
        let twice = container.signalled_at.is_some();
        self.deny(twice, "INV-22", || format!("{slot:?} signalled twice"));
        let Some((began, grace_ms, for_probe)) = container.stop else {
            return self.deny(true, "INV-22", || {
                format!("{slot:?} signalled without a stop")
            });
        };
        let in_grace = now < began.plus_ms(grace_ms) && self.deletions == 0;
        let hook = container.pre_stop_runs;
        self.deny(hook && in_grace, "INV-22", || {
            format!("{slot:?} signalled before its preStop was over")
        });
        self.containers[slot.0].signalled_at = Some(now);
        let Some((teardown, grace_ms)) = self.teardown else {
            return;
        };
        let shortened = self.deletions > self.deletions_known;
        let expired = now >= teardown.plus_ms(grace_ms);
        if self.pod[slot].kind != Kind::Sidecar
            || for_probe
            || shortened
            || expired
            || began < teardown
        {
            return;
        }
        let ahead: Vec<Slot> = self
            .pod
            .slots()
            .map(|(other, _)| other)
            .filter(|o| self.goes_first(*o, slot))
            .collect();
        let alive = ahead
            .into_iter()
            .find(|other| self.containers[other.0].alive);
        self.deny(alive.is_some(), "INV-23", || {
            format!("{slot:?} signalled while {alive:?} lives")
        });
    }

    fn goes_first(&self, other: Slot, slot: Slot) -> bool {
        match self.pod[other].kind {
            Kind::Main => true,
            Kind::Sidecar => other > slot,
            Kind::Init | Kind::Ephemeral => false,
        }
    }

    pub(super) fn killed(&mut self, slot: Slot) {
        let now = self.now;
        let container = &self.containers[slot.0];
        let signalled = container.signalled_at;
        let early = signalled.is_none_or(|signalled| now < signalled.plus_ms(2_000));
        // Both were asked for in time, and a shim that was silent sends them one after the other.
        let late = signalled.is_some() && self.silence_ms > 0;
        self.deny(early && !late, "INV-24", || {
            format!("{slot:?} killed less than 2 s after its signal")
        });
        let stop = self.containers[slot.0].stop;
        let in_grace = stop.is_some_and(|(began, grace_ms, _)| now < began.plus_ms(grace_ms));
        let wrong = in_grace && self.deletions == 0;
        self.deny(wrong, "INV-24", || {
            format!("{slot:?} killed within its grace period")
        });
    }

    pub(super) fn hook_began(&mut self, slot: Slot, hook: HookKind) {
        let asks = matches!(
            self.pod[slot].lifecycle.post_start,
            Some(HookAction::HttpGet(_))
        );
        let container = &mut self.containers[slot.0];
        match hook {
            HookKind::PostStart => {
                // Exactly once, but for a request whose answer was lost with the node.
                let ended = container.post_starts > 0 && !(asks && self.node_died);
                container.post_starts += 1;
                self.deny(ended, "INV-56", || {
                    format!("postStart of {slot:?} ran again")
                });
            }
            HookKind::PreStop => {
                container.pre_stops += 1;
                container.pre_stop_runs = true;
                let (twice, stopped) = (container.pre_stops > 1, container.stop.is_some());
                self.deny(twice || !stopped, "INV-56", || {
                    format!("preStop of {slot:?} out of place")
                });
            }
        }
    }

    pub(super) fn probe_began(&mut self, slot: Slot, attempt: u32, kind: ProbeKind) {
        let name = self.name(slot).to_owned();
        let now = self.now;
        let declared = &self.pod[slot];
        let period_ms = declared
            .probes
            .get(kind)
            .map_or(0, |probe| u64::from(probe.period_s) * 1_000);
        let container = &mut self.containers[slot.0];
        if container.attempt != Some(attempt) {
            return self.deny(true, "INV-50", || {
                format!("{kind:?} probe of an old instance of {name}")
            });
        }
        let index = kind as usize;
        let last = container.probed_at[index].replace(now);
        let hooked = declared.lifecycle.post_start.is_none() || container.post_start_done;
        let startup = declared.probes.startup.is_none() || container.startup_good;
        // The node that had seen the success may be gone, and its successor asks again.
        let open = !container.startup_good || self.node_died;
        let started = hooked
            && if kind == ProbeKind::Startup {
                open
            } else {
                startup
            };
        let stopped = container.stop.is_some() || self.teardown.is_some();
        // One that was asked for in time is carried out late by a shim that was silent.
        let late = self.silence_ms > 0;
        let too_soon = last.is_some_and(|last| now < last.plus_ms(period_ms)) && !late;
        self.deny(!started, "INV-50", || {
            format!("{kind:?} probe of {name} out of its time")
        });
        self.deny(
            stopped && !late && kind != ProbeKind::Readiness,
            "INV-52",
            || format!("{kind:?} probe of a stopping {name}"),
        );
        self.deny(too_soon, "INV-53", || {
            format!("{kind:?} probe of {name} before its period was over")
        });
    }
}
