//! How do a volume's files change all at once? They stand in a directory of their own, `..data` is
//! a symbolic link to it that is replaced by one rename, and what the container opens are links
//! through `..data`. Containers rely on this layout (they watch `..data`), so it is the kubelet's.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Gid, chown};

use crate::clock::WallClock;
use crate::directories::make;

/// One file of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct File {
    /// Its content.
    pub(super) bytes: Vec<u8>,
    /// Its permission bits.
    pub(super) mode: u32,
}

/// Makes the volume show exactly `files`.
pub(super) fn write(
    volume: &Path,
    files: &BTreeMap<String, File>,
    group: Option<u32>,
) -> Result<(), String> {
    if let Some(bad) = files.keys().find(|path| !stays_inside(path)) {
        return Err(format!("the path {bad:?} leaves the volume"));
    }
    make(volume, 0o755)?;
    let old = fs::read_link(volume.join("..data")).ok();
    let new = fresh_directory(volume)?;
    for (path, file) in files {
        write_file(&volume.join(&new).join(path), file, group)?;
    }
    let link = volume.join("..data_tmp");
    remove_if_there(&link)?;
    symlink(&new, &link).map_err(|error| format!("link {}: {error}", link.display()))?;
    fs::rename(&link, volume.join("..data"))
        .map_err(|error| format!("rename {}: {error}", link.display()))?;
    link_visible(volume, files)?;
    match old {
        Some(old) if old != new => {
            outrigger_image::tree::remove(&volume.join(&old)).map_err(|error| error.to_string())
        }
        _ => Ok(()),
    }
}

/// Whether the volume shows exactly `files`, as far as their content goes.
pub(super) fn shows(volume: &Path, files: &BTreeMap<String, File>) -> bool {
    let data = volume.join("..data");
    let same = |path: &String, file: &File| {
        fs::read(data.join(path)).is_ok_and(|bytes| bytes == file.bytes)
    };
    let firsts: BTreeSet<&str> = files
        .keys()
        .filter_map(|path| path.split('/').next())
        .collect();
    fs::read_dir(&data).is_ok_and(|entries| entries.count() == firsts.len())
        && files.iter().all(|(path, file)| same(path, file))
}

fn stays_inside(path: &str) -> bool {
    let mut parts = Path::new(path).components();
    !path.is_empty()
        && !path.starts_with("..")
        && parts.all(|part| matches!(part, Component::Normal(_)))
}

/// A directory whose name tells its time and was not there before.
fn fresh_directory(volume: &Path) -> Result<PathBuf, String> {
    let now = WallClock::read().at(crate::clock::now());
    let stamp = now.strftime("..%Y_%m_%d_%H_%M_%S").to_string();
    for number in 0..u32::MAX {
        let name = PathBuf::from(format!("{stamp}.{number}"));
        match fs::create_dir(volume.join(&name)) {
            Ok(()) => {
                make(&volume.join(&name), 0o755)?;
                return Ok(name);
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(format!("make {}: {error}", volume.join(&name).display())),
        }
    }
    Err(format!("no free name for {stamp} in {}", volume.display()))
}

fn write_file(path: &Path, file: &File, group: Option<u32>) -> Result<(), String> {
    if let Some(parent) = path.parent() {
        make(parent, 0o755)?;
    }
    let failed = |error: std::io::Error| format!("write {}: {error}", path.display());
    let mut out = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(failed)?;
    out.write_all(&file.bytes).map_err(failed)?;
    if let Some(group) = group {
        chown(path, None, Some(Gid::from_raw(group))).map_err(|error| failed(error.into()))?;
    }
    out.set_permissions(fs::Permissions::from_mode(file.mode))
        .map_err(failed)
}

/// Links each first part of a path through `..data`, and takes away links to what is gone.
fn link_visible(volume: &Path, files: &BTreeMap<String, File>) -> Result<(), String> {
    let wanted: BTreeSet<&str> = files
        .keys()
        .filter_map(|path| path.split('/').next())
        .collect();
    for name in &wanted {
        let link = volume.join(name);
        match symlink(Path::new("..data").join(name), &link) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(format!("link {}: {error}", link.display()));
            }
            _ => {}
        }
    }
    let entries =
        fs::read_dir(volume).map_err(|error| format!("list {}: {error}", volume.display()))?;
    for entry in entries {
        let entry = entry.map_err(|error| format!("list {}: {error}", volume.display()))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !name.starts_with("..") && !wanted.contains(name.as_ref()) {
            remove_if_there(&entry.path())?;
        }
    }
    Ok(())
}

fn remove_if_there(path: &Path) -> Result<(), String> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(format!("remove {}: {error}", path.display()))
        }
        _ => Ok(()),
    }
}
