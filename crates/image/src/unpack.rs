//! How does a layer's stream become a folder that overlayfs can stack?
//!
//! The stream was written by a stranger. Nothing is done by a name that is resolved from outside: every call is made on a
//! descriptor of the folder at hand, names have one component, links are read as text and followed inside the root, and
//! no call that changes mode, owner or time follows a link.

use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::fs::{AtFlags, FileType, Mode, ResolveFlags};
use rustix::io::Errno;

use crate::error::{Beyond, Refusal, UnpackError};
use crate::limits::Limits;
use crate::tarball::{Entries, Entry, Kind, Stream, refused, shown};
use crate::view::{FOLDER, View, is_whiteout};

mod metadata;
mod name;
mod place;
mod write;

use name::Named;

/// Unpacks `stream` into the empty folder `root`, which lies above the layers `below` (uppermost first). Returns the
/// stream, of which the end is not read yet.
pub(crate) fn unpack<S: Stream>(
    stream: S,
    root: OwnedFd,
    below: &[PathBuf],
    limits: &Limits,
) -> Result<S, UnpackError> {
    let view = root
        .try_clone()
        .map_err(|source| UnpackError::Write {
            operation: "duplicate the folder of",
            entry: String::new(),
            source,
        })
        .and_then(|root| {
            View::under(root, below).map_err(|(path, errno)| UnpackError::Write {
                operation: "open the layer below",
                entry: path.display().to_string(),
                source: errno.into(),
            })
        })?;
    let mut unpacker = Unpacker {
        root,
        view,
        limits,
        cached: None,
        folder_times: Vec::new(),
        folder_names_bytes: 0,
        whiteouts: Vec::new(),
    };
    unpacker.set_root_defaults()?;
    let mut entries = Entries::new(stream, limits);
    while let Some(entry) = entries.next()? {
        unpacker.entry(&entry, &mut entries.content())?;
    }
    unpacker.drop_idle_whiteouts()?;
    unpacker.set_folder_times()?;
    Ok(entries.into_stream())
}

/// A folder's path in the layer, and its seconds and nanoseconds.
type FolderTime = (Vec<Vec<u8>>, (i64, u32));

struct Unpacker<'a> {
    root: OwnedFd,
    /// The layer being written above the ones below it.
    view: View,
    limits: &'a Limits,
    /// The folder of the entry before, as its name was written: most entries share it with their neighbour.
    cached: Option<(Vec<Vec<u8>>, OwnedFd)>,
    /// Folders get their times last, because every entry in them changes these.
    folder_times: Vec<FolderTime>,
    folder_names_bytes: usize,
    whiteouts: Vec<Vec<Vec<u8>>>,
}

impl Unpacker<'_> {
    fn entry(&mut self, entry: &Entry, content: &mut dyn Read) -> Result<(), UnpackError> {
        match name::classify(entry)? {
            Named::Ignored => Ok(()),
            Named::Root => self.root_entry(entry),
            Named::Opaque { folder } => {
                let folder = self.folder(&folder, entry)?.1;
                self.hide_below(&folder, entry)
            }
            Named::Whiteout { folder, name } => self.whiteout(&folder, &name, entry),
            Named::Plain { folder, name } => self.plain(&folder, name, entry, content),
        }
    }

    /// The root's own metadata. A layer that says nothing about it shows what the layer below has.
    fn root_entry(&mut self, entry: &Entry) -> Result<(), UnpackError> {
        let root = self.root.try_clone().map_err(|source| UnpackError::Write {
            operation: "duplicate the folder of",
            entry: shown(&entry.name),
            source,
        })?;
        metadata::describe(&root, entry)?;
        self.remember_time(Vec::new(), entry.mtime)
    }

    /// A whiteout hides what lower layers have. What this layer itself put at the name stays, in either order.
    fn whiteout(
        &mut self,
        folder: &[Vec<u8>],
        name: &[u8],
        entry: &Entry,
    ) -> Result<(), UnpackError> {
        let (mut path, folder) = self.folder(folder, entry)?;
        let failed = |operation| move |errno: Errno| wrote(operation, entry, errno);
        match rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => {
                make_whiteout(&folder, name).map_err(failed("make the whiteout of"))?;
                path.push(name.to_vec());
                self.count_name(&path)?;
                self.whiteouts.push(path);
                Ok(())
            }
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => {
                let own = rustix::fs::openat(&folder, name, FOLDER, Mode::empty())
                    .map_err(failed("open"))?;
                self.hide_below(&own, entry)
            }
            Ok(_) => Ok(()),
            Err(errno) => Err(failed("look at")(errno)),
        }
    }

    fn plain(
        &mut self,
        folder: &[Vec<u8>],
        name: Vec<u8>,
        entry: &Entry,
        content: &mut dyn Read,
    ) -> Result<(), UnpackError> {
        // Device nodes never come out of an image; the runtime makes the few that a container has.
        if entry.kind == Kind::Device {
            return Ok(());
        }
        metadata::check_attributes(entry)?;
        let (path, parent) = self.folder(folder, entry)?;
        match entry.kind {
            Kind::Folder => {
                let made = self.make_folder(&parent, &name, entry)?;
                metadata::describe(&made, entry)?;
                let mut path = path;
                path.push(name);
                self.remember_time(path, entry.mtime)
            }
            Kind::HardLink => self.hard_link(&parent, &name, entry),
            Kind::File => {
                self.clear(&parent, &name, entry)?;
                write::file(&parent, &name, entry, content)
            }
            Kind::Symlink => {
                if entry.link.is_empty() || entry.link.len() > 4095 {
                    return Err(refused(&entry.name, Refusal::LinkTarget));
                }
                self.clear(&parent, &name, entry)?;
                write::symlink(&parent, &name, entry)
            }
            Kind::Fifo => {
                self.clear(&parent, &name, entry)?;
                write::fifo(&parent, &name, entry)
            }
            Kind::Device => Ok(()),
        }
    }

    /// A folder keeps what this layer put into it; anything else at its name makes way and hides what was below.
    fn make_folder(
        &mut self,
        parent: &OwnedFd,
        name: &[u8],
        entry: &Entry,
    ) -> Result<OwnedFd, UnpackError> {
        let failed = |operation| move |errno: Errno| wrote(operation, entry, errno);
        let before = match rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Some(stat),
            Err(Errno::NOENT) => None,
            Err(errno) => return Err(failed("look at")(errno)),
        };
        let is_folder =
            before.is_some_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory);
        if !is_folder {
            self.clear(parent, name, entry)?;
            rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o700))
                .map_err(failed("make the folder"))?;
        }
        let made =
            rustix::fs::openat(parent, name, FOLDER, Mode::empty()).map_err(failed("open"))?;
        if !is_folder && before.is_some() {
            self.hide_below(&made, entry)?;
        }
        Ok(made)
    }

    fn hard_link(
        &mut self,
        parent: &OwnedFd,
        name: &[u8],
        entry: &Entry,
    ) -> Result<(), UnpackError> {
        let (target_folder, target) = name::link_target(entry)?;
        let missing = || refused(&entry.name, Refusal::LinkMissing(shown(&entry.link)));
        let source = self
            .own_folder(&target_folder, entry)?
            .ok_or_else(missing)?;
        let failed = |operation| move |errno: Errno| wrote(operation, entry, errno);
        let stat = match rustix::fs::statat(&source, target.as_slice(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if !is_whiteout(&stat) => stat,
            Ok(_) | Err(Errno::NOENT) => return Err(missing()),
            Err(errno) => return Err(failed("look at the target of")(errno)),
        };
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            return Err(missing());
        }
        match rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            // Two names of one file already: to clear the way would remove the target itself.
            Ok(there) if (there.st_dev, there.st_ino) == (stat.st_dev, stat.st_ino) => {
                return Ok(());
            }
            _ => self.clear(parent, name, entry)?,
        }
        rustix::fs::linkat(&source, target.as_slice(), parent, name, AtFlags::empty())
            .map_err(failed("link"))
    }

    /// Removes what this layer has at the name, so that a later entry takes its place.
    fn clear(&mut self, parent: &OwnedFd, name: &[u8], entry: &Entry) -> Result<(), UnpackError> {
        use std::os::unix::ffi::OsStrExt;
        match rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => return Ok(()),
            Err(errno) => return Err(wrote("look at", entry, errno)),
            Ok(_) => {}
        }
        // What was replaced may have been part of the remembered way.
        self.cached = None;
        crate::tree::remove_at(parent, std::ffi::OsStr::from_bytes(name)).map_err(|source| {
            UnpackError::Replace {
                entry: shown(&entry.name),
                source,
            }
        })
    }

    /// Removes whiteouts that hide nothing: overlayfs lists them in folders that it has nothing to merge with.
    fn drop_idle_whiteouts(&mut self) -> Result<(), UnpackError> {
        for mut path in std::mem::take(&mut self.whiteouts) {
            let failed =
                |operation| move |path: &[Vec<u8>], errno| wrote_at(operation, path, errno);
            let Some(name) = path.pop() else { continue };
            let folder = self
                .walk_own(&path)
                .map_err(|errno| failed("open")(&path, errno))?;
            // A later entry may have replaced the folder or the whiteout.
            let Some(folder) = folder else { continue };
            match rustix::fs::statat(&folder, name.as_slice(), AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) if is_whiteout(&stat) => {}
                Ok(_) | Err(Errno::NOENT) => continue,
                Err(errno) => return Err(failed("look at")(&path, errno)),
            }
            path.push(name);
            let name = path.last().map(Vec::as_slice).unwrap_or_default();
            rustix::fs::unlinkat(&folder, name, AtFlags::empty())
                .map_err(|errno| failed("remove the whiteout")(&path, errno))?;
            if self
                .view
                .look(&path)
                .map_err(|errno| failed("look below")(&path, errno))?
                .is_some()
            {
                make_whiteout(&folder, name)
                    .map_err(|errno| failed("make the whiteout")(&path, errno))?;
            }
        }
        Ok(())
    }

    fn remember_time(&mut self, path: Vec<Vec<u8>>, mtime: (i64, u32)) -> Result<(), UnpackError> {
        self.count_name(&path)?;
        self.folder_times.push((path, mtime));
        Ok(())
    }

    /// Keeps what is remembered until the end of the layer small.
    fn count_name(&mut self, path: &[Vec<u8>]) -> Result<(), UnpackError> {
        self.folder_names_bytes += path.iter().map(|part| part.len() + 32).sum::<usize>() + 48;
        if self.folder_names_bytes > self.limits.directory_names_bytes {
            return Err(UnpackError::Beyond(Beyond::DirectoryNames(
                self.limits.directory_names_bytes,
            )));
        }
        Ok(())
    }

    fn set_folder_times(&mut self) -> Result<(), UnpackError> {
        for (path, mtime) in std::mem::take(&mut self.folder_times) {
            // A folder that a later entry replaced has no time to set any more.
            if let Some(folder) = self
                .walk_own(&path)
                .map_err(|errno| wrote_at("open", &path, errno))?
            {
                rustix::fs::futimens(&folder, &metadata::times(mtime))
                    .map_err(|errno| wrote_at("set the time of", &path, errno))?;
            }
        }
        Ok(())
    }

    /// The folder at `path` of this layer, if every part of it is a folder.
    fn walk_own(&self, path: &[Vec<u8>]) -> Result<Option<OwnedFd>, Errno> {
        let resolve = ResolveFlags::BENEATH
            | ResolveFlags::NO_SYMLINKS
            | ResolveFlags::NO_MAGICLINKS
            | ResolveFlags::NO_XDEV;
        let open = |folder: &OwnedFd, name: &[u8]| match rustix::fs::openat2(
            folder,
            name,
            FOLDER,
            Mode::empty(),
            resolve,
        ) {
            Ok(folder) => Ok(Some(folder)),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
            Err(errno) => Err(errno),
        };
        if path.is_empty() {
            return open(&self.root, b".");
        }
        let joined = path.join(&b'/');
        // One call takes a path of up to 4095 bytes; longer ones go a step at a time.
        if joined.len() < 4096 {
            return open(&self.root, &joined);
        }
        let mut folder = open(&self.root, b".")?;
        for name in path {
            let Some(here) = folder else { return Ok(None) };
            folder = open(&here, name)?;
        }
        Ok(folder)
    }
}

fn make_whiteout(folder: &OwnedFd, name: &[u8]) -> Result<(), Errno> {
    rustix::fs::mknodat(folder, name, FileType::CharacterDevice, Mode::empty(), 0)
}

fn wrote(operation: &'static str, entry: &Entry, errno: Errno) -> UnpackError {
    UnpackError::Write {
        operation,
        entry: shown(&entry.name),
        source: errno.into(),
    }
}

fn wrote_at(operation: &'static str, path: &[Vec<u8>], errno: Errno) -> UnpackError {
    UnpackError::Write {
        operation,
        entry: shown(&path.join(&b'/')),
        source: errno.into(),
    }
}

#[cfg(test)]
mod tests;
