//! Which manifest, config and layers make the image that was asked for?

use std::collections::BTreeMap;

use serde::Deserialize;

/// A pointer to content.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    #[serde(default)]
    pub(crate) media_type: String,
    pub(crate) digest: String,
    pub(crate) size: u64,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
    #[serde(default)]
    platform: Option<Platform>,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct Platform {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
    #[serde(default)]
    variant: Option<String>,
}

/// What a manifest's digest may lead to.
pub(crate) enum Document {
    Index(Vec<Descriptor>),
    Manifest {
        config: Descriptor,
        layers: Vec<Descriptor>,
    },
}

/// Everything that either kind of document has, so that one which claims to be both is seen.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    #[serde(default)]
    media_type: Option<String>,
    manifests: Option<Vec<Descriptor>>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
}

/// One image of `docker save`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DockerImage {
    pub(crate) config: String,
    #[serde(default)]
    pub(crate) repo_tags: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) layers: Option<Vec<String>>,
}

const INDEX_TYPES: [&str; 2] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];
const MANIFEST_TYPES: [&str; 2] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];

impl Document {
    /// Reads an index or a manifest. One document that different readers could take for different kinds is refused.
    pub(crate) fn read(bytes: &[u8], promised_type: &str) -> Result<Document, String> {
        let raw: Raw = serde_json::from_slice(bytes)
            .map_err(|error| format!("its manifest is malformed: {error}"))?;
        let own_type = raw.media_type.as_deref().unwrap_or_default();
        let claims = |types: [&str; 2]| {
            [promised_type, own_type]
                .iter()
                .any(|claim| types.contains(claim))
        };
        let foreign = [promised_type, own_type].into_iter().find(|claim| {
            !claim.is_empty() && !INDEX_TYPES.contains(claim) && !MANIFEST_TYPES.contains(claim)
        });
        if let Some(foreign) = foreign {
            let foreign: String = foreign.chars().take(80).collect();
            return Err(format!(
                "{foreign:?} is no kind of image manifest; save it in OCI or docker format"
            ));
        }
        match (raw.manifests, raw.config, raw.layers) {
            (Some(manifests), None, None) if !claims(MANIFEST_TYPES) => {
                Ok(Document::Index(manifests))
            }
            (None, Some(config), Some(layers)) if !claims(INDEX_TYPES) => {
                Ok(Document::Manifest { config, layers })
            }
            _ => Err(
                "its manifest is neither clearly an index nor clearly an image; save it again"
                    .to_owned(),
            ),
        }
    }
}

impl Descriptor {
    /// The image's name, if its builder wrote one. Containerd and docker write the full name beside a bare tag.
    pub(crate) fn name(&self) -> Option<&str> {
        let annotations = self.annotations.as_ref()?;
        let full = annotations.get("io.containerd.image.name");
        full.or_else(|| annotations.get("org.opencontainers.image.ref.name"))
            .map(String::as_str)
    }

    /// Whether somebody who writes `tag` after an archive's name means this image.
    pub(crate) fn is_called(&self, tag: &str) -> bool {
        self.annotations.as_ref().is_some_and(|annotations| {
            [
                "org.opencontainers.image.ref.name",
                "io.containerd.image.name",
            ]
            .iter()
            .any(|key| annotations.get(*key).is_some_and(|name| name == tag))
        })
    }

    /// `linux/amd64`; `None` where the descriptor does not say.
    pub(crate) fn platform(&self) -> Option<String> {
        let platform = self
            .platform
            .as_ref()
            .filter(|platform| !platform.os.is_empty())?;
        let variant = platform
            .variant
            .as_ref()
            .map(|variant| format!("/{variant}"))
            .unwrap_or_default();
        Some(format!(
            "{}/{}{variant}",
            platform.os, platform.architecture
        ))
    }
}

/// Picks the descriptor for this machine: Linux, this architecture, and of its variants the most modest. Descriptors
/// without a platform may be anything and are taken if nothing says more; the config is asked later.
pub(crate) fn choose<'a>(
    descriptors: &'a [Descriptor],
    architecture: &str,
) -> Option<&'a Descriptor> {
    let fits = |descriptor: &&Descriptor| {
        descriptor
            .platform
            .as_ref()
            .is_some_and(|p| p.os == "linux" && p.architecture == architecture)
    };
    let variant = |descriptor: &&Descriptor| {
        let variant = descriptor
            .platform
            .as_ref()
            .and_then(|p| p.variant.clone())
            .unwrap_or_default();
        // Every arm64 machine is a v8, which some builders write and some do not.
        if architecture == "arm64" && variant == "v8" {
            String::new()
        } else {
            variant
        }
    };
    descriptors
        .iter()
        .filter(fits)
        .min_by_key(variant)
        .or_else(|| {
            descriptors
                .iter()
                .find(|descriptor| descriptor.platform().is_none())
        })
}

/// This machine's architecture as images spell it.
pub(crate) fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "x86" => "386",
        "aarch64" => "arm64",
        "powerpc64" => "ppc64le",
        "loongarch64" => "loong64",
        other => other,
    }
}
