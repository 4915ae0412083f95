//! What would the kubelet tell people of this? A fact, a status or a remark becomes what stands in an
//! Event: a reason, a sentence, and the field that it is about. Pure.

use std::fmt::Write as _;

use outrigger_lifecycle::{
    Because, Ending, Fact, HookKind, Outcome, StartFailure, State, Status, Step, StopCause,
};
use outrigger_pod::text::bound;
use outrigger_pod::{Kind, Pod, ProbeKind, Slot};

use crate::node::Remark;

/// The most bytes of a sentence, as of Kubernetes' own Events.
const MESSAGE_BYTES: usize = 1024;

/// What stands in an Event.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Incident {
    /// Kubernetes' reason, such as `BackOff`.
    pub(crate) reason: String,
    /// Whether its type is `Warning` rather than `Normal`.
    pub(crate) warning: bool,
    /// The sentence.
    pub(crate) message: String,
    /// `involvedObject.fieldPath`; empty for the Pod as a whole.
    pub(crate) field_path: String,
}

impl Incident {
    /// Something that is as it should be.
    pub(crate) fn normal(reason: &str, message: impl Into<String>) -> Incident {
        Incident::new(reason, false, message.into())
    }

    /// Something that people should look at.
    pub(crate) fn warning(reason: &str, message: impl Into<String>) -> Incident {
        Incident::new(reason, true, message.into())
    }

    fn new(reason: &str, warning: bool, mut message: String) -> Incident {
        bound(&mut message, MESSAGE_BYTES);
        Incident {
            reason: reason.to_owned(),
            warning,
            message,
            field_path: String::new(),
        }
    }

    /// The same, about a container.
    fn of(mut self, pod: &Pod, slot: Slot) -> Incident {
        self.field_path = field_path(pod, slot);
        self
    }
}

/// Where a container stands in the manifest, as Events spell it.
fn field_path(pod: &Pod, slot: Slot) -> String {
    let list = match pod[slot].kind {
        Kind::Main => "containers",
        Kind::Ephemeral => "ephemeralContainers",
        _ => "initContainers",
    };
    format!("spec.{list}{{{}}}", pod[slot].name)
}

/// What is told of a fact.
pub(crate) fn of_fact(pod: &Pod, fact: &Fact) -> Vec<Incident> {
    match fact {
        Fact::Began(step, because) => of_step(pod, step, because),
        Fact::SandboxFailed { reason, message } => {
            let message = match reason.as_str() {
                "FailedCreatePodSandBox" => format!("Failed to create pod sandbox: {message}"),
                _ => message.clone(),
            };
            vec![Incident::warning(reason, message)]
        }
        Fact::SandboxLost => vec![Incident::normal(
            "SandboxChanged",
            "Pod sandbox changed, it will be killed and re-created.",
        )],
        Fact::ShimSilent => vec![Incident::warning(
            "ShimUnresponsive",
            "The pod's shim does not answer: nobody can tell how its containers are. Nothing is done to them; \
             the pod can be deleted.",
        )],
        Fact::ShimAnswered => vec![Incident::normal(
            "ShimResponsive",
            "The pod's shim answers again",
        )],
        Fact::Started { slot, .. } => {
            let name = &pod[*slot].name;
            vec![
                pulled(pod, *slot),
                created(pod, *slot),
                Incident::normal("Started", format!("Started container {name}")).of(pod, *slot),
            ]
        }
        Fact::StartFailed { slot, failure, .. } => of_failure(pod, *slot, failure),
        Fact::HookEnded {
            slot,
            hook,
            result: Err(problem),
            ..
        } => {
            let (reason, word) = match hook {
                HookKind::PostStart => ("FailedPostStartHook", "PostStartHook"),
                HookKind::PreStop => ("FailedPreStopHook", "PreStopHook"),
            };
            vec![Incident::warning(reason, format!("{word} failed: {problem}")).of(pod, *slot)]
        }
        Fact::Probed {
            slot,
            kind,
            outcome,
            ..
        } => of_probe(*kind, outcome)
            .map(|incident| incident.of(pod, *slot))
            .into_iter()
            .collect(),
        Fact::Resized { slot, result, .. } => vec![of_resize(pod, *slot, result)],
        // The rest is told by the status, or is nothing that people ask for.
        Fact::HookEnded { result: Ok(()), .. }
        | Fact::SandboxReady
        | Fact::SandboxReleased
        | Fact::Exited { .. }
        | Fact::Updated
        | Fact::SourcesChanged
        | Fact::NodeRestarted
        | Fact::DeleteRequested { .. } => Vec::new(),
    }
}

fn of_resize(pod: &Pod, slot: Slot, result: &Result<(), String>) -> Incident {
    let name = &pod[slot].name;
    let incident = match result {
        Ok(()) => Incident::normal(
            "ResizeCompleted",
            format!("Pod resize completed: container {name}"),
        ),
        Err(problem) => Incident::warning(
            "ResizeError",
            format!("Pod resize failed: container {name}: {problem}"),
        ),
    };
    incident.of(pod, slot)
}

fn of_step(pod: &Pod, step: &Step, because: &Because) -> Vec<Incident> {
    match step {
        Step::Stop { slot, cause, .. } => {
            vec![Incident::normal("Killing", killing(pod, *slot, *cause)).of(pod, *slot)]
        }
        Step::Resize { slot, .. } => {
            let text = format!("Pod resize started: container {}", pod[*slot].name);
            vec![Incident::normal("ResizeStarted", text).of(pod, *slot)]
        }
        Step::BeginTeardown {
            ending: Ending::DeadlineExceeded,
            ..
        } => vec![Incident::normal(
            "DeadlineExceeded",
            "Pod was active on the node longer than the specified deadline",
        )],
        Step::KillShim => vec![Incident::warning(
            "Killing",
            "Killing the pod's shim, which does not answer, and all containers with it",
        )],
        Step::BeginReset { source } => {
            let text = format!("Restarting all containers of the pod: {because}");
            vec![Incident::normal("RestartingAllContainers", text).of(pod, *source)]
        }
        _ => Vec::new(),
    }
}

/// Why a container is stopped, as the kubelet says it.
fn killing(pod: &Pod, slot: Slot, cause: StopCause) -> String {
    let name = &pod[slot].name;
    let word = |kind: ProbeKind| kind.word().to_lowercase();
    let before_mains = !matches!(pod[slot].kind, Kind::Main | Kind::Ephemeral);
    match cause {
        StopCause::Probe(kind) if before_mains => {
            format!("Init container {name} failed {} probe", word(kind))
        }
        StopCause::Probe(kind) => format!(
            "Container {name} failed {} probe, will be restarted",
            word(kind)
        ),
        StopCause::PostStartFailed => "FailedPostStartHook".to_owned(),
        StopCause::DefinitionChanged => {
            format!("Container {name} definition changed, will be restarted")
        }
        StopCause::Resize => format!("Container {name} resize requires restart"),
        StopCause::Teardown | StopCause::Reset => format!("Stopping container {name}"),
    }
}

fn pulled(pod: &Pod, slot: Slot) -> Incident {
    let image = pod[slot].spec.image.as_deref().unwrap_or_default();
    let text = format!("Container image {image:?} already present on machine");
    Incident::normal("Pulled", text).of(pod, slot)
}

fn created(pod: &Pod, slot: Slot) -> Incident {
    let text = format!("Created container: {}", pod[slot].name);
    Incident::normal("Created", text).of(pod, slot)
}

fn of_failure(pod: &Pod, slot: Slot, failure: &StartFailure) -> Vec<Incident> {
    let warning = |reason, text: String| Incident::warning(reason, text).of(pod, slot);
    let error = |text: &str| warning("Failed", format!("Error: {text}"));
    let image = |reason, text: String| vec![warning(reason, text), error(&failure.reason)];
    match failure.reason.as_str() {
        // The kubelet tells of the image, and then that the container failed.
        "ErrImageNeverPull" => image("ErrImageNeverPull", failure.message.clone()),
        "InvalidImageName" => image("InspectFailed", failure.message.clone()),
        "ErrImagePull" => {
            let name = pod[slot].spec.image.as_deref().unwrap_or_default();
            image(
                "Failed",
                format!("Failed to pull image {name:?}: {}", failure.message),
            )
        }
        _ => {
            let steps = [
                Some(pulled(pod, slot)),
                failure.created.then(|| created(pod, slot)),
            ];
            let steps = steps.into_iter().flatten();
            steps.chain([error(&failure.message)]).collect()
        }
    }
}

fn of_probe(kind: ProbeKind, outcome: &Outcome) -> Option<Incident> {
    let word = kind.word();
    let said = |text: &str| text.trim_end().to_owned();
    match outcome {
        Outcome::Success => None,
        Outcome::Warning(text) => Some(Incident::warning(
            "ProbeWarning",
            format!("{word} probe warning: {}", said(text)),
        )),
        Outcome::Failure(text) => Some(Incident::warning(
            "Unhealthy",
            format!("{word} probe failed: {}", said(text)),
        )),
        Outcome::Error(text) => Some(Incident::warning(
            "Unhealthy",
            format!("{word} probe errored: {}", said(text)),
        )),
    }
}

/// What is told of a new status: which containers have begun to wait for their next start.
pub(crate) fn of_status(pod: &Pod, old: Option<&Status>, new: &Status) -> Vec<Incident> {
    let waits = |status: &Status, slot: Slot| {
        status.containers.get(slot.0).is_some_and(|container| {
            matches!(&container.state, State::Waiting { reason, .. } if reason == "CrashLoopBackOff")
        })
    };
    pod.slots()
        .filter(|(slot, _)| waits(new, *slot) && !old.is_some_and(|old| waits(old, *slot)))
        .map(|(slot, container)| {
            let mut text = format!("Back-off restarting failed container {}", container.name);
            // Writing to a String cannot fail.
            write!(text, " in pod {}_{}({})", pod.name, pod.namespace, pod.uid).ok();
            Incident::warning("BackOff", text).of(pod, slot)
        })
        .collect()
}

/// What is told of a remark.
pub(crate) fn of_remark(remark: &Remark) -> Incident {
    match remark {
        Remark::Warning(text) => Incident::warning("Degraded", text.as_str()),
        Remark::Error(text) => Incident::warning("FailedSync", text.as_str()),
    }
}

#[cfg(test)]
mod tests;
