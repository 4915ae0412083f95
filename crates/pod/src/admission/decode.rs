//! Is the body of a request an object of that kind, and which of its fields does nobody know?

use k8s_openapi::Resource;
use k8s_openapi::api::core::v1 as core;
use serde::de::DeserializeOwned;

use crate::bounds::{self, Excess};
use crate::manifest::{self, MOST_FINDINGS, Node, Path, Strictly, Value};

/// The kinds of object that clients may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Decodable {
    /// `v1` `Pod`
    Pod,
    /// `v1` `ConfigMap`
    ConfigMap,
    /// `v1` `Secret`
    Secret,
    /// `v1` `Namespace`
    Namespace,
    /// `v1` `Event`
    Event,
    /// `v1` `ServiceAccount`
    ServiceAccount,
    /// `v1` `Node`
    Node,
}

/// What to do about fields that nobody knows or that are given twice (`fieldValidation`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum FieldValidation {
    /// Pass over them in silence.
    Ignore,
    /// Pass over them and say so.
    #[default]
    Warn,
    /// Refuse the object.
    Strict,
}

impl FieldValidation {
    /// Reads the word of a query; `None` if it is none of the three.
    #[must_use]
    pub fn parse(word: &str) -> Option<FieldValidation> {
        match word {
            "Ignore" => Some(FieldValidation::Ignore),
            "" | "Warn" => Some(FieldValidation::Warn),
            "Strict" => Some(FieldValidation::Strict),
            _ => None,
        }
    }
}

/// An object of one of the kinds, as its type has it.
#[derive(Debug, Clone, PartialEq)]
pub enum Object {
    /// A Pod.
    Pod(Box<core::Pod>),
    /// A ConfigMap.
    ConfigMap(Box<core::ConfigMap>),
    /// A Secret.
    Secret(Box<core::Secret>),
    /// A Namespace.
    Namespace(Box<core::Namespace>),
    /// An Event.
    Event(Box<core::Event>),
    /// A ServiceAccount.
    ServiceAccount(Box<core::ServiceAccount>),
    /// A Node.
    Node(Box<core::Node>),
}

/// What was read, with what is to be said about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded<T = Object> {
    /// The object, without what nobody knows.
    pub object: T,
    /// In Kubernetes' words, for `Warning` headers.
    pub warnings: Vec<String>,
}

/// Why a body is not an object of the kind; each is a bad request, in Kubernetes' words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// It is neither JSON nor YAML.
    #[error("couldn't get version/kind; {reason}")]
    Syntax {
        /// What the reader says.
        reason: String,
    },
    /// It would cost too much.
    #[error("the object is too large: {0}")]
    TooLarge(#[from] Excess),
    /// It says that it is of another version.
    #[error(
        "the API version in the data ({found}) does not match the expected API version ({expected})"
    )]
    Version {
        /// `apiVersion` of the body.
        found: String,
        /// `apiVersion` that is wanted.
        expected: &'static str,
    },
    /// It is of another kind, or a value in it is of another type.
    #[error("{kind} in version {version:?} cannot be handled as a {expected}: {reason}")]
    Unfit {
        /// `kind` of the body.
        kind: String,
        /// The version without its group.
        version: &'static str,
        /// `kind` that is wanted.
        expected: &'static str,
        /// Which value, what is wanted and what was found.
        reason: String,
    },
    /// It has fields that nobody knows or that are given twice, and this was to be strict.
    #[error("{kind} in version {version:?} cannot be handled as a {kind}: strict decoding error: {}", .problems.join(", "))]
    Strict {
        /// `kind` of the body.
        kind: &'static str,
        /// The version without its group.
        version: &'static str,
        /// Each of them, in Kubernetes' words.
        problems: Vec<String>,
    },
}

/// Reads a body, JSON or YAML, as an object of `kind`. A body without `apiVersion` or `kind` is
/// taken to be of the kind that is wanted.
///
/// # Errors
/// If it is no such object.
pub fn decode(
    kind: Decodable,
    text: &str,
    strictness: FieldValidation,
) -> Result<Decoded, DecodeError> {
    fn boxed<T: Resource + DeserializeOwned>(
        text: &str,
        strictness: FieldValidation,
        object: fn(Box<T>) -> Object,
    ) -> Result<Decoded, DecodeError> {
        decode_as::<T>(text, strictness).map(|read| Decoded {
            object: object(Box::new(read.object)),
            warnings: read.warnings,
        })
    }
    match kind {
        Decodable::Pod => boxed(text, strictness, Object::Pod),
        Decodable::ConfigMap => boxed(text, strictness, Object::ConfigMap),
        Decodable::Secret => boxed(text, strictness, Object::Secret),
        Decodable::Namespace => boxed(text, strictness, Object::Namespace),
        Decodable::Event => boxed(text, strictness, Object::Event),
        Decodable::ServiceAccount => boxed(text, strictness, Object::ServiceAccount),
        Decodable::Node => boxed(text, strictness, Object::Node),
    }
}

/// As [`decode`], for a type that is known when this is compiled.
///
/// # Errors
/// If the text is no such object.
pub fn decode_as<T: Resource + DeserializeOwned>(
    text: &str,
    strictness: FieldValidation,
) -> Result<Decoded<T>, DecodeError> {
    let (node, twice) = tree(text)?;
    typed(node, &twice, strictness)
}

/// As [`decode_as`], for what is JSON already, such as an object that was patched.
///
/// # Errors
/// If the value is no such object.
pub fn decode_value<T: Resource + DeserializeOwned>(
    value: &serde_json::Value,
    strictness: FieldValidation,
) -> Result<Decoded<T>, DecodeError> {
    bounds::value(value)?;
    let node = manifest::of_value(value).map_err(|error| DecodeError::Syntax {
        reason: format!("json parse error: {error}"),
    })?;
    typed(node, &[], strictness)
}

fn tree(text: &str) -> Result<(Node, Vec<Path>), DecodeError> {
    let text = text.trim_start_matches('\u{feff}');
    if text.trim_start().starts_with('{') {
        bounds::json(text.as_bytes())?;
        let error = match manifest::read_json(text) {
            Ok(read) => return Ok(read),
            Err(error) => error,
        };
        // YAML has mappings in braces too, which need no quotes.
        return manifest::read_yaml(text).map_err(|_| DecodeError::Syntax {
            reason: format!("json parse error: {error}"),
        });
    }
    manifest::read_yaml(text).map_err(|reason| DecodeError::Syntax {
        reason: format!("error converting YAML to JSON: yaml: {reason}"),
    })
}

fn typed<T: Resource + DeserializeOwned>(
    mut node: Node,
    twice: &[Path],
    strictness: FieldValidation,
) -> Result<Decoded<T>, DecodeError> {
    let version = T::API_VERSION.rsplit('/').next().unwrap_or(T::API_VERSION);
    let unfit = |kind: &str, reason: String| DecodeError::Unfit {
        kind: kind.to_owned(),
        version,
        expected: T::KIND,
        reason,
    };
    let Value::Map(_) = node.value else {
        return Err(unfit(
            T::KIND,
            "json: cannot unmarshal: expected a mapping".to_owned(),
        ));
    };
    let found = stated(&mut node, "apiVersion", T::API_VERSION);
    let kind = stated(&mut node, "kind", T::KIND);
    if kind.as_ref().is_some_and(|kind| kind != T::KIND) {
        let kind = kind.unwrap_or_default();
        return Err(unfit(
            &kind,
            format!(
                "it is of kind {kind:?}, and the address is that of a {}",
                T::KIND
            ),
        ));
    }
    if let Some(found) = found.filter(|found| found != T::API_VERSION) {
        let expected = T::API_VERSION;
        return Err(DecodeError::Version { found, expected });
    }
    let Strictly {
        object,
        unknown,
        more_unknown,
    } = manifest::strictly::<T>(&node);
    drop(node);
    let object = object.map_err(|(path, reason)| {
        unfit(T::KIND, format!("json: cannot unmarshal {path}: {reason}"))
    })?;
    if strictness == FieldValidation::Ignore {
        return Ok(Decoded {
            object,
            warnings: Vec::new(),
        });
    }
    let unknown = unknown
        .iter()
        .map(|path| format!("unknown field \"{path}\""));
    let twice = twice
        .iter()
        .map(|path| format!("duplicate field \"{path}\""));
    let more = (more_unknown > 0).then(|| format!("and {more_unknown} more unknown fields"));
    let said = unknown.chain(more).chain(twice);
    let said: Vec<String> = said.take(MOST_FINDINGS + 1).collect();
    match strictness {
        FieldValidation::Strict if !said.is_empty() => Err(DecodeError::Strict {
            kind: T::KIND,
            version,
            problems: said,
        }),
        _ => Ok(Decoded {
            object,
            warnings: said,
        }),
    }
}

/// What the object says about itself; where it says nothing, `wanted` is put there.
fn stated(node: &mut Node, key: &str, wanted: &str) -> Option<String> {
    let place = node.place;
    let Value::Map(entries) = &mut node.value else {
        return None;
    };
    let Some(entry) = entries.iter_mut().find(|entry| entry.key == key) else {
        entries.push(manifest::Entry {
            key: key.to_owned(),
            key_place: place,
            node: Node {
                place,
                value: Value::Text(wanted.to_owned()),
            },
        });
        return None;
    };
    match &entry.node.value {
        // Nothing that can be meant is longer than this.
        Value::Text(text) if !text.is_empty() => Some(text.chars().take(256).collect()),
        Value::Null | Value::Text(_) => {
            entry.node.value = Value::Text(wanted.to_owned());
            None
        }
        // Of another type, which the object's own reading tells.
        _ => None,
    }
}

#[cfg(test)]
mod tests;
