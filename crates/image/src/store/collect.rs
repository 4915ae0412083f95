//! What in the store does nobody need any more, and how does it go?

use std::collections::BTreeSet;

use super::{Lock, Scratch, Store};
use crate::error::ImageError;

/// What became of a removed name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removed {
    /// Its image's data are gone, or still needed by another name or a pod.
    Done,
    /// Another process is loading images; the next removal or `prune` takes the data.
    Later,
}

impl Store {
    /// Removes a name, and with it whatever no other name and no pod needs.
    pub fn remove(&self, name: &str) -> Result<Removed, ImageError> {
        let known = self.exists() && self.edit_names(|index| index.names.remove(name).is_some())?;
        if !known {
            return Err(ImageError::NotPresent {
                name: name.to_owned(),
            });
        }
        self.collect()
    }

    /// Removes everything that no name and no pod needs, and what dead processes left behind.
    pub fn prune(&self) -> Result<Removed, ImageError> {
        let swept = self.sweep();
        let collected = self.collect()?;
        swept.map(|()| collected)
    }

    pub(super) fn collect(&self) -> Result<Removed, ImageError> {
        if !self.exists() {
            return Ok(Removed::Done);
        }
        // Whoever loads or takes into use holds this; it is not worth waiting for.
        let Some(alone) = Lock::try_exclusive(&self.root.join("locks/use"))? else {
            return Ok(Removed::Later);
        };
        let (blobs, layers) = self.needed()?;
        let scratch = Scratch::new(self)?;
        for (folder, needed) in [("layers", layers), ("blobs/sha256", blobs)] {
            let folder = self.root.join(folder);
            for name in self.list_folder(&folder)? {
                if needed.contains(&name) {
                    continue;
                }
                let path = folder.join(&name);
                // A layer disappears at once or not at all; a half-removed one would be taken for whole.
                std::fs::rename(&path, scratch.path().join(&name)).map_err(|source| {
                    ImageError::Store {
                        operation: "move away",
                        path,
                        source,
                    }
                })?;
            }
        }
        drop(alone);
        scratch.remove()?;
        Ok(Removed::Done)
    }

    /// The names of the blobs and layers that some name or pod needs. An image whose config cannot be read is an error
    /// rather than a reason to remove its layers.
    fn needed(&self) -> Result<(BTreeSet<String>, BTreeSet<String>), ImageError> {
        let (mut blobs, mut layers) = (BTreeSet::new(), BTreeSet::new());
        let names = self.read_names()?.names;
        let manifests = names.values().filter_map(|name| name.manifest.clone());
        let hex = |digest: &str| digest.strip_prefix("sha256:").map(str::to_owned);
        blobs.extend(manifests.filter_map(|digest| hex(&digest)));
        let ids: BTreeSet<String> = names
            .into_values()
            .map(|name| name.id)
            .chain(self.held()?)
            .collect();
        for id in ids {
            if let Some((_, chain)) = self.config(&id)? {
                layers.extend(chain.iter().map(|layer| layer.hex().to_owned()));
            }
            blobs.extend(hex(&id));
        }
        Ok((blobs, layers))
    }
}
