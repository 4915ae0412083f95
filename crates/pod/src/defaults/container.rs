//! What does Kubernetes fill in for a container?

use k8s_openapi::api::core::v1 as core;

use crate::container::of_ephemeral;
use crate::quantity::Quantity;

pub(super) fn fill(container: &mut core::Container, host_network: bool) {
    let image = container.image.as_deref().unwrap_or_default();
    let policy = pull_policy(image).to_owned();
    fill_text(&mut container.image_pull_policy, &policy);
    fill_text(
        &mut container.termination_message_path,
        "/dev/termination-log",
    );
    fill_text(&mut container.termination_message_policy, "File");
    for port in container.ports.iter_mut().flatten() {
        fill_text(&mut port.protocol, "TCP");
        if host_network && port.host_port.unwrap_or(0) == 0 {
            port.host_port = Some(port.container_port);
        }
    }
    if let Some(resources) = &mut container.resources {
        requests_from_limits(resources);
    }
    for env in container.env.iter_mut().flatten() {
        let field = env
            .value_from
            .as_mut()
            .and_then(|from| from.field_ref.as_mut());
        if let Some(field) = field {
            fill_text(&mut field.api_version, "v1");
        }
    }
    let probes = [
        &mut container.startup_probe,
        &mut container.liveness_probe,
        &mut container.readiness_probe,
    ];
    probes.into_iter().flatten().for_each(probe);
    if let Some(lifecycle) = &mut container.lifecycle {
        let hooks = [&mut lifecycle.post_start, &mut lifecycle.pre_stop];
        hooks
            .into_iter()
            .flatten()
            .filter_map(|hook| hook.http_get.as_mut())
            .for_each(http_get);
    }
}

/// What an ephemeral container may have of that.
pub(super) fn fill_ephemeral(one: &mut core::EphemeralContainer) {
    let mut filled = of_ephemeral(one);
    fill(&mut filled, false);
    one.image_pull_policy = filled.image_pull_policy;
    one.termination_message_path = filled.termination_message_path;
    one.termination_message_policy = filled.termination_message_policy;
    one.env = filled.env;
}

/// Sets a text that is absent or empty, which is the same to Kubernetes.
pub(super) fn fill_text(field: &mut Option<String>, text: &str) {
    if field.as_deref().unwrap_or_default().is_empty() {
        *field = Some(text.to_owned());
    }
}

fn fill_number(field: &mut Option<i32>, number: i32) {
    if field.unwrap_or(0) == 0 {
        *field = Some(number);
    }
}

fn probe(probe: &mut core::Probe) {
    fill_number(&mut probe.timeout_seconds, 1);
    fill_number(&mut probe.period_seconds, 10);
    fill_number(&mut probe.success_threshold, 1);
    fill_number(&mut probe.failure_threshold, 3);
    if let Some(get) = &mut probe.http_get {
        http_get(get);
    }
    if let Some(grpc) = &mut probe.grpc {
        grpc.service.get_or_insert_default();
    }
}

fn http_get(get: &mut core::HTTPGetAction) {
    fill_text(&mut get.path, "/");
    fill_text(&mut get.scheme, "HTTP");
}

fn requests_from_limits(resources: &mut core::ResourceRequirements) {
    let round = |text: &mut k8s_openapi::apimachinery::pkg::api::resource::Quantity| {
        if let Ok(amount) = Quantity::parse(&text.0)
            && amount.rounded_to_milli() != amount
        {
            text.0 = amount.rounded_to_milli().to_string();
        }
    };
    resources
        .limits
        .iter_mut()
        .flat_map(|limits| limits.values_mut())
        .for_each(round);
    resources
        .requests
        .iter_mut()
        .flat_map(|requests| requests.values_mut())
        .for_each(round);
    let Some(limits) = &resources.limits else {
        return;
    };
    let requests = resources.requests.get_or_insert_default();
    for (name, limit) in limits {
        requests
            .entry(name.clone())
            .or_insert_with(|| limit.clone());
    }
}

/// Where an image comes from that is no registry's. What is there is there: there is nothing to ask
/// again at each start.
const TRANSPORTS: [&str; 7] = [
    "host:",
    "localhost/host",
    "dir:",
    "oci:",
    "oci-archive:",
    "docker-archive:",
    "containers-storage:",
];

/// Kubernetes pulls again what may have changed: an image without a tag, or tagged `latest`.
pub(super) fn pull_policy(image: &str) -> &'static str {
    if TRANSPORTS.iter().any(|transport| {
        image.starts_with(transport) && (transport.ends_with(':') || image == *transport)
    }) {
        return "IfNotPresent";
    }
    let (name, digest) = image
        .split_once('@')
        .map_or((image, None), |(name, digest)| (name, Some(digest)));
    let last = name.rsplit('/').next().unwrap_or(name);
    match last.split_once(':').map(|(_, tag)| tag) {
        _ if digest.is_some() => "IfNotPresent",
        None | Some("latest" | "") => "Always",
        Some(_) => "IfNotPresent",
    }
}
