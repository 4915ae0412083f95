//! Which environment does a container get from its manifest?

use std::borrow::Cow;
use std::collections::BTreeMap;

use k8s_openapi::api::core::v1 as core;
use outrigger_pod::resources::{NodeAmounts, resource_field};
use outrigger_pod::{Objects, Pod, Slot};

use crate::bounds::{Budget, TooLong, variable};

mod field;

pub use field::field;

/// How many keys that cannot be names are told.
const LEFT_OUT_MAX: usize = 100;

/// What is known of a Pod only when it is about to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// `status.podIPs`
    pub pod_ips: Vec<String>,
    /// `status.hostIPs`
    pub host_ips: Vec<String>,
    /// `spec.nodeName`
    pub node_name: String,
    /// What the node has to give, for limits that nobody set.
    pub allocatable: NodeAmounts,
}

/// Why a container's environment cannot be put together, in the kubelet's words: a
/// `CreateContainerConfigError`, tried again at every synchronisation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvError {
    /// A ConfigMap or Secret is missing.
    #[error("{kind} {name:?} not found")]
    NoObject {
        /// `configmap` or `secret`.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// A ConfigMap or Secret has no such key.
    #[error("couldn't find key {key} in {kind} {namespace}/{name}")]
    NoKey {
        /// The key.
        key: String,
        /// `ConfigMap` or `Secret`.
        kind: &'static str,
        /// The object's namespace.
        namespace: String,
        /// The object's name.
        name: String,
    },
    /// A field is asked for that has no value.
    #[error("unsupported fieldPath: {path}")]
    FieldPath {
        /// The path.
        path: String,
    },
    /// A container is asked about that the Pod does not have.
    #[error("container {name} not found")]
    NoContainer {
        /// Its name.
        name: String,
    },
    /// A source of values that is not carried out.
    #[error("env {name:?} takes its value from {source_kind}, which is not supported yet")]
    Unsupported {
        /// The variable.
        name: String,
        /// The kind of source.
        source_kind: &'static str,
    },
    /// The kernel takes no text with a NUL in it.
    #[error("the value of env {name:?} contains a NUL character")]
    Nul {
        /// The variable.
        name: String,
    },
    /// The kernel takes no text of this length.
    #[error(transparent)]
    TooLong(#[from] TooLong),
}

/// A container's environment from its manifest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// Names and values, each name once, sorted.
    pub vars: Vec<(String, String)>,
    /// Keys of whole ConfigMaps and Secrets that cannot be names, and were left out. The kubelet
    /// makes an event of them, `InvalidEnvironmentVariableNames`. Of many, only the first are told.
    pub left_out: Vec<String>,
}

/// Puts a container's environment together: `envFrom` in its order, then `env` in its order.
///
/// # Errors
/// When something is asked for that is missing and not optional.
pub fn assemble(
    pod: &Pod,
    slot: Slot,
    objects: &Objects,
    running: &Running,
) -> Result<Environment, EnvError> {
    let container = &pod[slot].spec;
    let mut vars = Vars::default();
    let mut left_out = Vec::new();
    for source in container.env_from.iter().flatten() {
        let prefix = source.prefix.as_deref().unwrap_or_default();
        for (key, value) in whole_object(pod, source, objects)? {
            let name = format!("{prefix}{key}");
            if is_name(&name) {
                vars.set(&name, &value)?;
            } else if left_out.len() < LEFT_OUT_MAX {
                left_out.push(name);
            }
        }
    }
    let sources = Sources {
        pod,
        container,
        objects,
        running,
    };
    for variable in container.env.iter().flatten() {
        match (&variable.value, &variable.value_from) {
            (Some(text), _) if !text.is_empty() => vars.expand(&variable.name, text)?,
            (_, Some(from)) => {
                if let Some(value) = sources.value(&variable.name, from)? {
                    vars.set(&variable.name, &value)?;
                }
            }
            _ => vars.set(&variable.name, "")?,
        }
    }
    let vars = vars.known;
    match vars.iter().find(|(_, value)| value.contains('\0')) {
        Some((name, _)) => Err(EnvError::Nul { name: name.clone() }),
        None => Ok(Environment {
            vars: vars.into_iter().collect(),
            left_out,
        }),
    }
}

/// The variables up to now, and how much text they may have yet.
#[derive(Default)]
struct Vars {
    known: BTreeMap<String, String>,
    budget: Budget,
}

impl Vars {
    /// Sets a variable to a value as it is.
    fn set(&mut self, name: &str, value: &str) -> Result<(), TooLong> {
        self.give_back(name);
        let bytes = name.len() + 1 + value.len();
        self.budget.take(bytes as u64, || variable(name))?;
        self.known.insert(name.to_owned(), value.to_owned());
        Ok(())
    }

    /// Sets a variable to a text in which those before it are put in.
    fn expand(&mut self, name: &str, text: &str) -> Result<(), TooLong> {
        self.give_back(name);
        let known = |name: &str| self.known.get(name).map(String::as_str);
        let before = name.len() + 1;
        let value = self.budget.expand(before, text, known, || variable(name))?;
        self.known.insert(name.to_owned(), value);
        Ok(())
    }

    /// A variable that is set again does not count twice.
    fn give_back(&mut self, name: &str) {
        if let Some(value) = self.known.get(name) {
            self.budget.give_back((name.len() + 1 + value.len()) as u64);
        }
    }
}

/// Printable ASCII without `=`, as Kubernetes has it since 1.34.
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| (b' '..=b'~').contains(&byte) && byte != b'=')
}

type Pairs<'o> = Box<dyn Iterator<Item = (&'o str, Cow<'o, str>)> + 'o>;

fn whole_object<'o>(
    pod: &Pod,
    source: &core::EnvFromSource,
    objects: &'o Objects,
) -> Result<Pairs<'o>, EnvError> {
    let id = |name: &str| (pod.namespace.clone(), name.to_owned());
    let nothing = || Ok(Box::new(std::iter::empty()) as Pairs<'o>);
    if let Some(reference) = &source.config_map_ref {
        return match objects.config_maps.get(&id(&reference.name)) {
            Some(map) => {
                Ok(Box::new(map.data.iter().flatten().map(|(key, value)| {
                    (key.as_str(), Cow::Borrowed(value.as_str()))
                })))
            }
            None if reference.optional == Some(true) => nothing(),
            None => Err(EnvError::NoObject {
                kind: "configmap",
                name: reference.name.clone(),
            }),
        };
    }
    if let Some(reference) = &source.secret_ref {
        return match objects.secrets.get(&id(&reference.name)) {
            Some(secret) => {
                Ok(Box::new(secret.data.iter().flatten().map(
                    |(key, value)| (key.as_str(), String::from_utf8_lossy(&value.0)),
                )))
            }
            None if reference.optional == Some(true) => nothing(),
            None => Err(EnvError::NoObject {
                kind: "secret",
                name: reference.name.clone(),
            }),
        };
    }
    nothing()
}

/// An environment is text to OCI, whose configs are JSON; bytes that are none are replaced.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Where `valueFrom` looks.
struct Sources<'a> {
    pod: &'a Pod,
    container: &'a core::Container,
    objects: &'a Objects,
    running: &'a Running,
}

impl Sources<'_> {
    /// The value; `None` when it is optional and missing, and the variable is not to be set.
    fn value(&self, name: &str, from: &core::EnvVarSource) -> Result<Option<String>, EnvError> {
        if let Some(selector) = &from.field_ref {
            return field(self.pod, self.running, &selector.field_path).map(Some);
        }
        if let Some(selector) = &from.resource_field_ref {
            return self.resource(selector).map(Some);
        }
        if let Some(key) = &from.config_map_key_ref {
            let found = self
                .objects
                .config_maps
                .get(&(self.pod.namespace.clone(), key.name.clone()));
            let value = found.map(|map| {
                map.data
                    .as_ref()
                    .and_then(|data| data.get(&key.key))
                    .cloned()
            });
            return self.key(
                ("configmap", "ConfigMap"),
                (&key.name, &key.key, key.optional),
                value,
            );
        }
        if let Some(key) = &from.secret_key_ref {
            let found = self
                .objects
                .secrets
                .get(&(self.pod.namespace.clone(), key.name.clone()));
            let value = found.map(|it| {
                it.data
                    .as_ref()
                    .and_then(|data| data.get(&key.key))
                    .map(|it| text(&it.0))
            });
            return self.key(
                ("secret", "Secret"),
                (&key.name, &key.key, key.optional),
                value,
            );
        }
        if from.file_key_ref.is_some() {
            return Err(EnvError::Unsupported {
                name: name.to_owned(),
                source_kind: "fileKeyRef",
            });
        }
        Ok(Some(String::new()))
    }

    /// What was found: an object, and in it perhaps a value.
    fn key(
        &self,
        kind: (&'static str, &'static str),
        (name, key, optional): (&str, &str, Option<bool>),
        found: Option<Option<String>>,
    ) -> Result<Option<String>, EnvError> {
        match found {
            Some(Some(value)) => Ok(Some(value)),
            _ if optional == Some(true) => Ok(None),
            None => Err(EnvError::NoObject {
                kind: kind.0,
                name: name.to_owned(),
            }),
            Some(None) => Err(EnvError::NoKey {
                key: key.to_owned(),
                kind: kind.1,
                namespace: self.pod.namespace.clone(),
                name: name.to_owned(),
            }),
        }
    }

    fn resource(&self, selector: &core::ResourceFieldSelector) -> Result<String, EnvError> {
        let named = selector
            .container_name
            .as_deref()
            .filter(|name| !name.is_empty());
        let container = match named {
            None => self.container,
            Some(name) => {
                let slot = self.pod.slot(name);
                &self.pod[slot.ok_or_else(|| EnvError::NoContainer {
                    name: name.to_owned(),
                })?]
                .spec
            }
        };
        match &self.pod.manifest.spec {
            Some(spec) => Ok(resource_field(
                spec,
                container,
                selector,
                self.running.allocatable,
            )),
            None => Ok("0".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests;
