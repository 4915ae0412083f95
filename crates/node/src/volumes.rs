//! Where does each volume of a Pod lie on this machine, and is it as the manifest wants it?

mod atomic;
mod host_path;
mod objects;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use k8s_openapi::api::core::v1 as core;
use outrigger_pod::{Objects, Pod, resources};
use outrigger_wire::Tmpfs;
use rustix::fs::{Gid, chown};

use crate::directories::{PodDirectories, make};
use crate::hands::{Hands, blocking};
use crate::volumes::objects::Room;

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
) -> Result<Volumes, VolumeError> {
    let (fs_group, memory_limit) = (fs_group(pod), memory_limit(pod));
    let mut volumes = Volumes::default();
    let mut room = Room::of_a_pod();
    for volume in declared(pod) {
        let failed = |problem| VolumeError {
            volume: volume.name.clone(),
            problem,
        };
        let path = if let Some(source) = &volume.host_path {
            host_path::check(source).map_err(failed)?
        } else if let Some(wanted) =
            objects::content(&pod.namespace, objects, volume, fs_group, &mut room)
        {
            let path = dirs.object_volume(&volume.name);
            atomic::write(&path, &wanted.map_err(failed)?, fs_group).map_err(failed)?;
            path
        } else {
            let path = dirs.volume(&volume.name);
            let source = volume.empty_dir.as_ref();
            make_empty_dir(source, &path, fs_group).map_err(failed)?;
            let tmpfs = tmpfs(source, &path, fs_group, memory_limit).map_err(failed)?;
            volumes.tmpfs.extend(tmpfs);
            path
        };
        volumes.paths.insert(volume.name.clone(), path);
    }
    Ok(volumes)
}

/// Where the volumes of a Pod are that an earlier node set up; nothing of them is touched.
pub(crate) fn locate(pod: &Pod, dirs: &PodDirectories) -> Volumes {
    let (fs_group, memory_limit) = (fs_group(pod), memory_limit(pod));
    let mut volumes = Volumes::default();
    for volume in declared(pod) {
        let path = if let Some(source) = &volume.host_path {
            PathBuf::from(&source.path)
        } else if objects::shows_object(volume) {
            dirs.object_volume(&volume.name)
        } else {
            let path = dirs.volume(&volume.name);
            let tmpfs = tmpfs(volume.empty_dir.as_ref(), &path, fs_group, memory_limit);
            // A limit that cannot be read was refused when the volume was set up.
            volumes.tmpfs.extend(tmpfs.ok().flatten());
            path
        };
        volumes.paths.insert(volume.name.clone(), path);
    }
    volumes
}

/// Writes the volumes anew that do not show their ConfigMap or Secret as it is now. A volume whose
/// object is gone stays as it is.
///
/// # Errors
/// The first volume that could not be written.
pub(crate) fn refresh(
    pod: &Pod,
    objects: &Objects,
    dirs: &PodDirectories,
) -> Result<(), VolumeError> {
    let fs_group = fs_group(pod);
    let mut room = Room::of_a_pod();
    for volume in declared(pod) {
        let path = dirs.object_volume(&volume.name);
        let content = objects::content(&pod.namespace, objects, volume, fs_group, &mut room);
        let Some(Ok(files)) = content else {
            continue;
        };
        if !atomic::shows(&path, &files) {
            atomic::write(&path, &files, fs_group).map_err(|problem| VolumeError {
                volume: volume.name.clone(),
                problem,
            })?;
        }
    }
    Ok(())
}

impl Hands {
    /// Lets the volumes of a running Pod follow the objects that they show.
    pub(crate) fn refresh_volumes(self: &Arc<Hands>) {
        if self.shim().is_none() || !declared(&self.pod()).any(objects::shows_object) {
            return;
        }
        let hands = Arc::clone(self);
        tokio::spawn(async move {
            let _turn = hands.removing.lock().await;
            let here = Arc::clone(&hands);
            let refreshed = blocking(move || {
                // Without its shim the Pod may be gone from the disk.
                if here.shim().is_none() {
                    return Ok(());
                }
                refresh(&here.pod(), &here.around.objects(), &here.dirs)
                    .map_err(|error| error.to_string())
            });
            if let Err(problem) = refreshed.await {
                hands.warn(problem);
            }
        });
    }
}

fn declared(pod: &Pod) -> impl Iterator<Item = &core::Volume> {
    let spec = pod.manifest.spec.as_ref();
    let volumes = spec.and_then(|spec| spec.volumes.as_ref());
    volumes.into_iter().flatten()
}

fn fs_group(pod: &Pod) -> Option<u32> {
    let spec = pod.manifest.spec.as_ref()?;
    let group = spec.security_context.as_ref()?.fs_group?;
    u32::try_from(group).ok()
}

/// The Pod's limit, which bounds what its volumes in memory may hold.
fn memory_limit(pod: &Pod) -> Option<u64> {
    let spec = pod.manifest.spec.as_ref()?;
    let bytes = resources::pod_limits(spec, None).memory_bytes?;
    u64::try_from(bytes).ok()
}

fn medium(source: Option<&core::EmptyDirVolumeSource>) -> &str {
    source
        .and_then(|source| source.medium.as_deref())
        .unwrap_or_default()
}

/// Writable for everybody, as the kubelet makes it.
fn mode(fs_group: Option<u32>) -> u32 {
    if fs_group.is_some() { 0o2777 } else { 0o777 }
}

/// Makes the directory of an emptyDir.
fn make_empty_dir(
    source: Option<&core::EmptyDirVolumeSource>,
    path: &Path,
    fs_group: Option<u32>,
) -> Result<(), String> {
    let medium = medium(source);
    if !matches!(medium, "" | "Memory") {
        return Err(format!("emptyDir medium {medium:?} is not supported yet"));
    }
    make(path, mode(fs_group))?;
    if let Some(group) = fs_group {
        chown(path, None, Some(Gid::from_raw(group)))
            .map_err(|error| format!("give {} to group {group}: {error}", path.display()))?;
    }
    Ok(())
}

/// What has to be mounted for an emptyDir that lies in memory.
fn tmpfs(
    source: Option<&core::EmptyDirVolumeSource>,
    path: &Path,
    fs_group: Option<u32>,
    memory_limit: Option<u64>,
) -> Result<Option<Tmpfs>, String> {
    if medium(source).is_empty() {
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
        mode: mode(fs_group),
        gid: fs_group,
    }))
}

#[cfg(test)]
mod tests;
