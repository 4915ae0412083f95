//! What one container of a Pod is: its kind, its place in the start order and its own rules.

use std::fmt;

use k8s_openapi::api::core::v1 as core;
use serde::{Deserialize, Serialize};

use crate::{Lifecycle, Probes, Signal};

/// The name of a container, an RFC 1123 label that is unique in its Pod.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ContainerName(pub String);

impl fmt::Display for ContainerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A container's position in [`crate::Pod::containers`], which is the order of starting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Slot(pub usize);

/// Which of the four kinds of container this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// An entry of `spec.initContainers` that must exit 0 before the next container starts.
    Init,
    /// An entry of `spec.initContainers` with `restartPolicy: Always` (KEP-753): started in its
    /// turn, kept running beside the mains, stopped after them.
    Sidecar,
    /// An entry of `spec.containers`.
    Main,
    /// An entry of `spec.ephemeralContainers` (KEP-277): added to a Pod that runs, started once as
    /// soon as there is a sandbox, and of no consequence for the Pod's own life.
    Ephemeral,
}

/// What happens after an exit, for a Pod or for one container (KEP-5307).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RestartPolicy {
    /// Restart after every exit.
    Always,
    /// Restart after an exit code that is not 0.
    OnFailure,
    /// Do not restart.
    Never,
}

/// How an exit rule compares the exit code with its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operator {
    /// The code is one of the values.
    In,
    /// The code is none of the values.
    NotIn,
}

/// What an exit rule does when it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RuleAction {
    /// Restart this container (KEP-5307).
    Restart,
    /// Start the whole Pod again from its first init container (KEP-5532).
    RestartAllContainers,
}

/// One entry of a container's `restartPolicyRules`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ExitRule {
    /// What to do when the rule matches.
    pub action: RuleAction,
    /// How to compare.
    pub operator: Operator,
    /// The exit codes.
    pub values: Vec<i32>,
}

impl ExitRule {
    /// Whether this rule speaks of an exit with `code`.
    #[must_use]
    pub fn matches(&self, code: i32) -> bool {
        match self.operator {
            Operator::In => self.values.contains(&code),
            Operator::NotIn => !self.values.contains(&code),
        }
    }
}

/// One container, lowered from the manifest to what the planner needs, with the defaulted
/// manifest entry beside it for those who build the process.
#[derive(Debug, Clone, PartialEq)]
pub struct Container {
    /// Its name.
    pub name: ContainerName,
    /// Its kind.
    pub kind: Kind,
    /// The container's own restart policy. `None` means the Pod's. Always `None` for a sidecar,
    /// whose policy is its kind.
    pub restart_policy: Option<RestartPolicy>,
    /// The container's exit rules; the first that matches decides.
    pub restart_rules: Vec<ExitRule>,
    /// Its probes; an init container has none.
    pub probes: Probes,
    /// Its hooks; an init container has none.
    pub lifecycle: Lifecycle,
    /// The signal that asks it to stop, from the manifest (KEP-4960). `None`: the image's, else TERM.
    pub stop_signal: Option<Signal>,
    /// The entry of the manifest, defaulted.
    pub spec: core::Container,
}

/// An ephemeral container as a container like any other, which is what it becomes.
pub(crate) fn of_ephemeral(one: &core::EphemeralContainer) -> core::Container {
    let one = one.clone();
    core::Container {
        args: one.args,
        command: one.command,
        env: one.env,
        env_from: one.env_from,
        image: one.image,
        image_pull_policy: one.image_pull_policy,
        lifecycle: one.lifecycle,
        liveness_probe: one.liveness_probe,
        name: one.name,
        ports: one.ports,
        readiness_probe: one.readiness_probe,
        resize_policy: one.resize_policy,
        resources: one.resources,
        restart_policy: one.restart_policy,
        restart_policy_rules: one.restart_policy_rules,
        security_context: one.security_context,
        startup_probe: one.startup_probe,
        stdin: one.stdin,
        stdin_once: one.stdin_once,
        termination_message_path: one.termination_message_path,
        termination_message_policy: one.termination_message_policy,
        tty: one.tty,
        volume_devices: one.volume_devices,
        volume_mounts: one.volume_mounts,
        working_dir: one.working_dir,
    }
}
