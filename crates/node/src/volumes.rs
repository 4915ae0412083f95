//! Where does each volume of a Pod lie on this machine, and is it as the manifest wants it?

mod atomic;
mod host_path;
mod objects;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1 as core;
use outrigger_pod::{Objects, Pod};
use outrigger_wire::Tmpfs;
use rustix::fs::{Gid, chown};

use crate::directories::{PodDirectories, make};

/// A volume that cannot be had now; the message is the kubelet's, for a `FailedMount` event.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("MountVolume.SetUp failed for volume {volume:?} : {problem}")]
pub(crate) struct VolumeError {
    /// Its name in the manifest.
    pub(crate) volume: String,
    /// What is wrong.
    pub(crate) problem: String,
}

/// The volumes of a Pod as they lie on the disk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Volumes {
    /// Where each volume's content is.
    pub(crate) paths: BTreeMap<String, PathBuf>,
    /// What the shim has to mount there first.
    pub(crate) tmpfs: Vec<Tmpfs>,
}

/// Puts every volume in its place. Done again after a failure, it begins from what is there.
///
/// # Errors
/// The first volume that cannot be had.
pub(crate) fn set_up(
    pod: &Pod,
    objects: &Objects,
    dirs: &PodDirectories,
    memory_limit: Option<u64>,
) -> Result<Volumes, VolumeError> {
    let spec = pod.manifest.spec.as_ref();
    let fs_group = spec
        .and_then(|spec| spec.security_context.as_ref())
        .and_then(|context| context.fs_group);
    let fs_group = fs_group.and_then(|group| u32::try_from(group).ok());
    let mut volumes = Volumes::default();
    for volume in spec
        .and_then(|spec| spec.volumes.as_ref())
        .into_iter()
        .flatten()
    {
        let failed = |problem| VolumeError {
            volume: volume.name.clone(),
            problem,
        };
        let path = if let Some(source) = &volume.host_path {
            host_path::check(source).map_err(failed)?
        } else if let Some(wanted) = objects::content(&pod.namespace, objects, volume, fs_group) {
            let path = dirs.object_volume(&volume.name);
            atomic::write(&path, &wanted.map_err(failed)?, fs_group).map_err(failed)?;
            path
        } else {
            let path = dirs.volume(&volume.name);
            let tmpfs = empty_dir(volume.empty_dir.as_ref(), &path, fs_group, memory_limit)
                .map_err(failed)?;
            volumes.tmpfs.extend(tmpfs);
            path
        };
        volumes.paths.insert(volume.name.clone(), path);
    }
    Ok(volumes)
}

/// Makes an emptyDir, writable for everybody as the kubelet makes it.
fn empty_dir(
    source: Option<&core::EmptyDirVolumeSource>,
    path: &Path,
    fs_group: Option<u32>,
    memory_limit: Option<u64>,
) -> Result<Option<Tmpfs>, String> {
    let medium = source
        .and_then(|source| source.medium.as_deref())
        .unwrap_or_default();
    if !matches!(medium, "" | "Memory") {
        return Err(format!("emptyDir medium {medium:?} is not supported yet"));
    }
    let mode = if fs_group.is_some() { 0o2777 } else { 0o777 };
    make(path, mode)?;
    if let Some(group) = fs_group {
        chown(path, None, Some(Gid::from_raw(group)))
            .map_err(|error| format!("give {} to group {group}: {error}", path.display()))?;
    }
    if medium.is_empty() {
        return Ok(None);
    }
    let limit = match source.and_then(|source| source.size_limit.as_ref()) {
        None => None,
        Some(limit) => {
            let bytes = outrigger_pod::quantity::Quantity::parse(&limit.0)
                .map_err(|error| format!("sizeLimit {:?}: {error}", limit.0))?
                .value();
            u64::try_from(bytes).ok().filter(|bytes| *bytes > 0)
        }
    };
    let size_bytes = limit.into_iter().chain(memory_limit).min();
    Ok(Some(Tmpfs {
        path: path.to_owned(),
        size_bytes,
        mode,
        gid: fs_group,
    }))
}

#[cfg(test)]
mod tests;
