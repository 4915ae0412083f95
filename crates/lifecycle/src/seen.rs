//! What has been seen of one Pod: the fold of its facts.

use outrigger_pod::{ProbeKind, Slot};
use serde::{Deserialize, Serialize};

use crate::{Definition, Ending, Exit, HookKind, Outcome, Sizes, StartFailure, StopCause, Time};

/// Everything that is known of one Pod.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// When the Pod was accepted (`status.startTime`).
    pub accepted: Time,
    /// Its sandbox.
    pub sandbox: Sandbox,
    /// Its containers, by slot.
    pub containers: Vec<History>,
    /// A deletion that was asked for.
    pub deletion: Option<Deletion>,
    /// The Pod's end, once it has begun. There is no way back from it.
    pub teardown: Option<Teardown>,
    /// A restart of all containers that is under way (KEP-5532).
    pub reset: Option<Reset>,
    /// Whether ConfigMaps or Secrets of the Pod's have changed since its sandbox was last begun.
    #[serde(default)]
    pub sources_changed: bool,
    /// That the shim does not answer, as long as it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silence: Option<Silence>,
}

/// A shim that does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    /// When that was noticed.
    pub since: Time,
    /// When its end was begun, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub killed: Option<Time>,
}

/// Where the sandbox stands: shim, namespaces, cgroup, volumes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sandbox {
    /// There is none. `failures` counts the attempts that failed in a row.
    Absent {
        /// Failed attempts in a row.
        failures: u32,
        /// The last failure: when, its reason and its message.
        last: Option<(Time, String, String)>,
    },
    /// It is being made.
    Preparing {
        /// Since when.
        since: Time,
        /// Failed attempts in a row before this one.
        failures: u32,
    },
    /// It stands.
    Ready {
        /// Since when.
        since: Time,
    },
    /// It is being released.
    Releasing {
        /// Since when.
        since: Time,
    },
    /// Nothing of it is left, and nothing will follow.
    Released {
        /// Since when.
        at: Time,
    },
}

/// A deletion that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deletion {
    /// When it was first asked for.
    pub at: Time,
    /// When its grace period ends. A later request can only bring it nearer.
    pub deadline: Time,
    /// When it was asked for without any grace, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forced: Option<Time>,
}

/// The Pod's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Teardown {
    /// When it began.
    pub began: Time,
    /// Because of what.
    pub ending: Ending,
    /// The grace period for all of it, in milliseconds.
    pub grace_ms: u64,
}

/// A restart of all containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reset {
    /// When it began.
    pub began: Time,
}

/// What is known of one container: its newest instance and what must be remembered of older ones.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// The newest instance.
    pub current: Option<Instance>,
    /// How the instance before it ended, with the times it ran (`lastState`).
    pub previous: Option<(Option<Time>, Exit)>,
    /// The crash-loop back-off as it stands.
    pub back_off: Option<BackOff>,
    /// The last failure to create an instance, if no instance came of it since.
    pub failure: Option<(Time, StartFailure)>,
    /// How many failures to create stand in a row.
    pub failures: u32,
    /// Whether ConfigMaps or Secrets of the Pod's have changed since the newest start was begun.
    #[serde(default)]
    pub sources_changed: bool,
    /// The attempt number the next instance gets.
    pub next_attempt: u32,
    /// What the newest instance was made from, with what it was resized to since.
    pub definition: Option<Definition>,
}

/// Crash-loop back-off of one container (kubelet: client-go's Backoff, initial 10 s, cap 300 s).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackOff {
    /// The wait that the next restart must keep, in milliseconds.
    pub delay_ms: u64,
    /// When it was last set: the start of the restart that it was kept for.
    pub updated: Time,
}

/// One run of a container.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    /// Its restart count.
    pub attempt: u32,
    /// When its start began.
    pub began: Time,
    /// Where it is in its life.
    pub life: Life,
    /// Its probes, in the order of `ProbeKind::ALL`.
    pub probes: [ProbeSeen; 3],
    /// How it is being stopped, if it is.
    pub stop: Option<Stop>,
    /// A resize that was begun, until it succeeds.
    pub resize: Option<Resizing>,
}

/// A resize that was begun and has not succeeded yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resizing {
    /// What is being asked of the shim.
    pub to: Sizes,
    /// When it failed and of what; `None` while it is under way.
    pub failed: Option<(Time, String)>,
}

/// Where an instance is in its life.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Life {
    /// Being created and started.
    Starting,
    /// Its first process runs.
    Running {
        /// Since when.
        since: Time,
        /// Its postStart hook.
        post_start: PostStart,
    },
    /// It ended.
    Exited {
        /// When it had started to run; never, if the start failed.
        started: Option<Time>,
        /// How it ended.
        exit: Exit,
    },
}

/// Where the postStart hook of a running instance stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PostStart {
    /// Not begun, or there is none.
    Waiting,
    /// Running.
    Running {
        /// Since when.
        since: Time,
    },
    /// Returned well.
    Done,
    /// Failed.
    Failed(String),
}

/// What is known of one probe of one instance.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ProbeSeen {
    /// When the newest attempt began.
    pub last_began: Option<Time>,
    /// Whether that attempt is still under way.
    pub in_flight: bool,
    /// The newest result and how often it came in a row.
    pub streak: Option<(bool, u32)>,
    /// The result that counts: set when a streak reaches its threshold.
    pub verdict: Option<bool>,
    /// What the newest attempt found.
    pub last: Option<(Time, Outcome)>,
}

/// How an instance is being stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// When it began.
    pub began: Time,
    /// Because of what.
    pub cause: StopCause,
    /// When SIGKILL is due. It can come nearer but not go away.
    pub deadline: Time,
    /// Its preStop hook.
    pub pre_stop: PreStop,
    /// When the stop signal was sent.
    pub signalled: Option<Time>,
    /// Whether the node was restarted since, and has therefore sent it again (which the shim does
    /// once). This moves SIGKILL at most once, however often the node is restarted.
    pub signalled_anew: bool,
    /// When SIGKILL was sent.
    pub killed: Option<Time>,
}

/// Where the preStop hook of an instance that is being stopped stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PreStop {
    /// Not begun, or there is none.
    Waiting,
    /// Running.
    Running {
        /// Since when.
        since: Time,
    },
    /// Returned, well or not.
    Ended(Result<(), String>),
}

impl Seen {
    /// What is known of a container.
    #[must_use]
    pub fn history(&self, slot: Slot) -> &History {
        &self.containers[slot.0]
    }

    /// Whether any container of the Pod has ever been started.
    #[must_use]
    pub fn anything_has_been(&self) -> bool {
        let mut histories = self.containers.iter();
        histories.any(|history| history.current.is_some() || history.previous.is_some())
    }

    /// Whether something is being made, or could not be made, that needs the ConfigMaps and Secrets
    /// which the Pod names.
    #[must_use]
    pub fn awaits_sources(&self) -> bool {
        let starting = |instance: &Instance| instance.life == Life::Starting;
        let mut histories = self.containers.iter();
        matches!(
            self.sandbox,
            Sandbox::Absent { .. } | Sandbox::Preparing { .. }
        ) || histories.any(|history| {
            history.failure.is_some() || history.current.as_ref().is_some_and(starting)
        })
    }

    /// Whether any instance of the Pod is being started or runs.
    #[must_use]
    pub fn anything_lives(&self) -> bool {
        self.containers.iter().any(History::is_live)
    }
}

impl History {
    /// Whether the newest instance is being started or runs.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.current.as_ref().is_some_and(Instance::is_live)
    }

    /// How the newest instance ended, if it did.
    #[must_use]
    pub fn exit(&self) -> Option<&Exit> {
        match self.current.as_ref().map(|instance| &instance.life) {
            Some(Life::Exited { exit, .. }) => Some(exit),
            _ => None,
        }
    }

    /// Puts an ended newest instance aside, as `lastState`.
    pub(crate) fn retire(&mut self) {
        if let Some(instance) = self.current.take() {
            match instance.life {
                Life::Exited { started, exit } => self.previous = Some((started, exit)),
                Life::Starting | Life::Running { .. } => self.current = Some(instance),
            }
        }
    }
}

impl Instance {
    /// Whether it is being started or runs.
    #[must_use]
    pub fn is_live(&self) -> bool {
        !matches!(self.life, Life::Exited { .. })
    }

    /// The record of one of its probes.
    #[must_use]
    pub fn probe(&self, kind: ProbeKind) -> &ProbeSeen {
        &self.probes[index(kind)]
    }

    pub(crate) fn exit(&mut self, exit: Exit) {
        let started = match self.life {
            Life::Running { since, .. } => Some(since),
            Life::Starting => None,
            Life::Exited { .. } => return,
        };
        self.life = Life::Exited { started, exit };
    }

    /// When a hook that is running was begun.
    #[must_use]
    pub fn hook_began(&self, hook: HookKind) -> Option<Time> {
        match (hook, &self.life, &self.stop) {
            (HookKind::PostStart, Life::Running { post_start, .. }, _) => match post_start {
                PostStart::Running { since } => Some(*since),
                PostStart::Waiting | PostStart::Done | PostStart::Failed(_) => None,
            },
            (HookKind::PreStop, _, Some(stop)) => match stop.pre_stop {
                PreStop::Running { since } => Some(since),
                PreStop::Waiting | PreStop::Ended(_) => None,
            },
            _ => None,
        }
    }

    pub(crate) fn begin_hook(&mut self, hook: HookKind, since: Time) {
        match (hook, &mut self.life, &mut self.stop) {
            (HookKind::PostStart, Life::Running { post_start, .. }, _) => {
                *post_start = PostStart::Running { since }
            }
            (HookKind::PreStop, _, Some(stop)) => stop.pre_stop = PreStop::Running { since },
            _ => {}
        }
    }

    pub(crate) fn end_hook(&mut self, hook: HookKind, result: &Result<(), String>) {
        match (hook, &mut self.life, &mut self.stop) {
            (HookKind::PostStart, Life::Running { post_start, .. }, _) => {
                *post_start = match result {
                    Ok(()) => PostStart::Done,
                    Err(message) => PostStart::Failed(message.clone()),
                };
            }
            (HookKind::PreStop, _, Some(stop)) => stop.pre_stop = PreStop::Ended(result.clone()),
            _ => {}
        }
    }
}

impl Stop {
    /// A stop that begins at `began` and ends at `deadline` with SIGKILL.
    pub(crate) fn begin(began: Time, cause: StopCause, deadline: Time) -> Stop {
        Stop {
            began,
            cause,
            deadline,
            pre_stop: PreStop::Waiting,
            signalled: None,
            signalled_anew: false,
            killed: None,
        }
    }
}

/// Where `ProbeKind::ALL` has a kind.
pub(crate) fn index(kind: ProbeKind) -> usize {
    match kind {
        ProbeKind::Startup => 0,
        ProbeKind::Liveness => 1,
        ProbeKind::Readiness => 2,
    }
}
