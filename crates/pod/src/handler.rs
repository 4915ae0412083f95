//! Probes and hooks: what is asked of a running container, how often, and by which road.

use serde::{Deserialize, Serialize};

/// Which of a container's three probes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ProbeKind {
    /// Has it come up? Until then the other two rest.
    Startup,
    /// Is it alive? If not it is killed and restarted by policy.
    Liveness,
    /// May it get traffic?
    Readiness,
}

impl ProbeKind {
    /// All three, in the order in which they are considered.
    pub const ALL: [ProbeKind; 3] = [
        ProbeKind::Startup,
        ProbeKind::Liveness,
        ProbeKind::Readiness,
    ];

    /// The word as the kubelet's events spell it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            ProbeKind::Startup => "Startup",
            ProbeKind::Liveness => "Liveness",
            ProbeKind::Readiness => "Readiness",
        }
    }
}

/// The probes of one container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Probes {
    /// `startupProbe`
    pub startup: Option<Probe>,
    /// `livenessProbe`
    pub liveness: Option<Probe>,
    /// `readinessProbe`
    pub readiness: Option<Probe>,
}

impl Probes {
    /// The probe of that kind, if one is declared.
    #[must_use]
    pub fn get(&self, kind: ProbeKind) -> Option<&Probe> {
        match kind {
            ProbeKind::Startup => self.startup.as_ref(),
            ProbeKind::Liveness => self.liveness.as_ref(),
            ProbeKind::Readiness => self.readiness.as_ref(),
        }
    }
}

/// One probe with every field that Kubernetes gives it, defaulted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// What to do.
    pub action: Action,
    /// Seconds from the container's start to the first attempt.
    pub initial_delay_s: u32,
    /// Seconds from the start of one attempt to the start of the next.
    pub period_s: u32,
    /// Seconds an attempt may take.
    pub timeout_s: u32,
    /// Consecutive successes that make a success.
    pub success_threshold: u32,
    /// Consecutive failures that make a failure.
    pub failure_threshold: u32,
    /// The grace period in seconds of a kill that this probe causes, instead of the Pod's.
    pub grace_s: Option<u64>,
}

/// What a probe does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Runs a command in the container; exit code 0 is success.
    Exec {
        /// The command and its arguments; no shell.
        command: Vec<String>,
    },
    /// Sends a GET request; a status from 200 to 399 is success.
    HttpGet(HttpGet),
    /// Opens a TCP connection.
    TcpSocket {
        /// Host to connect to; `None` is the Pod itself.
        host: Option<String>,
        /// Port number; a port's name is already looked up.
        port: u16,
    },
    /// Calls `grpc.health.v1.Health/Check`; SERVING is success.
    Grpc {
        /// Port number.
        port: u16,
        /// The service asked for; empty asks for the server as a whole.
        service: String,
    },
}

/// The scheme of an HTTP probe or hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Clear text.
    Http,
    /// TLS; the certificate is not verified.
    Https,
}

/// An HTTP GET as probes and hooks send it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpGet {
    /// HTTP or HTTPS.
    pub scheme: Scheme,
    /// Host to connect to; `None` is the Pod itself.
    pub host: Option<String>,
    /// Port number; a port's name is already looked up.
    pub port: u16,
    /// Path, with its query if it has one.
    pub path: String,
    /// Headers in the order of the manifest.
    pub headers: Vec<(String, String)>,
}

/// The hooks of one container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lifecycle {
    /// Runs right after the container's start, beside its own process; until it returns the start
    /// is not complete.
    pub post_start: Option<HookAction>,
    /// Runs before the stop signal, within the grace period.
    pub pre_stop: Option<HookAction>,
}

/// What a hook does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HookAction {
    /// Runs a command in the container; exit code 0 is success.
    Exec {
        /// The command and its arguments; no shell.
        command: Vec<String>,
    },
    /// Sends a GET request; any answer is success.
    HttpGet(HttpGet),
    /// Waits.
    Sleep {
        /// How long, in seconds.
        seconds: u64,
    },
    /// Kubernetes accepts `tcpSocket` in a hook and then fails to run it; so it is here.
    TcpSocket,
}
