//! What has been seen of one Pod: the fold of its facts.

use crate::{Ending, Exit, Outcome, StartFailure, StopCause, Time};

/// Everything that is known of one Pod.
#[derive(Debug, Clone, PartialEq)]
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
}

/// Where the sandbox stands: shim, namespaces, cgroup, volumes.
#[derive(Debug, Clone, PartialEq, Eq)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deletion {
    /// When it was first asked for.
    pub at: Time,
    /// When its grace period ends. A later request can only bring it nearer.
    pub deadline: Time,
}

/// The Pod's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Teardown {
    /// When it began.
    pub began: Time,
    /// Because of what.
    pub ending: Ending,
    /// The grace period for all of it, in milliseconds.
    pub grace_ms: u64,
}

/// A restart of all containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reset {
    /// When it began.
    pub began: Time,
}

/// What is known of one container: its newest instance and what must be remembered of older ones.
#[derive(Debug, Clone, Default, PartialEq)]
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
    /// The attempt number the next instance gets.
    pub next_attempt: u32,
}

/// Crash-loop back-off of one container (kubelet: client-go's Backoff, initial 10 s, cap 300 s).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackOff {
    /// The wait that the next restart must keep, in milliseconds.
    pub delay_ms: u64,
    /// When it was last set: the start of the restart that it was kept for.
    pub updated: Time,
}

/// One run of a container.
#[derive(Debug, Clone, PartialEq)]
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
}

/// Where an instance is in its life.
#[derive(Debug, Clone, PartialEq)]
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PostStart {
    /// Not begun, or there is none.
    Waiting,
    /// Running.
    Running,
    /// Returned well.
    Done,
    /// Failed.
    Failed(String),
}

/// What is known of one probe of one instance.
#[derive(Debug, Clone, Default, PartialEq)]
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
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// When SIGKILL was sent.
    pub killed: Option<Time>,
}

/// Where the preStop hook of an instance that is being stopped stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PreStop {
    /// Not begun, or there is none.
    Waiting,
    /// Running.
    Running,
    /// Returned, well or not.
    Ended(Result<(), String>),
}
