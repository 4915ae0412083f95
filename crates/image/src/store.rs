//! Which images are on this machine, and which folders make their root file systems?
//!
//! See the crate's README for what is on disk and what survives a crash. Every process that uses the store opens it for
//! itself; locks on files keep them apart, and die with their processes.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::config::{ConfigDocument, ImageConfig};
use crate::contents::{self, Contents};
use crate::digest::Digest;
use crate::durable;
use crate::error::ImageError;
use crate::limits::Limits;
use crate::load::{self, Candidate, Wanted};
use crate::reference::Reference;

mod collect;
mod holds;
mod layers;
mod local;
mod lock;
mod names;
mod scratch;

pub use collect::Removed;

use lock::Lock;
use names::Name;
use scratch::Scratch;

/// An image that is ready to be used as a root file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// `sha256:<hex>` of its config; `host:/` and `dir:PATH` for what is no image of the store.
    pub id: String,
    /// The folders to stack, uppermost first, as overlayfs takes them. Never empty.
    pub layers: Vec<PathBuf>,
    /// What it says about its processes.
    pub config: ImageConfig,
}

/// A name in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The name in its full form.
    pub name: String,
    /// The image's id.
    pub id: String,
    /// The manifest's digest, where the image came with one.
    pub manifest: Option<String>,
}

/// The images on this machine.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
    limits: Limits,
}

impl Store {
    /// Opens the store in `root/images` and removes what dead processes left unfinished. A store that is not there is
    /// made when something is first added.
    pub fn open(root: &Path) -> Result<Store, ImageError> {
        Store::open_with(root, Limits::default())
    }

    /// As [`Store::open`], with other limits.
    pub fn open_with(root: &Path, limits: Limits) -> Result<Store, ImageError> {
        let store = Store {
            root: root.join("images"),
            limits,
        };
        // What cannot be swept now takes space but harms nothing; `prune` tries again and tells.
        let _ = store.sweep();
        Ok(store)
    }

    /// Makes the store's folders. Only those who add something do, so that a machine whose pods use none of its images
    /// has no store.
    fn make(&self) -> Result<(), ImageError> {
        use std::os::unix::fs::DirBuilderExt;
        for folder in [
            "",
            "blobs/sha256",
            "layers",
            "tmp",
            "holds",
            "locks",
            "empty",
        ] {
            let path = self.root.join(folder);
            // Nobody but root may reach the setuid files of an image.
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&path)
                .map_err(|source| ImageError::Store {
                    operation: "create the folder",
                    path: path.clone(),
                    source,
                })?;
        }
        std::fs::set_permissions(
            self.root.join("empty"),
            std::os::unix::fs::PermissionsExt::from_mode(0o755),
        )
        .map_err(|source| ImageError::Store {
            operation: "set the mode of",
            path: self.root.join("empty"),
            source,
        })?;
        Ok(())
    }

    /// Whether anything was ever added on this machine.
    fn exists(&self) -> bool {
        self.root.exists()
    }

    /// Loads every image of an archive, plain or compressed, in OCI or docker format. Returns their names; an image without
    /// a name is kept under its id.
    pub fn load_file(&self, path: &Path) -> Result<Vec<String>, ImageError> {
        let from = path.display().to_string();
        let file = contents::open_named(path, &from)?;
        let _using = self.lock_use()?;
        let scratch = Scratch::new(self)?;
        let file = contents::plain_archive(file, &from, scratch.path(), &self.limits)?;
        self.load(file, from, &scratch)
    }

    /// As [`Store::load_file`], from a stream such as stdin.
    pub fn load_stream(&self, stream: impl Read) -> Result<Vec<String>, ImageError> {
        let from = "the input".to_owned();
        let _using = self.lock_use()?;
        let scratch = Scratch::new(self)?;
        let file = contents::spooled(stream, &from, scratch.path(), &self.limits)?;
        self.load(file, from, &scratch)
    }

    fn load(&self, file: File, from: String, scratch: &Scratch) -> Result<Vec<String>, ImageError> {
        let contents = Contents::archive(file, from, &self.limits)?;
        let found = load::candidates(&contents, &Wanted::All, &self.limits)?;
        let mut added = Vec::new();
        for candidate in &found {
            self.take(&contents, candidate, scratch)?;
            let names = if candidate.names.is_empty() {
                vec![candidate.id.to_string()]
            } else {
                candidate.names.clone()
            };
            added.extend(names.into_iter().map(|name| (name, named(candidate, None))));
        }
        let mut names: Vec<String> = added.iter().map(|(name, _)| name.clone()).collect();
        self.edit_names(|index| index.names.extend(added))?;
        names.dedup();
        Ok(names)
    }

    /// Unpacks what is missing of an image and keeps its documents. It has no name yet.
    fn take(
        &self,
        contents: &Contents,
        candidate: &Candidate,
        scratch: &Scratch,
    ) -> Result<(), ImageError> {
        let mut below: Vec<PathBuf> = Vec::new();
        let mut chain: Option<Digest> = None;
        for layer in &candidate.layers {
            let id = Digest::chain(chain.as_ref(), &layer.diff_id);
            self.ensure_layer(contents, layer, &id, &below, scratch)?;
            below.insert(0, self.layer_tree(&id));
            chain = Some(id);
        }
        self.keep_blob(&candidate.id, &candidate.config)?;
        if let Some((digest, manifest)) = &candidate.manifest {
            self.keep_blob(digest, manifest)?;
        }
        Ok(())
    }

    fn keep_blob(&self, digest: &Digest, bytes: &[u8]) -> Result<(), ImageError> {
        let path = self.blob(digest);
        // A damaged copy is replaced by the good one at hand.
        if std::fs::read(&path).is_ok_and(|kept| kept == bytes) {
            Ok(())
        } else {
            Ok(durable::replace(&path, bytes)?)
        }
    }

    /// Every name in the store, sorted.
    pub fn list(&self) -> Result<Vec<Listed>, ImageError> {
        let names = self.read_names()?.names;
        let listed = |(name, entry): (String, Name)| Listed {
            name,
            id: entry.id,
            manifest: entry.manifest,
        };
        Ok(names.into_iter().map(listed).collect())
    }

    /// The image that `reference` names. Archives and layouts are unpacked when they are first seen or have changed.
    pub fn resolve(&self, reference: &Reference) -> Result<Image, ImageError> {
        match reference {
            Reference::Host => Ok(Image {
                id: reference.to_string(),
                layers: vec![PathBuf::from("/")],
                config: ImageConfig::default(),
            }),
            Reference::Dir(path) => {
                let failed = |source| ImageError::NoDirectory {
                    path: path.clone(),
                    source,
                };
                let real = std::fs::canonicalize(path).map_err(failed)?;
                if !real.metadata().map_err(failed)?.is_dir() {
                    return Err(failed(std::io::ErrorKind::NotADirectory.into()));
                }
                Ok(Image {
                    id: reference.to_string(),
                    layers: vec![real],
                    config: ImageConfig::default(),
                })
            }
            Reference::Registry(_) | Reference::Id(_) => self.resolve_kept(reference),
            Reference::Oci { .. }
            | Reference::OciArchive { .. }
            | Reference::DockerArchive { .. } => self.resolve_local(reference),
        }
    }

    fn resolve_kept(&self, reference: &Reference) -> Result<Image, ImageError> {
        let name = reference.to_string();
        let names = self.read_names()?.names;
        let entry = names.get(&name).or_else(|| match reference {
            Reference::Id(_) => names.values().find(|entry| entry.id == name),
            // The digest of a name with a digest decides; the tag beside it is a comment.
            Reference::Registry(registry) => registry.digest.as_ref().and_then(|digest| {
                let same = |known: &str| {
                    known.starts_with(&format!("{}/{}:", registry.registry, registry.repository))
                };
                names
                    .iter()
                    .find(|(known, e)| same(known) && e.manifest.as_ref() == Some(digest))
                    .map(|(_, e)| e)
            }),
            _ => None,
        });
        let id = entry
            .map(|entry| entry.id.clone())
            .ok_or_else(|| ImageError::NotPresent { name: name.clone() })?;
        self.image(&id)?.ok_or(ImageError::NotPresent { name })
    }

    /// The image with this id; `None` if a part of it is missing.
    fn image(&self, id: &str) -> Result<Option<Image>, ImageError> {
        let Some((document, chain)) = self.config(id)? else {
            return Ok(None);
        };
        let mut layers = Vec::new();
        for layer in chain.iter().rev() {
            let tree = self.layer_tree(layer);
            let Some(opaque) = layers::root_is_opaque(&tree)? else {
                return Ok(None);
            };
            layers.push(tree);
            // Overlayfs does not look at the attribute of a root, so the layers that it hides are left out here.
            if opaque {
                break;
            }
        }
        if layers.is_empty() {
            layers.push(self.root.join("empty"));
        }
        Ok(Some(Image {
            id: id.to_owned(),
            layers,
            config: document.into_config(),
        }))
    }

    /// An image's config and the chain ids of its layers, lowest first.
    fn config(&self, id: &str) -> Result<Option<(ConfigDocument, Vec<Digest>)>, ImageError> {
        let Ok(digest) = Digest::parse(id) else {
            return Ok(None);
        };
        let path = self.blob(&digest);
        let failed = |source| ImageError::Store {
            operation: "read",
            path: path.clone(),
            source,
        };
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        if Digest::of(&bytes) != digest {
            return Err(failed(std::io::Error::other(
                "it is damaged: load the image again",
            )));
        }
        let document: ConfigDocument =
            serde_json::from_slice(&bytes).map_err(|error| failed(error.into()))?;
        let mut chain: Vec<Digest> = Vec::new();
        for text in document.rootfs.diff_ids.iter().flatten() {
            let diff_id =
                Digest::parse(text).map_err(|error| failed(std::io::Error::other(error)))?;
            chain.push(Digest::chain(chain.last(), &diff_id));
        }
        Ok(Some((document, chain)))
    }

    fn blob(&self, digest: &Digest) -> PathBuf {
        self.root.join("blobs/sha256").join(digest.hex())
    }

    fn layer_tree(&self, chain: &Digest) -> PathBuf {
        self.root.join("layers").join(chain.hex()).join("tree")
    }

    /// Held by everybody who adds or uses layers that no name or pod refers to yet.
    fn lock_use(&self) -> Result<Lock, ImageError> {
        self.make()?;
        Lock::shared(&self.root.join("locks/use"))
    }
}

fn named(candidate: &Candidate, stamp: Option<String>) -> Name {
    Name {
        id: candidate.id.to_string(),
        manifest: candidate
            .manifest
            .as_ref()
            .map(|(digest, _)| digest.to_string()),
        stamp,
    }
}

#[cfg(test)]
mod tests;
