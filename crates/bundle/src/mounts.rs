//! What is mounted in a container, and what is hidden from it?

use std::path::{Component, Path, PathBuf};

use k8s_openapi::api::core::v1 as core;
use oci_spec::runtime::{Mount, MountBuilder};

use crate::error::BundleError;
use crate::request::Request;

/// Paths that show the host's hardware, memory and keys, or that cost it time: the union of what
/// the kubelet and the container engines hide.
const MASKED: [&str; 13] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
    "/sys/fs/selinux",
];

/// Paths through which the kernel is set up.
const READ_ONLY: [&str; 5] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

/// What is hidden; nothing from a privileged container.
pub(crate) fn masked(request: &Request<'_>) -> Vec<String> {
    if privileged(request) {
        return Vec::new();
    }
    let fixed = MASKED.iter().map(|path| (*path).to_owned());
    fixed
        .chain(
            request
                .host
                .thermal_throttle
                .iter()
                .map(|path| path.display().to_string()),
        )
        .collect()
}

/// What may only be read; nothing in a privileged container.
pub(crate) fn read_only() -> Vec<String> {
    READ_ONLY.iter().map(|path| (*path).to_owned()).collect()
}

/// Whether the container is privileged.
pub(crate) fn privileged(request: &Request<'_>) -> bool {
    context(request).and_then(|context| context.privileged) == Some(true)
}

/// The container's security context.
pub(crate) fn context<'a>(request: &Request<'a>) -> Option<&'a core::SecurityContext> {
    request.pod[request.slot].spec.security_context.as_ref()
}

/// All mounts in the order of mounting: the kernel's, the Pod's files, the volumes from the root
/// downwards. A volume takes the place of a file or of `/dev/shm`.
pub(crate) fn mounts(request: &Request<'_>) -> Result<Vec<Mount>, BundleError> {
    let volumes = volumes(request)?;
    let taken = |place: &Path| volumes.iter().any(|volume| volume.destination() == place);
    let mut mounts = Vec::new();
    let fixed = kernel(request)?.into_iter().chain(files(request)?);
    mounts.extend(fixed.filter(|mount| !taken(mount.destination())));
    mounts.extend(volumes);
    Ok(mounts)
}

fn kernel(request: &Request<'_>) -> Result<Vec<Mount>, BundleError> {
    let write = if privileged(request) { "rw" } else { "ro" };
    let mut mounts = vec![
        mount("proc", "/proc", "proc", &["nosuid", "noexec", "nodev"])?,
        mount(
            "tmpfs",
            "/dev",
            "tmpfs",
            &["nosuid", "noexec", "strictatime", "mode=755", "size=1024k"],
        )?,
        mount(
            "devpts",
            "/dev/pts",
            "devpts",
            &[
                "nosuid",
                "noexec",
                "newinstance",
                "ptmxmode=0666",
                "mode=0620",
                "gid=5",
            ],
        )?,
        mount(
            "mqueue",
            "/dev/mqueue",
            "mqueue",
            &["nosuid", "noexec", "nodev"],
        )?,
        mount(
            "sysfs",
            "/sys",
            "sysfs",
            &["nosuid", "noexec", "nodev", write],
        )?,
        mount(
            "cgroup",
            "/sys/fs/cgroup",
            "cgroup",
            &["nosuid", "noexec", "nodev", "relatime", write],
        )?,
    ];
    if let Some(shm) = &request.paths.shm {
        let options = ["rbind", "rprivate", "nosuid", "noexec", "nodev", "rw"];
        mounts.push(mount(shm, "/dev/shm", "bind", &options)?);
    }
    Ok(mounts)
}

fn files(request: &Request<'_>) -> Result<Vec<Mount>, BundleError> {
    let container = &request.pod[request.slot].spec;
    let paths = request.paths;
    let read_only =
        context(request).and_then(|context| context.read_only_root_filesystem) == Some(true);
    let write = if read_only { "ro" } else { "rw" };
    let message = container
        .termination_message_path
        .as_deref()
        .unwrap_or("/dev/termination-log");
    let all = [
        (&paths.hosts, "/etc/hosts", write),
        (&paths.resolv_conf, "/etc/resolv.conf", write),
        (&paths.hostname, "/etc/hostname", write),
        (&paths.termination, message, "rw"),
    ];
    let mut mounts = Vec::new();
    for (source, place, write) in all {
        if let Some(source) = source {
            let place = absolute(place, &container.name)?;
            mounts.push(mount(source, place, "bind", &["rbind", "rprivate", write])?);
        }
    }
    Ok(mounts)
}

fn volumes(request: &Request<'_>) -> Result<Vec<Mount>, BundleError> {
    let container = &request.pod[request.slot].spec;
    let mut mounts = Vec::new();
    for asked in container.volume_mounts.iter().flatten() {
        let named = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.is_empty());
        if named(&asked.sub_path) || named(&asked.sub_path_expr) {
            let field = "volumeMounts.subPath";
            return Err(BundleError::Unsupported {
                field,
                container: container.name.clone(),
            });
        }
        let volume = request
            .volumes
            .get(&asked.name)
            .ok_or_else(|| BundleError::NoVolume {
                volume: asked.name.clone(),
                container: container.name.clone(),
            })?;
        let propagation = match asked.mount_propagation.as_deref() {
            Some("HostToContainer") => "rslave",
            Some("Bidirectional") => "rshared",
            _ => "rprivate",
        };
        let recursive = matches!(
            asked.recursive_read_only.as_deref(),
            Some("Enabled" | "IfPossible")
        );
        let write = match (asked.read_only == Some(true), volume.read_only) {
            (true, _) if recursive => "rro",
            (true, _) | (_, true) => "ro",
            (false, false) => "rw",
        };
        let mut options = vec!["rbind", propagation, write];
        options.extend(volume.options.iter().map(String::as_str));
        let place = absolute(&asked.mount_path, &container.name)?;
        mounts.push(mount(&volume.path, place, "bind", &options)?);
    }
    // What lies deeper comes later, or it would be covered.
    mounts.sort_by_key(|mount| mount.destination().components().count());
    Ok(mounts)
}

/// A place in the container, from its root, without `.` and doubled slashes.
fn absolute(path: &str, container: &str) -> Result<PathBuf, BundleError> {
    let bad = || BundleError::MountPath {
        path: path.to_owned(),
        container: container.to_owned(),
    };
    if path.contains('\0') {
        return Err(bad());
    }
    let mut place = PathBuf::from("/");
    for component in Path::new(path).components() {
        match component {
            Component::Normal(part) => place.push(part),
            Component::RootDir | Component::CurDir => {}
            Component::ParentDir | Component::Prefix(_) => return Err(bad()),
        }
    }
    if place == Path::new("/") {
        Err(bad())
    } else {
        Ok(place)
    }
}

fn mount(
    source: impl Into<PathBuf>,
    place: impl Into<PathBuf>,
    kind: &str,
    options: &[&str],
) -> Result<Mount, BundleError> {
    let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
    Ok(MountBuilder::default()
        .source(source)
        .destination(place)
        .typ(kind)
        .options(options)
        .build()?)
}
