//! How do a volume's files change all at once? They stand in a directory of their own, `..data` is
//! a symbolic link to it that is replaced by one rename, and what the container opens are links
//! through `..data`. Containers rely on this layout (they watch `..data`), so it is the kubelet's.
//!
//! A container that has managed to write here may have planted links: nothing is reached through them, and what is
//! not as it should be is replaced.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use rustix::fs::{
    Gid, Mode, OFlags, fchmod, fchown, mkdirat, openat, readlinkat, renameat, symlinkat,
};
use rustix::io::Errno;

use crate::beneath::{self, FOLDER};
use crate::clock::WallClock;
use crate::directories::make;

/// The link to what the volume shows.
const DATA: &str = "..data";
/// What becomes it.
const NEXT: &str = "..data_tmp";

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
    let failed = |what: &str, name: &str| {
        let path = volume.join(name);
        let what = what.to_owned();
        move |errno: Errno| format!("{what} {}: {errno}", path.display())
    };
    let folder = beneath::open(volume).map_err(failed("open", ""))?;
    let old = shown(&folder);
    let (name, new) = fresh_directory(&folder).map_err(failed("make a directory in", ""))?;
    for (path, file) in files {
        write_file(&new, path, file, group).map_err(|error| {
            format!("write {}: {error}", volume.join(&name).join(path).display())
        })?;
    }
    remove_if_there(&folder, NEXT)?;
    symlinkat(&name, &folder, NEXT).map_err(failed("link", NEXT))?;
    if !is_link(&folder, DATA) {
        remove_if_there(&folder, DATA)?;
    }
    renameat(&folder, NEXT, &folder, DATA).map_err(failed("rename to", DATA))?;
    link_visible(&folder, volume, files)?;
    match old {
        Some(old) if old != name => remove_if_there(&folder, &old),
        _ => Ok(()),
    }
}

/// Whether the volume shows exactly `files`, as far as their content goes.
pub(super) fn shows(volume: &Path, files: &BTreeMap<String, File>) -> bool {
    let Ok(folder) = beneath::open(volume) else {
        return false;
    };
    let data = shown(&folder).and_then(|name| openat(&folder, name, FOLDER, Mode::empty()).ok());
    let Some(data) = data else { return false };
    let same = |path: &String, file: &File| {
        let mut bytes = Vec::new();
        // One byte more, by which a longer one shows.
        let limit = file.bytes.len() as u64 + 1;
        let read = within(&data, path)
            .and_then(|(folder, name)| beneath::file_at(folder, Path::new(name)))
            .and_then(|found| found.take(limit).read_to_end(&mut bytes));
        read.is_ok() && bytes == file.bytes
    };
    let firsts = firsts(files);
    let visible = |name: &&&str| {
        let wanted = Path::new(DATA).join(name);
        let target = readlinkat(&folder, **name, Vec::new());
        target.is_ok_and(|target| target.as_bytes() == wanted.as_os_str().as_bytes())
    };
    beneath::names(data.as_fd()).len() == firsts.len()
        && firsts.iter().filter(visible).count() == firsts.len()
        && files.iter().all(|(path, file)| same(path, file))
}

fn firsts(files: &BTreeMap<String, File>) -> BTreeSet<&str> {
    let firsts = files.keys().filter_map(|path| path.split('/').next());
    firsts.collect()
}

fn stays_inside(path: &str) -> bool {
    let mut parts = Path::new(path).components();
    !path.is_empty()
        && !path.starts_with("..")
        && parts.all(|part| matches!(part, Component::Normal(_)))
}

/// The directory that the volume shows, if it is one of those that are made here.
fn shown(volume: &OwnedFd) -> Option<String> {
    let target = readlinkat(volume, DATA, Vec::new()).ok()?;
    let target = target.into_string().ok()?;
    let plain = target.starts_with("..") && target.len() > 2 && !target.contains('/');
    (plain && target != DATA).then_some(target)
}

fn is_link(volume: &OwnedFd, name: &str) -> bool {
    readlinkat(volume, name, Vec::new()).is_ok()
}

/// A directory whose name tells its time and was not there before.
fn fresh_directory(volume: &OwnedFd) -> Result<(String, OwnedFd), Errno> {
    let now = WallClock::read().at(crate::clock::now());
    let stamp = now.strftime("..%Y_%m_%d_%H_%M_%S").to_string();
    for number in 0..u32::MAX {
        let name = format!("{stamp}.{number}");
        match directory(volume, &name) {
            Ok(made) => return Ok((name, made)),
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno),
        }
    }
    Err(Errno::EXIST)
}

/// Makes a directory, 0755 whatever the umask.
fn directory(above: &OwnedFd, name: &str) -> Result<OwnedFd, Errno> {
    let mode = Mode::from_raw_mode(0o755);
    mkdirat(above, name, mode)?;
    let made = openat(above, name, FOLDER, Mode::empty())?;
    fchmod(&made, mode)?;
    Ok(made)
}

/// The folder of a path below `top`, and its last part.
fn within<'a>(top: &OwnedFd, path: &'a str) -> std::io::Result<(OwnedFd, &'a str)> {
    let mut folder = top.try_clone()?;
    let mut rest = path;
    while let Some((first, below)) = rest.split_once('/') {
        folder = openat(&folder, first, FOLDER, Mode::empty())?;
        rest = below;
    }
    Ok((folder, rest))
}

fn write_file(top: &OwnedFd, path: &str, file: &File, group: Option<u32>) -> std::io::Result<()> {
    let mut folder = top.try_clone()?;
    let mut rest = path;
    while let Some((first, below)) = rest.split_once('/') {
        folder = match directory(&folder, first) {
            Err(Errno::EXIST) => openat(&folder, first, FOLDER, Mode::empty())?,
            made => made?,
        };
        rest = below;
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let mut out = std::fs::File::from(openat(&folder, rest, flags, Mode::from_raw_mode(0o600))?);
    out.write_all(&file.bytes)?;
    if let Some(group) = group {
        fchown(&out, None, Some(Gid::from_raw(group)))?;
    }
    Ok(fchmod(&out, Mode::from_raw_mode(file.mode))?)
}

/// Links each first part of a path through `..data`, and takes away links to what is gone.
fn link_visible(
    folder: &OwnedFd,
    volume: &Path,
    files: &BTreeMap<String, File>,
) -> Result<(), String> {
    let wanted = firsts(files);
    for name in &wanted {
        let target = Path::new(DATA).join(name);
        let found = readlinkat(folder, *name, Vec::new());
        if found.is_ok_and(|found| found.as_bytes() == target.as_os_str().as_bytes()) {
            continue;
        }
        remove_if_there(folder, name)?;
        symlinkat(&target, folder, *name)
            .map_err(|errno| format!("link {}: {errno}", volume.join(name).display()))?;
    }
    for name in beneath::names(folder.as_fd()) {
        if !name.starts_with("..") && !wanted.contains(name.as_str()) {
            remove_if_there(folder, &name)?;
        }
    }
    Ok(())
}

/// Removes whatever has this name; what a link leads to stays.
fn remove_if_there(folder: &OwnedFd, name: &str) -> Result<(), String> {
    outrigger_image::tree::remove_at(folder, OsStr::new(name)).map_err(|error| error.to_string())
}
