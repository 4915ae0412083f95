//! Which pods use which images, so that none is removed below them?
//!
//! A hold is a file, because pods outlive the processes that started them. It is there from before a pod's first mount
//! until after its last unmount; the node releases it.

use std::path::PathBuf;

use rustix::fs::Mode;
use rustix::io::Errno;

use super::{Image, Store};
use crate::digest::Digest;
use crate::durable;
use crate::error::ImageError;
use crate::tree;

impl Store {
    /// Keeps `image` on the disk until the pod is released, whatever happens to its names. Holding twice is holding once.
    pub fn hold(&self, pod_uid: &str, image: &Image) -> Result<(), ImageError> {
        let folder = self.hold_folder(pod_uid)?;
        // The host's root and a user's folder are not ours to keep.
        let Ok(id) = Digest::parse(&image.id) else {
            return Ok(());
        };
        let _using = self.lock_use()?;
        if self.image(&image.id)?.is_none() {
            return Err(ImageError::Gone {
                id: image.id.clone(),
            });
        }
        match rustix::fs::mkdir(&folder, Mode::from_raw_mode(0o700)) {
            Ok(()) => {
                let holds = self.root.join("holds");
                durable::sync_folder(&holds).map_err(|source| ImageError::Store {
                    operation: "sync",
                    path: holds,
                    source,
                })?;
            }
            Err(Errno::EXIST) => {}
            Err(errno) => {
                return Err(ImageError::Store {
                    operation: "create",
                    path: folder,
                    source: errno.into(),
                });
            }
        }
        Ok(durable::replace(&folder.join(id.hex()), b"")?)
    }

    /// Lets go of everything that the pod holds, and removes what nobody names or holds any more.
    pub fn release(&self, pod_uid: &str) -> Result<(), ImageError> {
        let folder = self.hold_folder(pod_uid)?;
        if !self.exists() {
            return Ok(());
        }
        let held = self.held_in(&folder)?;
        tree::remove(&folder)?;
        let names = self.read_names()?.names;
        if held
            .iter()
            .any(|id| !names.values().any(|name| name.id == *id))
        {
            self.collect()?;
        }
        Ok(())
    }

    /// The uids of all pods that hold images, sorted. Who knows that one of them is gone releases it.
    pub fn holders(&self) -> Result<Vec<String>, ImageError> {
        let mut holders = self.list_folder(&self.root.join("holds"))?;
        holders.sort();
        Ok(holders)
    }

    /// The ids of all images that pods hold.
    pub(super) fn held(&self) -> Result<Vec<String>, ImageError> {
        let mut held = Vec::new();
        for holder in self.holders()? {
            held.extend(self.held_in(&self.root.join("holds").join(holder))?);
        }
        Ok(held)
    }

    fn held_in(&self, folder: &std::path::Path) -> Result<Vec<String>, ImageError> {
        let files = self.list_folder(folder)?;
        Ok(files
            .iter()
            .filter_map(|file| Digest::from_hex(file))
            .map(|id| id.to_string())
            .collect())
    }

    fn hold_folder(&self, pod_uid: &str) -> Result<PathBuf, ImageError> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        let fits = (1..=253).contains(&pod_uid.len())
            && !pod_uid.starts_with('.')
            && pod_uid.bytes().all(plain);
        if fits {
            Ok(self.root.join("holds").join(pod_uid))
        } else {
            Err(ImageError::InvalidHolder {
                uid: pod_uid.chars().take(80).collect(),
            })
        }
    }

    /// The names in one of the store's folders; none if it is not there.
    pub(super) fn list_folder(&self, folder: &std::path::Path) -> Result<Vec<String>, ImageError> {
        let failed = |source| ImageError::Store {
            operation: "list",
            path: folder.to_owned(),
            source,
        };
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let name = |entry: std::io::Result<std::fs::DirEntry>| {
            entry
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .map_err(failed)
        };
        entries.map(name).collect()
    }
}
