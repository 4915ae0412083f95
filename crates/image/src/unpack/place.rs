//! In which folder of the layer does an entry belong, and what if that folder is not there yet?
//!
//! A layer may write to `bin/sh` although only a lower layer knows that `bin` is a link to `usr/bin`, and may leave out the
//! folders that a lower layer has. The place is therefore looked up in the merged view, and folders that have to be made
//! take the metadata that they show there.

use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, FileType, Gid, Mode, Stat, Uid};
use rustix::io::Errno;

use super::{Unpacker, wrote};
use crate::error::{Refusal, UnpackError};
use crate::tarball::{Entry, refused};
use crate::view::{FOLDER, OPAQUE, Resolved};

impl Unpacker<'_> {
    /// The folder to write to, and where it really is. It is made if it does not exist.
    pub(super) fn folder(
        &mut self,
        written: &[Vec<u8>],
        entry: &Entry,
    ) -> Result<(Vec<Vec<u8>>, OwnedFd), UnpackError> {
        if let Some((way, folder)) = &self.cached
            && way == written
        {
            let folder = folder.try_clone().map_err(|source| UnpackError::Write {
                operation: "duplicate the folder of",
                entry: String::new(),
                source,
            })?;
            return Ok((way.clone(), folder));
        }
        if let Some(folder) = self
            .walk_own(written)
            .map_err(|errno| wrote("open the folder of", entry, errno))?
        {
            if let Ok(copy) = folder.try_clone() {
                self.cached = Some((written.to_vec(), copy));
            }
            return Ok((written.to_vec(), folder));
        }
        let path = match self
            .view
            .resolve(written, true)
            .map_err(|errno| wrote("find the folder of", entry, errno))?
        {
            // Something that is no folder at the end of the way stays in the way.
            Resolved::At {
                found: Some(found), ..
            } if found.kind() != FileType::Directory => None,
            Resolved::At { path, .. } => Some(path),
            Resolved::Nowhere => None,
        };
        let path = path.ok_or_else(|| refused(&entry.name, Refusal::Parent))?;
        let folder = self.make_way(&path, entry)?;
        Ok((path, folder))
    }

    /// The folder of this layer that a hard link's target lies in; links on the way are followed inside the root.
    pub(super) fn own_folder(
        &self,
        written: &[Vec<u8>],
        entry: &Entry,
    ) -> Result<Option<OwnedFd>, UnpackError> {
        let failed = |errno| wrote("find the target of", entry, errno);
        if let Some(folder) = self.walk_own(written).map_err(failed)? {
            return Ok(Some(folder));
        }
        match self.view.resolve(written, true).map_err(failed)? {
            Resolved::At { path, .. } => self.walk_own(&path).map_err(failed),
            Resolved::Nowhere => Ok(None),
        }
    }

    /// Opens every folder of `path`, which has no links in it, and makes those that this layer does not have.
    fn make_way(&mut self, path: &[Vec<u8>], entry: &Entry) -> Result<OwnedFd, UnpackError> {
        let failed = |operation| move |errno: Errno| wrote(operation, entry, errno);
        let mut folder = rustix::fs::openat(&self.root, c".", FOLDER, Mode::empty())
            .map_err(failed("open the root for"))?;
        for (at, name) in path.iter().enumerate() {
            match rustix::fs::openat(&folder, name.as_slice(), FOLDER, Mode::empty()) {
                Ok(below) => folder = below,
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {
                    // What lies below is asked before this layer covers it.
                    let shown = self
                        .view
                        .look(&path[..=at])
                        .map_err(failed("look below"))?
                        .map(|found| found.stat);
                    let below = self.make_implied(&folder, name, shown, entry)?;
                    self.remember_time(
                        path[..=at].to_vec(),
                        shown.map_or((0, 0), |stat| {
                            (
                                stat.st_mtime,
                                u32::try_from(stat.st_mtime_nsec).unwrap_or(0),
                            )
                        }),
                    )?;
                    folder = below;
                }
                Err(errno) => return Err(failed("open the folder of")(errno)),
            }
        }
        Ok(folder)
    }

    fn make_implied(
        &mut self,
        parent: &OwnedFd,
        name: &[u8],
        shown: Option<Stat>,
        entry: &Entry,
    ) -> Result<OwnedFd, UnpackError> {
        let failed = |operation| move |errno: Errno| wrote(operation, entry, errno);
        // The only thing that can stand here in this layer is a whiteout.
        let whiteout = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW).is_ok();
        if whiteout {
            self.clear(parent, name, entry)?;
        }
        rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o700))
            .map_err(failed("make the folder of"))?;
        let made = rustix::fs::openat(parent, name, FOLDER, Mode::empty())
            .map_err(failed("open the folder of"))?;
        if whiteout {
            self.hide_below(&made, entry)?;
        }
        inherit(&made, shown).map_err(failed("set owner and mode of the folder of"))?;
        Ok(made)
    }

    /// Marks a folder so that overlayfs shows nothing of the same folder in lower layers.
    pub(super) fn hide_below(&self, folder: &OwnedFd, entry: &Entry) -> Result<(), UnpackError> {
        rustix::fs::fsetxattr(folder, OPAQUE, b"y", rustix::fs::XattrFlags::empty())
            .map_err(|errno| wrote("mark as opaque the folder of", entry, errno))
    }

    /// A layer's root shows over those below it, so without an entry of its own it must look like theirs.
    pub(super) fn set_root_defaults(&mut self) -> Result<(), UnpackError> {
        let failed = |errno: Errno| super::wrote_at("set owner and mode of the root", &[], errno);
        let below = self.view.root_below().map_err(failed)?;
        inherit(&self.root, below).map_err(failed)?;
        self.remember_time(Vec::new(), below.map_or((0, 0), |stat| (stat.st_mtime, 0)))
    }
}

/// Owner and mode as the stack shows them so far; a folder that is new belongs to root.
fn inherit(folder: &OwnedFd, shown: Option<Stat>) -> Result<(), Errno> {
    let (uid, gid, mode) = match shown {
        Some(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => {
            (stat.st_uid, stat.st_gid, Mode::from_raw_mode(stat.st_mode))
        }
        _ => (0, 0, Mode::from_raw_mode(0o755)),
    };
    rustix::fs::fchown(folder, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
    rustix::fs::fchmod(folder, mode)
}
