//! How does a layer come into the store once, whole and durable, whoever else wants it at the same time?

use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use rustix::io::Errno;

use super::{Lock, Scratch, Store};
use crate::contents::{Contents, free_bytes};
use crate::decode::Decoded;
use crate::digest::Digest;
use crate::durable;
use crate::error::{ImageError, UnpackError};
use crate::load::Layer;
use crate::tree;
use crate::unpack::unpack;
use crate::view::{FOLDER, is_opaque};

impl Store {
    /// Unpacks a layer unless it is there. It appears under its chain id only when all of it is on the disk.
    pub(super) fn ensure_layer(
        &self,
        contents: &Contents,
        layer: &Layer,
        chain: &Digest,
        below: &[PathBuf],
        scratch: &Scratch,
    ) -> Result<(), ImageError> {
        let home = self.root.join("layers").join(chain.hex());
        if home.exists() {
            return Ok(());
        }
        // One lock for every 256th layer: whoever waits for a stranger's layer waits, and no lock file is ever removed.
        let _alone = Lock::exclusive(&self.root.join("locks").join(&chain.hex()[..2]))?;
        if home.exists() {
            return Ok(());
        }
        let draft = scratch.path().join(chain.hex());
        let made = self.unpack_into(&draft, contents, layer, below);
        let moved = made.and_then(|()| {
            let failed = |source| ImageError::Store {
                operation: "move a layer to",
                path: home.clone(),
                source,
            };
            std::fs::rename(&draft, &home).map_err(failed)?;
            durable::sync_folder(&self.root.join("layers")).map_err(|source| ImageError::Store {
                operation: "sync",
                path: self.root.join("layers"),
                source,
            })
        });
        if moved.is_err() {
            // The scratch folder would do it too, but a large draft should not wait for the other layers.
            let _ = tree::remove(&draft);
        }
        moved
    }

    fn unpack_into(
        &self,
        draft: &Path,
        contents: &Contents,
        layer: &Layer,
        below: &[PathBuf],
    ) -> Result<(), ImageError> {
        let store = |operation, path: &Path, errno: Errno| ImageError::Store {
            operation,
            path: path.to_owned(),
            source: errno.into(),
        };
        let tree = draft.join("tree");
        for folder in [draft, &tree] {
            rustix::fs::mkdir(folder, Mode::from_raw_mode(0o700))
                .map_err(|errno| store("create the folder", folder, errno))?;
        }
        let root = rustix::fs::open(&tree, FOLDER, Mode::empty())
            .map_err(|errno| store("open", &tree, errno))?;
        let blob = contents
            .open(&layer.path)?
            .ok_or_else(|| contents.missing(&layer.path))?;
        let promise = layer.promise(blob.size_bytes);
        let refused = |source: UnpackError| ImageError::Layer {
            from: contents.from.clone(),
            layer: layer.diff_id.clone(),
            source,
        };
        if blob.size_bytes != promise.size_bytes {
            return Err(refused(UnpackError::WrongSize {
                promised_bytes: promise.size_bytes,
            }));
        }
        let free = free_bytes(&self.root).map_err(|source| ImageError::Store {
            operation: "measure the free space of",
            path: self.root.clone(),
            source,
        })?;
        let limit = self.limits.decoded_bytes(promise.size_bytes, free);
        let synced = root.try_clone().map_err(|source| ImageError::Store {
            operation: "duplicate",
            path: tree.clone(),
            source,
        })?;
        let decoded = Decoded::new(blob.stream, limit).map_err(refused)?;
        let decoded = unpack(decoded, root, below, &self.limits).map_err(refused)?;
        decoded.finish(&promise).map_err(refused)?;
        // A name that survives a power cut must not lead to files that did not.
        rustix::fs::syncfs(&synced).map_err(|errno| store("sync the file system of", &tree, errno))
    }
}

/// Whether the layer hides everything below it; `None` if it is not there.
pub(super) fn root_is_opaque(tree: &Path) -> Result<Option<bool>, ImageError> {
    let failed = |errno: Errno| ImageError::Store {
        operation: "look at",
        path: tree.to_owned(),
        source: errno.into(),
    };
    match rustix::fs::open(tree, FOLDER, Mode::empty()) {
        Ok(folder) => is_opaque(&folder).map(Some).map_err(failed),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(failed(errno)),
    }
}
