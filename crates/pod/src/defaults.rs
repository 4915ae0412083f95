//! What does Kubernetes fill in where a manifest says nothing?

mod container;
mod volume;

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::quantity::Quantity;
use crate::resources::{self, Side};

/// Fills in what every object has.
pub(crate) fn metadata(metadata: &mut ObjectMeta) {
    let namespace = metadata
        .namespace
        .take()
        .filter(|namespace| !namespace.is_empty());
    metadata.namespace = Some(namespace.unwrap_or_else(|| "default".to_owned()));
}

/// Fills in a Secret, and folds `stringData` into `data`, where it wins.
pub(crate) fn secret(secret: &mut core::Secret) {
    metadata(&mut secret.metadata);
    secret.type_.get_or_insert_with(|| "Opaque".to_owned());
    if let Some(strings) = secret.string_data.take() {
        let data = secret.data.get_or_insert_default();
        data.extend(
            strings
                .into_iter()
                .map(|(key, text)| (key, k8s_openapi::ByteString(text.into_bytes()))),
        );
    }
}

/// Fills in a Pod; its uid must stand in it.
pub(crate) fn pod(pod: &mut core::Pod) {
    metadata(&mut pod.metadata);
    generate_name(&mut pod.metadata);
    let Some(spec) = &mut pod.spec else { return };
    spec.dns_policy
        .get_or_insert_with(|| "ClusterFirst".to_owned());
    spec.restart_policy
        .get_or_insert_with(|| "Always".to_owned());
    spec.scheduler_name
        .get_or_insert_with(|| "default-scheduler".to_owned());
    spec.enable_service_links.get_or_insert(true);
    spec.security_context.get_or_insert_default();
    // Kubernetes stores 1 for any negative number; it once meant "at once".
    let grace_s = spec.termination_grace_period_seconds.get_or_insert(30);
    if *grace_s < 0 {
        *grace_s = 1;
    }
    let host_network = spec.host_network == Some(true);
    for one in spec
        .init_containers
        .iter_mut()
        .flatten()
        .chain(&mut spec.containers)
    {
        container::fill(one, host_network);
    }
    for one in spec.ephemeral_containers.iter_mut().flatten() {
        container::fill_ephemeral(one);
    }
    spec.volumes.iter_mut().flatten().for_each(volume::fill);
    pod_level(spec);
}

/// A cluster gives every Pod a volume with a token for its API. Here is no such API, and a Pod that
/// was read back from a cluster did not ask for the volume, so it goes. Returns what went.
pub(crate) fn drop_token_volumes(pod: &mut core::Pod) -> BTreeSet<String> {
    let Some(spec) = &mut pod.spec else {
        return BTreeSet::new();
    };
    let is_token = |volume: &core::Volume| {
        volume.name.starts_with("kube-api-access-") && volume.projected.is_some()
    };
    let volumes = spec.volumes.iter().flatten();
    let names: BTreeSet<String> = volumes
        .filter(|volume| is_token(volume))
        .map(|volume| volume.name.clone())
        .collect();
    if let Some(volumes) = &mut spec.volumes {
        volumes.retain(|volume| !names.contains(&volume.name));
    }
    let inits = spec.init_containers.iter_mut().flatten();
    for container in spec.containers.iter_mut().chain(inits) {
        if let Some(mounts) = &mut container.volume_mounts {
            mounts.retain(|mount| !names.contains(&mount.name));
        }
    }
    names
}

/// A name for a Pod that has only the beginning of one.
fn generate_name(metadata: &mut ObjectMeta) {
    let Some(start) = metadata
        .generate_name
        .as_deref()
        .filter(|start| !start.is_empty())
    else {
        return;
    };
    if metadata
        .name
        .as_deref()
        .is_some_and(|name| !name.is_empty())
    {
        return;
    }
    let mut end: Vec<char> = metadata
        .uid
        .as_deref()
        .unwrap_or_default()
        .chars()
        .rev()
        .collect();
    end.retain(char::is_ascii_alphanumeric);
    end.truncate(5);
    metadata.name = Some(start.chars().chain(end).collect::<String>().to_lowercase());
}

/// A Pod that states its resources as a whole need not repeat its containers' requests.
fn pod_level(spec: &mut core::PodSpec) {
    let Some(mut stated) = spec.resources.take() else {
        return;
    };
    let is_shared =
        |name: &str| resources::pod_level_name(name) && !name.starts_with(resources::HUGEPAGES);
    let asked = resources::aggregate(spec, Side::Requests);
    let allowed = resources::aggregate(spec, Side::Limits);
    let limits = stated.limits.get_or_insert_default();
    for (name, amount) in allowed
        .iter()
        .filter(|(name, _)| name.starts_with(resources::HUGEPAGES))
    {
        limits
            .entry(name.clone())
            .or_insert_with(|| text_of(*amount));
    }
    let requests = stated.requests.get_or_insert_default();
    for (name, amount) in asked.iter().filter(|(name, _)| is_shared(name)) {
        requests
            .entry(name.clone())
            .or_insert_with(|| text_of(*amount));
    }
    for (name, limit) in limits.iter() {
        requests
            .entry(name.clone())
            .or_insert_with(|| limit.clone());
    }
    stated.limits = stated.limits.filter(|limits| !limits.is_empty());
    stated.requests = stated.requests.filter(|requests| !requests.is_empty());
    spec.resources = Some(stated);
}

fn text_of(amount: Quantity) -> k8s_openapi::apimachinery::pkg::api::resource::Quantity {
    k8s_openapi::apimachinery::pkg::api::resource::Quantity(amount.to_string())
}

#[cfg(test)]
mod tests;
