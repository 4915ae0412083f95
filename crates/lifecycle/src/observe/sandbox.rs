//! What do facts of the sandbox and of its shim change of what is known?

use outrigger_pod::{Kind, Pod, RestartPolicy};

use crate::{Exit, ExitReason, Sandbox, Seen, Silence, Time};

/// A sandbox that is lost within this time counts as one that could not be made, so that a shim
/// that cannot live is not started a hundred times a second.
const SHORT_LIVED_MS: u64 = 2_000;

impl Seen {
    pub(super) fn stand(&mut self, at: Time) {
        self.sandbox = Sandbox::Ready { since: at };
        self.silence = None;
    }

    pub(super) fn leave(&mut self, at: Time) {
        self.sandbox = Sandbox::Released { at };
        self.silence = None;
    }

    pub(super) fn fall_silent(&mut self, at: Time) {
        self.silence.get_or_insert(Silence {
            since: at,
            killed: None,
        });
    }

    pub(super) fn end_silence(&mut self, at: Time) {
        if let Some(silence) = &mut self.silence {
            silence.killed = Some(at);
        }
    }

    pub(super) fn begin_sandbox(&mut self, at: Time) {
        let failures = match self.sandbox {
            Sandbox::Absent { failures, .. } => failures,
            _ => 0,
        };
        self.sandbox = Sandbox::Preparing {
            since: at,
            failures,
        };
        self.sources_changed = false;
    }

    pub(super) fn fail_sandbox(&mut self, last: (Time, String, String)) {
        let failures = match self.sandbox {
            Sandbox::Preparing { failures, .. } => failures + 1,
            _ => 1,
        };
        self.sandbox = Sandbox::Absent {
            failures,
            last: Some(last),
        };
    }

    /// Everything that ran is gone. If the Pod goes on, the init order begins anew, so its records
    /// are put aside (kubelet: a new sandbox purges the records of init containers).
    pub(super) fn lose_sandbox(&mut self, pod: &Pod, at: Time) {
        if matches!(self.sandbox, Sandbox::Released { .. }) {
            return;
        }
        self.silence = None;
        self.sandbox = match self.sandbox {
            // Whoever releases it goes on, whether it is there or not; a second release beside the
            // first would make anew what that one takes away.
            Sandbox::Releasing { since } => Sandbox::Releasing { since },
            Sandbox::Ready { since } if at.since_ms(since) < SHORT_LIVED_MS => {
                let (reason, message) = ("SandboxLost", "the sandbox was lost as soon as it stood");
                let last = Some((at, reason.to_owned(), message.to_owned()));
                Sandbox::Absent { failures: 1, last }
            }
            _ => Sandbox::Absent {
                failures: 0,
                last: None,
            },
        };
        let goes_on = self.teardown.is_none() && pod.restart_policy != RestartPolicy::Never;
        for (history, container) in self.containers.iter_mut().zip(&pod.containers) {
            if let Some(instance) = history
                .current
                .as_mut()
                .filter(|instance| instance.is_live())
            {
                instance.exit(Exit {
                    at,
                    code: 137,
                    reason: ExitReason::ContainerStatusUnknown,
                    message: "The container could not be located when the pod's sandbox was lost"
                        .to_owned(),
                });
            }
            if goes_on && matches!(container.kind, Kind::Init | Kind::Sidecar) {
                history.retire();
            }
        }
    }
}
