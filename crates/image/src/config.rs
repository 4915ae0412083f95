//! What does an image say about the processes that run in it?

use std::collections::BTreeMap;

use serde::Deserialize;

/// The part of an image's config that shapes a container. It came from a stranger: it is data, and nothing here is
/// ever interpreted as one of our own settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageConfig {
    /// `ENTRYPOINT`; `None` when the image has none.
    pub entrypoint: Option<Vec<String>>,
    /// `CMD`; `None` when the image has none.
    pub cmd: Option<Vec<String>>,
    /// `KEY=value` pairs, in order.
    pub env: Vec<String>,
    /// `USER` as it was written: `name`, `uid`, `name:group`, `uid:gid`, or empty.
    pub user: String,
    /// `WORKDIR`, or empty.
    pub working_dir: String,
    /// `STOPSIGNAL`, as it was written.
    pub stop_signal: Option<String>,
    /// The paths of `VOLUME`, sorted.
    pub volumes: Vec<String>,
    /// `80/tcp` and the like, sorted.
    pub exposed_ports: Vec<String>,
    /// `LABEL`s.
    pub labels: BTreeMap<String, String>,
}

/// An image's config document. Fields that we do not use are ignored: many builders add their own.
#[derive(Debug, Deserialize)]
pub(crate) struct ConfigDocument {
    #[serde(default)]
    pub(crate) architecture: String,
    #[serde(default)]
    pub(crate) os: String,
    #[serde(default)]
    config: Option<Settings>,
    pub(crate) rootfs: RootFs,
}

/// The layers by the digests of their uncompressed forms, lowest first.
#[derive(Debug, Deserialize)]
pub(crate) struct RootFs {
    #[serde(default)]
    pub(crate) diff_ids: Option<Vec<String>>,
}

/// Docker writes `null` where it means "none", therefore everything is optional.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Settings {
    entrypoint: Option<OneOrMany>,
    cmd: Option<OneOrMany>,
    env: Option<Vec<String>>,
    user: Option<String>,
    working_dir: Option<String>,
    stop_signal: Option<String>,
    volumes: Option<BTreeMap<String, serde_json::Value>>,
    exposed_ports: Option<BTreeMap<String, serde_json::Value>>,
    labels: Option<BTreeMap<String, Option<String>>>,
}

/// Very old builders wrote a single string for a command.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    fn into_words(self) -> Vec<String> {
        match self {
            OneOrMany::One(word) => vec![word],
            OneOrMany::Many(words) => words,
        }
    }
}

impl ConfigDocument {
    /// The part that shapes a container.
    pub(crate) fn into_config(self) -> ImageConfig {
        let settings = self.config.unwrap_or_default();
        let words = |words: Option<OneOrMany>| {
            words
                .map(OneOrMany::into_words)
                .filter(|words| !words.is_empty())
        };
        let keys = |map: Option<BTreeMap<String, serde_json::Value>>| {
            map.unwrap_or_default().into_keys().collect()
        };
        ImageConfig {
            entrypoint: words(settings.entrypoint),
            cmd: words(settings.cmd),
            env: settings.env.unwrap_or_default(),
            user: settings.user.unwrap_or_default(),
            working_dir: settings.working_dir.unwrap_or_default(),
            stop_signal: settings.stop_signal.filter(|signal| !signal.is_empty()),
            volumes: keys(settings.volumes),
            exposed_ports: keys(settings.exposed_ports),
            labels: settings
                .labels
                .unwrap_or_default()
                .into_iter()
                .map(|(key, value)| (key, value.unwrap_or_default()))
                .collect(),
        }
    }
}
