//! What does the planner need of a valid manifest?

mod asks;

use k8s_openapi::api::core::v1 as core;

use crate::container::of_ephemeral;
use crate::validate::Invalid;
use crate::{
    Container, ContainerName, ExitRule, Kind, Operator, Pod, PodUid, Probes, RestartPolicy,
    RuleAction, Signal,
};
use asks::Asking;

/// Lowers a Pod that was defaulted and found valid.
///
/// # Errors
/// What Kubernetes finds out only when the Pod runs: ports with a name that no port has.
pub(crate) fn pod(manifest: core::Pod) -> Result<Pod, Vec<Invalid>> {
    let mut invalid = Vec::new();
    let spec = manifest.spec.clone().unwrap_or_default();
    let mut containers = Vec::new();
    for (index, one) in spec.init_containers.into_iter().flatten().enumerate() {
        let stays = one.restart_policy.as_deref() == Some("Always");
        let kind = if stays { Kind::Sidecar } else { Kind::Init };
        containers.push(container(
            kind,
            one,
            format!("spec.initContainers[{index}]"),
            &mut invalid,
        ));
    }
    for (index, one) in spec.containers.into_iter().enumerate() {
        containers.push(container(
            Kind::Main,
            one,
            format!("spec.containers[{index}]"),
            &mut invalid,
        ));
    }
    let ephemeral = spec.ephemeral_containers.iter().flatten();
    for (index, one) in ephemeral.enumerate() {
        containers.push(container(
            Kind::Ephemeral,
            of_ephemeral(one),
            format!("spec.ephemeralContainers[{index}]"),
            &mut invalid,
        ));
    }
    if !invalid.is_empty() {
        return Err(invalid);
    }
    Ok(Pod {
        name: manifest.metadata.name.clone().unwrap_or_default(),
        namespace: manifest.metadata.namespace.clone().unwrap_or_default(),
        uid: PodUid(manifest.metadata.uid.clone().unwrap_or_default()),
        restart_policy: policy(spec.restart_policy.as_deref()).unwrap_or(RestartPolicy::Always),
        grace_s: spec.termination_grace_period_seconds.map_or(30, whole),
        active_deadline_s: spec.active_deadline_seconds.map(whole),
        containers,
        manifest,
    })
}

/// Kubernetes' numbers are signed; those that arrive here are valid and so at least 0.
fn whole(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn policy(text: Option<&str>) -> Option<RestartPolicy> {
    match text? {
        "Always" => Some(RestartPolicy::Always),
        "OnFailure" => Some(RestartPolicy::OnFailure),
        "Never" => Some(RestartPolicy::Never),
        _ => None,
    }
}

fn container(
    kind: Kind,
    spec: core::Container,
    path: String,
    invalid: &mut Vec<Invalid>,
) -> Container {
    let mut asking = Asking {
        ports: spec.ports.as_deref().unwrap_or_default(),
        path,
        invalid,
    };
    let (probes, lifecycle) = match kind {
        Kind::Init | Kind::Ephemeral => Default::default(),
        Kind::Sidecar | Kind::Main => (
            Probes {
                startup: asking.probe("startupProbe", spec.startup_probe.as_ref()),
                liveness: asking.probe("livenessProbe", spec.liveness_probe.as_ref()),
                readiness: asking.probe("readinessProbe", spec.readiness_probe.as_ref()),
            },
            asking.lifecycle(spec.lifecycle.as_ref()),
        ),
    };
    let stop_signal = spec
        .lifecycle
        .as_ref()
        .and_then(|lifecycle| lifecycle.stop_signal.as_deref());
    Container {
        name: ContainerName(spec.name.clone()),
        kind,
        restart_policy: match kind {
            Kind::Sidecar => None,
            Kind::Init | Kind::Main => policy(spec.restart_policy.as_deref()),
            Kind::Ephemeral => Some(RestartPolicy::Never),
        },
        restart_rules: spec
            .restart_policy_rules
            .iter()
            .flatten()
            .filter_map(exit_rule)
            .collect(),
        probes,
        lifecycle,
        stop_signal: stop_signal.and_then(Signal::parse),
        spec,
    }
}

fn exit_rule(rule: &core::ContainerRestartRule) -> Option<ExitRule> {
    let codes = rule.exit_codes.as_ref()?;
    Some(ExitRule {
        action: match rule.action.as_str() {
            "RestartAllContainers" => RuleAction::RestartAllContainers,
            _ => RuleAction::Restart,
        },
        operator: match codes.operator.as_str() {
            "NotIn" => Operator::NotIn,
            _ => Operator::In,
        },
        values: codes.values.clone().unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests;
