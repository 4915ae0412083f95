//! What is the OCI config of one container?

use std::collections::HashMap;

use oci_spec::runtime::{
    Linux, LinuxBuilder, LinuxDevice, LinuxDeviceBuilder, LinuxDeviceType, LinuxNamespace,
    LinuxNamespaceBuilder, LinuxNamespaceType, Process, RootBuilder, Spec, SpecBuilder,
};

use crate::error::BundleError;
use crate::mounts::{context, masked, mounts, privileged, read_only};
use crate::process::process;
use crate::request::{DeviceKind, PidNamespace, Request};
use crate::resources::container_resources;
use crate::seccomp;

/// Makes the OCI config of one container. Its root file system is `rootfs` beside the config.
///
/// # Errors
/// When the manifest, the image and the facts do not make a container that can run, with a text
/// fit for `CreateContainerConfigError`.
pub fn config(request: &Request<'_>) -> Result<Spec, BundleError> {
    let read_only =
        context(request).and_then(|context| context.read_only_root_filesystem) == Some(true);
    let root = RootBuilder::default()
        .path("rootfs")
        .readonly(read_only)
        .build()?;
    let process = process(request)?;
    let linux = linux(request, &process)?;
    let mut spec = SpecBuilder::default()
        .version("1.2.0")
        .root(root)
        .process(process)
        .mounts(mounts(request)?)
        .annotations(annotations(request))
        .linux(linux)
        .build()?;
    // The builder names the host after itself, and the Pod's name is set already.
    spec.set_hostname(None);
    Ok(spec)
}

fn linux(request: &Request<'_>, process: &Process) -> Result<Linux, BundleError> {
    let mut linux = LinuxBuilder::default()
        .namespaces(namespaces(request)?)
        .cgroups_path(request.cgroup)
        .resources(container_resources(request)?)
        .masked_paths(masked(request));
    if privileged(request) {
        linux = linux.readonly_paths(Vec::new()).devices(devices(request)?);
    } else {
        linux = linux.readonly_paths(read_only());
    }
    let bounding = process
        .capabilities()
        .as_ref()
        .and_then(|sets| sets.bounding().clone())
        .unwrap_or_default();
    if let Some(profile) = seccomp::profile(request.confinement, &bounding)? {
        linux = linux.seccomp(profile);
    }
    Ok(linux.build()?)
}

fn namespaces(request: &Request<'_>) -> Result<Vec<LinuxNamespace>, BundleError> {
    let own = |kind| LinuxNamespaceBuilder::default().typ(kind).build();
    let mut namespaces = vec![
        own(LinuxNamespaceType::Mount)?,
        own(LinuxNamespaceType::Cgroup)?,
    ];
    match &request.namespaces.pid {
        PidNamespace::Private => namespaces.push(own(LinuxNamespaceType::Pid)?),
        PidNamespace::Inherited => {}
        PidNamespace::Path(path) => namespaces.push(
            LinuxNamespaceBuilder::default()
                .typ(LinuxNamespaceType::Pid)
                .path(path.clone())
                .build()?,
        ),
    }
    Ok(namespaces)
}

fn devices(request: &Request<'_>) -> Result<Vec<LinuxDevice>, BundleError> {
    let device = |device: &crate::HostDevice| {
        let kind = match device.kind {
            DeviceKind::Block => LinuxDeviceType::B,
            DeviceKind::Character => LinuxDeviceType::C,
        };
        let builder = LinuxDeviceBuilder::default()
            .path(device.path.clone())
            .typ(kind)
            .major(device.major)
            .minor(device.minor)
            .file_mode(device.mode)
            .uid(device.uid)
            .gid(device.gid);
        Ok(builder.build()?)
    };
    request.host.devices.iter().map(device).collect()
}

/// Who the container is, for people and tools that read bundles. Nothing of ours reads it back.
fn annotations(request: &Request<'_>) -> HashMap<String, String> {
    let pod = request.pod;
    HashMap::from([
        (
            "io.kubernetes.container.name".to_owned(),
            pod[request.slot].name.0.clone(),
        ),
        (
            "io.kubernetes.container.restartCount".to_owned(),
            request.attempt.to_string(),
        ),
        ("io.kubernetes.pod.name".to_owned(), pod.name.clone()),
        (
            "io.kubernetes.pod.namespace".to_owned(),
            pod.namespace.clone(),
        ),
        ("io.kubernetes.pod.uid".to_owned(), pod.uid.0.clone()),
    ])
}

#[cfg(test)]
mod tests;
