//! Which images does a layout or an archive hold, and where are their parts?

use crate::config::ConfigDocument;
use crate::contents::{Contents, blob_path};
use crate::decode::{Promise, agree};
use crate::digest::Digest;
use crate::error::ImageError;
use crate::limits::Limits;
use crate::manifest::{self, Descriptor, DockerImage, Document};
use crate::reference::{Reference, RegistryName};

/// An image found in a layout or an archive. Its documents are checked, its layers are not read yet.
pub(crate) struct Candidate {
    /// Full names; empty for an image without one.
    pub(crate) names: Vec<String>,
    pub(crate) id: Digest,
    pub(crate) config: Vec<u8>,
    pub(crate) manifest: Option<(Digest, Vec<u8>)>,
    /// Lowest first.
    pub(crate) layers: Vec<Layer>,
}

/// Where a layer's bytes are and what they must be.
pub(crate) struct Layer {
    pub(crate) path: String,
    /// Digest and length of the blob, where somebody promised them.
    pub(crate) blob: Option<(Digest, u64)>,
    pub(crate) diff_id: Digest,
}

impl Layer {
    pub(crate) fn promise(&self, size_bytes: u64) -> Promise {
        let (blob, size_bytes) = match &self.blob {
            Some((digest, promised_bytes)) => (Some(digest.clone()), *promised_bytes),
            None => (None, size_bytes),
        };
        Promise {
            blob,
            size_bytes,
            diff_id: Some(self.diff_id.clone()),
        }
    }
}

/// Which images of an archive are wanted.
pub(crate) enum Wanted<'a> {
    All,
    /// The only one.
    Single,
    Tag(&'a str),
    Docker(&'a RegistryName),
}

/// How deep indexes may point to indexes.
const DEEPEST_INDEX: usize = 4;

/// Finds images in either format. Newer `docker save` writes both; the OCI side has digests for everything.
pub(crate) fn candidates(
    contents: &Contents,
    wanted: &Wanted<'_>,
    limits: &Limits,
) -> Result<Vec<Candidate>, ImageError> {
    if let Some(index) = contents.read("index.json", limits.manifest_bytes)? {
        return oci(contents, &index, wanted, limits);
    }
    match contents.read("manifest.json", limits.manifest_bytes)? {
        Some(manifest) => docker(contents, &manifest, wanted, limits),
        None => Err(contents.malformed(
            "it has neither index.json (OCI) nor manifest.json (docker); write it with `podman save`, `docker save` or `skopeo copy`",
        )),
    }
}

/// Finds the images of `docker save` even where an OCI index lies beside them.
pub(crate) fn docker_candidates(
    contents: &Contents,
    wanted: &Wanted<'_>,
    limits: &Limits,
) -> Result<Vec<Candidate>, ImageError> {
    let manifest = contents.read("manifest.json", limits.manifest_bytes)?;
    let manifest = manifest.ok_or_else(|| contents.missing("manifest.json"))?;
    docker(contents, &manifest, wanted, limits)
}

fn oci(
    contents: &Contents,
    index: &[u8],
    wanted: &Wanted<'_>,
    limits: &Limits,
) -> Result<Vec<Candidate>, ImageError> {
    let Document::Index(descriptors) =
        Document::read(index, "").map_err(|problem| contents.malformed(problem))?
    else {
        return Err(contents.malformed("its index.json is no index"));
    };
    // One name may stand for several platforms.
    let mut groups: Vec<(Option<String>, Vec<Descriptor>)> = Vec::new();
    for descriptor in descriptors {
        if let Wanted::Tag(tag) = wanted
            && !descriptor.is_called(tag)
        {
            continue;
        }
        let name = descriptor.name().map(str::to_owned);
        match groups.iter_mut().find(|(known, _)| *known == name) {
            Some((_, group)) => group.push(descriptor),
            None => groups.push((name, vec![descriptor])),
        }
    }
    let held = || {
        groups.iter().map(|(name, _)| {
            name.clone()
                .unwrap_or_else(|| "an image without a name".to_owned())
        })
    };
    one_if_needed(contents, wanted, groups.len(), held().collect())?;
    let group = |(name, group): &(Option<String>, Vec<Descriptor>)| {
        let mut candidate = oci_image(contents, group, limits, 0)?;
        candidate.names = name.as_deref().and_then(full_name).into_iter().collect();
        Ok(candidate)
    };
    groups.iter().map(group).collect()
}

fn one_if_needed(
    contents: &Contents,
    wanted: &Wanted<'_>,
    count: usize,
    held: Vec<String>,
) -> Result<(), ImageError> {
    let choice = |held: String, remedy: &str| {
        Err(ImageError::Choice {
            from: contents.from.clone(),
            held,
            remedy: remedy.to_owned(),
        })
    };
    match (wanted, count) {
        (Wanted::All, 0) => choice("no image".to_owned(), "save the image again"),
        (Wanted::All, _) | (_, 1) => Ok(()),
        (_, 0) => choice(
            "no image of that name".to_owned(),
            "name one that it holds, or none if it holds one only",
        ),
        _ => choice(
            held.join(", "),
            "write the one that you want after the path and a colon",
        ),
    }
}

/// A name in its full form; a bare tag is no name.
fn full_name(name: &str) -> Option<String> {
    if !name.contains([':', '/']) {
        return None;
    }
    match Reference::parse_below(name, std::path::Path::new("/")) {
        Ok(reference @ Reference::Registry(_)) => Some(reference.to_string()),
        _ => None,
    }
}

fn oci_image(
    contents: &Contents,
    descriptors: &[Descriptor],
    limits: &Limits,
    depth: usize,
) -> Result<Candidate, ImageError> {
    let platforms = || {
        descriptors
            .iter()
            .filter_map(Descriptor::platform)
            .collect()
    };
    let chosen = manifest::choose(descriptors, manifest::architecture())
        .ok_or_else(|| no_platform(contents, platforms()))?;
    let bytes = contents.document(chosen, limits.manifest_bytes)?;
    match Document::read(&bytes, &chosen.media_type)
        .map_err(|problem| contents.malformed(problem))?
    {
        Document::Index(_) if depth >= DEEPEST_INDEX => {
            Err(contents.malformed("its indexes point to indexes too deeply; save the image again"))
        }
        Document::Index(below) => oci_image(contents, &below, limits, depth + 1),
        Document::Manifest { config, layers } => {
            let config_bytes = contents.document(&config, limits.config_bytes)?;
            let diff_ids = diff_ids(contents, &config_bytes, layers.len(), limits)?;
            let layers = layers
                .iter()
                .zip(diff_ids)
                .map(|(layer, diff_id)| {
                    let digest = contents.digest(&layer.digest)?;
                    Ok(Layer {
                        path: blob_path(&digest),
                        blob: Some((digest, layer.size)),
                        diff_id,
                    })
                })
                .collect::<Result<_, ImageError>>()?;
            Ok(Candidate {
                names: Vec::new(),
                id: Digest::of(&config_bytes),
                config: config_bytes,
                manifest: Some((Digest::of(&bytes), bytes)),
                layers,
            })
        }
    }
}

fn no_platform(contents: &Contents, held: Vec<String>) -> ImageError {
    ImageError::NoPlatform {
        from: contents.from.clone(),
        architecture: manifest::architecture().to_owned(),
        held,
    }
}

/// The layers' digests from the config, which must be an image for this machine and have as many as the manifest.
fn diff_ids(
    contents: &Contents,
    config: &[u8],
    layers: usize,
    limits: &Limits,
) -> Result<Vec<Digest>, ImageError> {
    let document: ConfigDocument = serde_json::from_slice(config)
        .map_err(|error| contents.malformed(format!("its config is malformed: {error}")))?;
    let here = manifest::architecture();
    let other = |ours: &str, theirs: &str| !theirs.is_empty() && theirs != ours;
    if other("linux", &document.os) || other(here, &document.architecture) {
        return Err(no_platform(
            contents,
            vec![format!("{}/{}", document.os, document.architecture)],
        ));
    }
    let diff_ids = document.rootfs.diff_ids.unwrap_or_default();
    if diff_ids.len() != layers || layers > limits.layers {
        let problem = format!(
            "its config lists {} layers, its manifest {layers}, and more than {} are refused",
            diff_ids.len(),
            limits.layers
        );
        return Err(contents.malformed(problem));
    }
    diff_ids.iter().map(|text| contents.digest(text)).collect()
}

fn docker(
    contents: &Contents,
    manifest: &[u8],
    wanted: &Wanted<'_>,
    limits: &Limits,
) -> Result<Vec<Candidate>, ImageError> {
    let images: Vec<DockerImage> = serde_json::from_slice(manifest)
        .map_err(|error| contents.malformed(format!("its manifest.json is malformed: {error}")))?;
    let full_names = |image: &DockerImage| -> Vec<String> {
        image
            .repo_tags
            .iter()
            .flatten()
            .filter_map(|name| full_name(name))
            .collect()
    };
    let is_wanted = |image: &&DockerImage| match wanted {
        Wanted::Docker(name) => full_names(image).contains(&name.to_string()),
        Wanted::Tag(tag) => image.repo_tags.iter().flatten().any(|name| name == tag),
        Wanted::All | Wanted::Single => true,
    };
    let chosen: Vec<&DockerImage> = images.iter().filter(is_wanted).collect();
    one_if_needed(
        contents,
        wanted,
        chosen.len(),
        chosen.iter().flat_map(|image| full_names(image)).collect(),
    )?;
    let candidate = |image: &&DockerImage| {
        let config = contents.read(&image.config, limits.config_bytes)?;
        let config = config.ok_or_else(|| contents.missing(&image.config))?;
        let id = Digest::of(&config);
        // The file is named by its digest; where it is, the name is a promise.
        let name = image.config.rsplit('/').next().unwrap_or_default();
        let promised = Digest::from_hex(name.strip_suffix(".json").unwrap_or(name));
        agree("config", promised.as_ref(), id.clone()).map_err(|source| ImageError::Archive {
            from: contents.from.clone(),
            source,
        })?;
        let paths = image.layers.clone().unwrap_or_default();
        let diff_ids = diff_ids(contents, &config, paths.len(), limits)?;
        let layers = paths
            .into_iter()
            .zip(diff_ids)
            .map(|(path, diff_id)| Layer {
                path,
                blob: None,
                diff_id,
            })
            .collect();
        Ok(Candidate {
            names: full_names(image),
            id,
            config,
            manifest: None,
            layers,
        })
    };
    chosen.iter().map(candidate).collect()
}
