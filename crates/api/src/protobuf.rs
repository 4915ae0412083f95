//! What does a body say that is Protocol Buffers? `kubectl create configmap`, `create namespace`, `auth can-i`
//! and `drain` send their few small kinds like that, whatever the server says that it takes.
//!
//! The envelope begins with four bytes that nothing else begins with and names the kind; by the tables
//! below the rest becomes the JSON that it would have been.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::jiff::Timestamp;
use serde_json::{Map, Value};

use crate::{Failure, Reason};

/// What an envelope begins with.
const MAGIC: &[u8; 4] = b"k8s\0";

/// A field: its number, its name in JSON, and what it holds.
type Field = (u64, &'static str, Holds);

#[derive(Clone, Copy)]
enum Holds {
    Text,
    Texts,
    Whole,
    Truth,
    Moment,
    Message(&'static [Field]),
    Messages(&'static [Field]),
    /// Texts by name.
    TextMap,
    /// Bytes by name.
    ByteMap,
}

use Holds::{ByteMap, Message, Messages, Moment, Text, TextMap, Texts, Truth, Whole};

const METADATA: &[Field] = &[
    (1, "name", Text),
    (2, "generateName", Text),
    (3, "namespace", Text),
    (5, "uid", Text),
    (6, "resourceVersion", Text),
    (7, "generation", Whole),
    (8, "creationTimestamp", Moment),
    (9, "deletionTimestamp", Moment),
    (10, "deletionGracePeriodSeconds", Whole),
    (11, "labels", TextMap),
    (12, "annotations", TextMap),
    (13, "ownerReferences", Messages(OWNER)),
    (14, "finalizers", Texts),
];
const OWNER: &[Field] = &[
    (1, "kind", Text),
    (3, "name", Text),
    (4, "uid", Text),
    (5, "apiVersion", Text),
    (6, "controller", Truth),
    (7, "blockOwnerDeletion", Truth),
];
const CONFIG_MAP: &[Field] = &[
    (1, "metadata", Message(METADATA)),
    (2, "data", TextMap),
    (3, "binaryData", ByteMap),
    (4, "immutable", Truth),
];
const SECRET: &[Field] = &[
    (1, "metadata", Message(METADATA)),
    (2, "data", ByteMap),
    (3, "type", Text),
    (4, "stringData", TextMap),
    (5, "immutable", Truth),
];
const NAMESPACE: &[Field] = &[
    (1, "metadata", Message(METADATA)),
    (2, "spec", Message(&[(1, "finalizers", Texts)])),
    (3, "status", Message(&[(1, "phase", Text)])),
];
const ACCOUNT: &[Field] = &[
    (1, "metadata", Message(METADATA)),
    (2, "secrets", Messages(&[(3, "name", Text)])),
    (3, "imagePullSecrets", Messages(&[(1, "name", Text)])),
    (4, "automountServiceAccountToken", Truth),
];
const ACCESS_REVIEW: &[Field] = &[
    (1, "metadata", Message(METADATA)),
    (2, "spec", Message(ACCESS)),
];
const ACCESS: &[Field] = &[
    (1, "resourceAttributes", Message(RESOURCE_ACCESS)),
    (
        2,
        "nonResourceAttributes",
        Message(&[(1, "path", Text), (2, "verb", Text)]),
    ),
];
const RESOURCE_ACCESS: &[Field] = &[
    (1, "namespace", Text),
    (2, "verb", Text),
    (3, "group", Text),
    (4, "version", Text),
    (5, "resource", Text),
    (6, "subresource", Text),
    (7, "name", Text),
];
const RULES_REVIEW: &[Field] = &[
    (1, "metadata", Message(METADATA)),
    (2, "spec", Message(&[(1, "namespace", Text)])),
];
const SUBJECT_REVIEW: &[Field] = &[(1, "metadata", Message(METADATA))];
const EVICTION: &[Field] = &[
    (1, "metadata", Message(METADATA)),
    (2, "deleteOptions", Message(DELETE_OPTIONS)),
];
const DELETE_OPTIONS: &[Field] = &[
    (1, "gracePeriodSeconds", Whole),
    (
        2,
        "preconditions",
        Message(&[(1, "uid", Text), (2, "resourceVersion", Text)]),
    ),
    (3, "orphanDependents", Truth),
    (4, "propagationPolicy", Text),
    (5, "dryRun", Texts),
];

/// The body as JSON, if it is an envelope; `None` if it is none.
pub(crate) fn as_json(body: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
    let Some(envelope) = body.strip_prefix(MAGIC) else {
        return Ok(None);
    };
    let (mut kind, mut version, mut raw) = (String::new(), String::new(), &[][..]);
    let mut reader = Reader(envelope);
    while let Some((number, content)) = reader.next().ok_or_else(torn)? {
        match (number, content) {
            (1, Content::Bytes(bytes)) => {
                let names = message(bytes, &[(1, "apiVersion", Text), (2, "kind", Text)]);
                let names = names.ok_or_else(torn)?;
                let name = |of: &str| names.get(of).and_then(Value::as_str).map(str::to_owned);
                kind = name("kind").unwrap_or_default();
                version = name("apiVersion").unwrap_or_default();
            }
            (2, Content::Bytes(bytes)) => raw = bytes,
            _ => {}
        }
    }
    let fields = match kind.as_str() {
        "ConfigMap" => CONFIG_MAP,
        "Secret" => SECRET,
        "Namespace" => NAMESPACE,
        "ServiceAccount" => ACCOUNT,
        "SelfSubjectAccessReview" => ACCESS_REVIEW,
        "SelfSubjectRulesReview" => RULES_REVIEW,
        "SelfSubjectReview" => SUBJECT_REVIEW,
        "Eviction" => EVICTION,
        "DeleteOptions" => DELETE_OPTIONS,
        kind => {
            return Err(Failure::new(
                Reason::UnsupportedMediaType,
                format!(
                    "a {kind} cannot be sent as application/vnd.kubernetes.protobuf here - accepted media types \
                     include: application/json, application/yaml"
                ),
            ));
        }
    };
    let mut object = message(raw, fields).ok_or_else(torn)?;
    object.insert("kind".to_owned(), kind.into());
    object.insert("apiVersion".to_owned(), version.into());
    Ok(Some(Value::Object(object).to_string().into_bytes()))
}

fn torn() -> Failure {
    let message = "the body of the request is no proper application/vnd.kubernetes.protobuf";
    Failure::new(Reason::BadRequest, message)
}

/// A message by its table; what the table does not name is passed over.
fn message(bytes: &[u8], fields: &[Field]) -> Option<Map<String, Value>> {
    let mut object = Map::new();
    let mut reader = Reader(bytes);
    while let Some((number, content)) = reader.next()? {
        let Some((_, name, holds)) = fields.iter().find(|(known, ..)| *known == number) else {
            continue;
        };
        put(&mut object, name, *holds, content)?;
    }
    Some(object)
}

fn put(
    object: &mut Map<String, Value>,
    name: &str,
    holds: Holds,
    content: Content<'_>,
) -> Option<()> {
    let value = match (holds, content) {
        (Whole, Content::Number(number)) => Value::from(number.cast_signed()),
        (Truth, Content::Number(number)) => Value::from(number != 0),
        (Moment, Content::Bytes(bytes)) => match moment(bytes)? {
            Some(moment) => moment.into(),
            None => return Some(()),
        },
        (Text, Content::Bytes(bytes)) => match text(bytes)? {
            // What was left out is sent as nothing.
            "" => return Some(()),
            text => text.into(),
        },
        (Message(fields), Content::Bytes(bytes)) => Value::Object(message(bytes, fields)?),
        (Texts, Content::Bytes(bytes)) => return push(object, name, text(bytes)?.into()),
        (Messages(fields), Content::Bytes(bytes)) => {
            return push(object, name, Value::Object(message(bytes, fields)?));
        }
        (TextMap | ByteMap, Content::Bytes(bytes)) => {
            let (key, value) = entry(bytes)?;
            let value = match holds {
                TextMap => text(value)?.to_owned(),
                _ => STANDARD.encode(value),
            };
            let map = object
                .entry(name)
                .or_insert_with(|| Value::Object(Map::new()));
            map.as_object_mut()?.insert(key, value.into());
            return Some(());
        }
        _ => return None,
    };
    object.insert(name.to_owned(), value);
    Some(())
}

fn push(object: &mut Map<String, Value>, name: &str, value: Value) -> Option<()> {
    let list = object
        .entry(name)
        .or_insert_with(|| Value::Array(Vec::new()));
    list.as_array_mut()?.push(value);
    Some(())
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// A key and its value.
fn entry(bytes: &[u8]) -> Option<(String, &[u8])> {
    let (mut key, mut value) = (String::new(), &[][..]);
    let mut reader = Reader(bytes);
    while let Some((number, content)) = reader.next()? {
        match (number, content) {
            (1, Content::Bytes(bytes)) => text(bytes)?.clone_into(&mut key),
            (2, Content::Bytes(bytes)) => value = bytes,
            _ => {}
        }
    }
    Some((key, value))
}

/// A time, if it is one: the zero time is sent as nothing.
fn moment(bytes: &[u8]) -> Option<Option<String>> {
    let mut seconds = None;
    let mut reader = Reader(bytes);
    while let Some((number, content)) = reader.next()? {
        if let (1, Content::Number(number)) = (number, content) {
            seconds = Some(number.cast_signed());
        }
    }
    let Some(seconds) = seconds else {
        return Some(None);
    };
    Some(Some(Timestamp::from_second(seconds).ok()?.to_string()))
}

/// What a field holds on the wire.
enum Content<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// Reads fields, one after the other.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// The next field. `Some(None)` at the end, `None` if the bytes make no sense.
    fn next(&mut self) -> Option<Option<(u64, Content<'a>)>> {
        if self.0.is_empty() {
            return Some(None);
        }
        let tag = self.number()?;
        let content = match tag & 7 {
            0 => Content::Number(self.number()?),
            1 => Content::Bytes(self.take(8)?),
            2 => {
                let length = usize::try_from(self.number()?).ok()?;
                Content::Bytes(self.take(length)?)
            }
            5 => Content::Bytes(self.take(4)?),
            _ => return None,
        };
        Some(Some((tag >> 3, content)))
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
}

#[cfg(test)]
mod tests;
