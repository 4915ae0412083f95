//! What does the text in `image:` mean?

use std::fmt;
use std::path::{Path, PathBuf};

use crate::digest::Digest;

mod registry;
pub use registry::RegistryName;

/// Where an image comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reference {
    /// `host:/`: the machine's own root. Also `localhost/host`, because `kubectl run` and `kubectl debug` take
    /// only what looks like a registry's name.
    Host,
    /// `dir:PATH`: a folder as it is.
    Dir(PathBuf),
    /// `oci:DIR[:TAG]`: an OCI image layout.
    Oci {
        /// The folder, absolute.
        dir: PathBuf,
        /// Which of its images.
        tag: Option<String>,
    },
    /// `oci-archive:FILE[:TAG]`: an OCI image layout in a tar file.
    OciArchive {
        /// The file, absolute.
        file: PathBuf,
        /// Which of its images.
        tag: Option<String>,
    },
    /// `docker-archive:FILE[:REF]`: what `docker save` writes.
    DockerArchive {
        /// The file, absolute.
        file: PathBuf,
        /// Which of its images.
        image: Option<RegistryName>,
    },
    /// `sha256:<64 hex>`: an image of the store, by its id.
    Id(Digest),
    /// A name as registries know it, such as `docker.io/library/busybox:latest`.
    Registry(RegistryName),
}

/// A text that names no image; Kubernetes' reason for it is `InvalidImageName`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("image name {image:?} is invalid: {problem}; {remedy}")]
pub struct InvalidImageName {
    /// The text, shortened.
    pub image: String,
    /// What is wrong with it.
    pub problem: &'static str,
    /// What to write.
    pub remedy: &'static str,
}

/// Longer texts are no names; the limit keeps messages and events small.
const LONGEST_BYTES: usize = 4096;

impl Reference {
    /// Reads what stands in `image:`. Relative paths count from the folder this process works in.
    pub fn parse(text: &str) -> Result<Reference, InvalidImageName> {
        // A process whose folder was removed has none; a relative path then fails where it is used, with its name.
        let here = std::env::current_dir().unwrap_or_default();
        Reference::parse_below(text, &here)
    }

    /// Reads what stands in `image:`. Relative paths count from `here`.
    pub fn parse_below(text: &str, here: &Path) -> Result<Reference, InvalidImageName> {
        read(text, here).map_err(|(problem, remedy)| InvalidImageName {
            image: text.chars().take(256).collect(),
            problem,
            remedy,
        })
    }
}

fn read(text: &str, here: &Path) -> Result<Reference, registry::Problem> {
    if text.is_empty() {
        return Err((
            "it is empty",
            "write a name such as busybox:1.36, or host:/",
        ));
    }
    if text.len() > LONGEST_BYTES || text.chars().any(char::is_control) {
        return Err((
            "it is too long or has control characters",
            "write a plain name",
        ));
    }
    if text == "localhost/host" {
        return Ok(Reference::Host);
    }
    match text.split_once(':') {
        Some(("host", "/")) => Ok(Reference::Host),
        Some(("host", rest)) if rest.starts_with('/') => Err((
            "only the whole root of the host can be used",
            "write host:/ or dir:PATH",
        )),
        Some(("dir", path)) => Ok(Reference::Dir(path_below(here, path)?)),
        Some((transport @ ("oci" | "oci-archive" | "docker-archive"), rest)) => {
            local(transport, rest, here)
        }
        // `host:9` and the like are names with tags, as docker reads them.
        _ => registry_or_id(text),
    }
}

fn local(transport: &str, rest: &str, here: &Path) -> Result<Reference, registry::Problem> {
    let (path, choice) = match rest.split_once(':') {
        Some((path, choice)) => (path, Some(choice)),
        None => (rest, None),
    };
    let path = path_below(here, path)?;
    if choice == Some("") {
        return Err((
            "it ends with a colon",
            "write the tag after it, or leave the colon out",
        ));
    }
    let tag = choice.map(str::to_owned);
    Ok(match transport {
        "oci" => Reference::Oci { dir: path, tag },
        "oci-archive" => Reference::OciArchive { file: path, tag },
        _ => Reference::DockerArchive {
            file: path,
            image: choice.map(RegistryName::parse).transpose()?,
        },
    })
}

fn path_below(here: &Path, path: &str) -> Result<PathBuf, registry::Problem> {
    if path.is_empty() {
        return Err((
            "it names no path",
            "write the path after the colon, such as oci-archive:image.tar",
        ));
    }
    Ok(here.join(path))
}

fn registry_or_id(text: &str) -> Result<Reference, registry::Problem> {
    match Digest::parse(text) {
        Ok(id) => Ok(Reference::Id(id)),
        Err(_) => RegistryName::parse(text).map(Reference::Registry),
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let suffix = |tag: &Option<String>| {
            tag.as_ref()
                .map(|tag| format!(":{tag}"))
                .unwrap_or_default()
        };
        match self {
            Reference::Host => f.write_str("host:/"),
            Reference::Dir(path) => write!(f, "dir:{}", path.display()),
            Reference::Oci { dir, tag } => write!(f, "oci:{}{}", dir.display(), suffix(tag)),
            Reference::OciArchive { file, tag } => {
                write!(f, "oci-archive:{}{}", file.display(), suffix(tag))
            }
            Reference::DockerArchive { file, image } => {
                let image = image.as_ref().map(ToString::to_string);
                write!(f, "docker-archive:{}{}", file.display(), suffix(&image))
            }
            Reference::Id(id) => id.fmt(f),
            Reference::Registry(name) => name.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests;
