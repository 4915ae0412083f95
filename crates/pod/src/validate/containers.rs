//! May these be the containers of one Pod?

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1 as core;

use super::finding::{Field, Findings};
use super::{env, hooks, mounts, names, ports, probes, resources, restarts, security};

/// Where a container stands, as far as rules depend on it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Role<'a> {
    pub(super) spec: &'a core::PodSpec,
    pub(super) volumes: &'a Volumes<'a>,
    /// An entry of `spec.initContainers`.
    pub(super) init: bool,
    /// An entry of `spec.initContainers` that is not restarted always: it runs to its end.
    pub(super) plain: bool,
}

/// The Pod's volumes by name; of several with the same the first.
pub(super) type Volumes<'a> = BTreeMap<&'a str, &'a core::Volume>;

pub(super) fn volumes(spec: &core::PodSpec) -> Volumes<'_> {
    let mut volumes = Volumes::new();
    for volume in spec.volumes.iter().flatten() {
        volumes.entry(&volume.name).or_insert(volume);
    }
    volumes
}

pub(super) const PLAIN_INIT: &str =
    "may not be set for init containers without restartPolicy=Always";

pub(super) fn check(spec: &core::PodSpec, at: &Field, out: &mut Findings) {
    let mains = at.child("containers");
    if spec.containers.is_empty() {
        out.required(&mains, "");
    }
    let volumes = &volumes(spec);
    let mut taken = BTreeSet::new();
    for (index, container) in spec.containers.iter().enumerate() {
        let role = Role {
            spec,
            volumes,
            init: false,
            plain: false,
        };
        one(container, role, &mains.index(index), out);
        name(container, &mut taken, &mains.index(index), out);
    }
    let inits = at.child("initContainers");
    for (index, container) in spec.init_containers.iter().flatten().enumerate() {
        let plain = container.restart_policy.as_deref() != Some("Always");
        let role = Role {
            spec,
            volumes,
            init: true,
            plain,
        };
        one(container, role, &inits.index(index), out);
        name(container, &mut taken, &inits.index(index), out);
    }
    ports::host_ports(spec, at, out);
}

fn name<'a>(
    container: &'a core::Container,
    taken: &mut BTreeSet<&'a str>,
    at: &Field,
    out: &mut Findings,
) {
    unique_name(&container.name, taken, &at.child("name"), out);
}

pub(super) fn unique_name<'a>(
    name: &'a str,
    taken: &mut BTreeSet<&'a str>,
    at: &Field,
    out: &mut Findings,
) {
    if name.is_empty() {
        out.required(at, "");
        return;
    }
    out.each(at, name, names::label(name));
    if !taken.insert(name) {
        out.duplicate(at, name);
    }
}

fn one(container: &core::Container, role: Role<'_>, at: &Field, out: &mut Findings) {
    process(container, role, at, out);
    restarts::check(container, role, at, out);
    ports::check(container, role, at, out);
    handlers(container, role, at, out);
    resources::container(container, role, &at.child("resources"), out);
}

/// What containers of every kind have: an image, and what the process made of it sees.
pub(super) fn process(container: &core::Container, role: Role<'_>, at: &Field, out: &mut Findings) {
    image(container, at, out);
    out.maybe_one_of(
        &at.child("terminationMessagePolicy"),
        container.termination_message_policy.as_deref(),
        &["FallbackToLogsOnError", "File"],
    );
    env::check(container, role, at, out);
    mounts::check(container, role, at, out);
    devices(container, role, at, out);
    security::container(container, role.spec, &at.child("securityContext"), out);
}

fn image(container: &core::Container, at: &Field, out: &mut Findings) {
    let at_image = at.child("image");
    match container.image.as_deref() {
        None | Some("") => out.required(&at_image, ""),
        Some(image) if image.trim() != image => {
            out.invalid(
                &at_image,
                image,
                "must not have leading or trailing whitespace",
            );
        }
        Some(_) => {}
    }
    out.maybe_one_of(
        &at.child("imagePullPolicy"),
        container.image_pull_policy.as_deref(),
        &["Always", "IfNotPresent", "Never"],
    );
}

fn handlers(container: &core::Container, role: Role<'_>, at: &Field, out: &mut Findings) {
    let probes = [
        ("livenessProbe", &container.liveness_probe),
        ("readinessProbe", &container.readiness_probe),
        ("startupProbe", &container.startup_probe),
    ];
    if role.plain {
        if container.lifecycle.is_some() {
            out.forbidden(&at.child("lifecycle"), PLAIN_INIT);
        }
        for (word, _) in probes.iter().filter(|(_, probe)| probe.is_some()) {
            out.forbidden(&at.child(word), PLAIN_INIT);
        }
        return;
    }
    for (word, probe) in probes {
        if let Some(probe) = probe {
            probes::check(probe, word == "readinessProbe", &at.child(word), out);
        }
    }
    if let Some(lifecycle) = &container.lifecycle {
        hooks::check(lifecycle, role.spec, &at.child("lifecycle"), out);
    }
}

fn devices(container: &core::Container, role: Role<'_>, at: &Field, out: &mut Findings) {
    let devices = container.volume_devices.as_deref().unwrap_or_default();
    let at = at.child("volumeDevices");
    if !devices.is_empty() && role.spec.host_users == Some(false) {
        out.forbidden(&at, "when `hostUsers` is false");
    }
    for (index, device) in devices.iter().enumerate() {
        if device.name.is_empty() {
            out.required(&at.index(index).child("name"), "");
        }
        if device.device_path.is_empty() {
            out.required(&at.index(index).child("devicePath"), "");
        }
    }
}
