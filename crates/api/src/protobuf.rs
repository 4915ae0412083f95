//! What does a body say that is Protocol Buffers? kubectl's typed commands (`create configmap`, `debug --copy-to`,
//! `debug node/NAME`, `auth can-i`, `drain`) send their objects like that, whatever the server says that it takes.
//!
//! The envelope begins with four bytes that nothing else begins with and names the kind; by the table of
//! `fields.txt` the rest becomes the JSON that it would have been. What the table does not name is passed over, as
//! every reader of this format does.

mod table;
mod wire;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::jiff::Timestamp;
use outrigger_pod::bounds::{Excess, MOST_VALUES};
use serde_json::{Map, Value};

use self::table::{Field, Holds, Shape, TABLE};
use self::wire::{Content, Reader, texts, whole_numbers};
use crate::{Failure, Reason};

/// What an envelope begins with.
const MAGIC: &[u8; 4] = b"k8s\0";
/// The kinds that can be sent like this: what clients create, and the requests that are objects.
const KINDS: [&str; 12] = [
    "ConfigMap",
    "DeleteOptions",
    "Event",
    "Eviction",
    "Namespace",
    "Node",
    "Pod",
    "Secret",
    "SelfSubjectAccessReview",
    "SelfSubjectReview",
    "SelfSubjectRulesReview",
    "ServiceAccount",
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
                [version, kind] = texts(bytes).ok_or_else(torn)?.map(str::to_owned);
            }
            (2, Content::Bytes(bytes)) => raw = bytes,
            _ => {}
        }
    }
    if !KINDS.contains(&kind.as_str()) {
        return Err(Failure::new(
            Reason::UnsupportedMediaType,
            format!(
                "a {kind} cannot be sent as application/vnd.kubernetes.protobuf here - accepted media types \
                 include: application/json, application/yaml"
            ),
        ));
    }
    let mut object = Map::new();
    let mut room = Room::new();
    if room.message(&mut object, raw, &kind).is_none() {
        return Err(match room.is_exceeded {
            true => crate::answer::too_large(&Excess::Values),
            false => torn(),
        });
    }
    object.insert("kind".to_owned(), kind.into());
    object.insert("apiVersion".to_owned(), version.into());
    Ok(Some(Value::Object(object).to_string().into_bytes()))
}

fn torn() -> Failure {
    let message = "the body of the request is no proper application/vnd.kubernetes.protobuf";
    Failure::new(Reason::BadRequest, message)
}

/// How many more values may come: a body of two bytes a value would take many times its size in memory.
struct Room {
    values: usize,
    is_exceeded: bool,
}

impl Room {
    fn new() -> Room {
        Room {
            values: MOST_VALUES,
            is_exceeded: false,
        }
    }

    fn take(&mut self) -> Option<()> {
        self.is_exceeded = self.values == 0;
        self.values = self.values.checked_sub(1)?;
        Some(())
    }

    /// Puts the fields of a message into `object`; `None` if the bytes make no sense.
    fn message(&mut self, object: &mut Map<String, Value>, bytes: &[u8], name: &str) -> Option<()> {
        let fields = TABLE.message(name)?;
        let mut reader = Reader(bytes);
        while let Some((number, content)) = reader.next()? {
            if let Some(field) = fields.iter().find(|field| field.number == number) {
                self.put(object, field, &content)?;
            }
        }
        Some(())
    }

    fn put(
        &mut self,
        object: &mut Map<String, Value>,
        field: &Field,
        content: &Content<'_>,
    ) -> Option<()> {
        self.take()?;
        match (field.shape, content) {
            (Shape::Map, Content::Bytes(bytes)) => {
                let (key, value) = wire::entry(bytes)?;
                let value = self.value(field.holds, &Content::Bytes(value))?;
                let map = object
                    .entry(field.name)
                    .or_insert_with(|| Map::new().into());
                map.as_object_mut()?.insert(key.to_owned(), value);
            }
            (Shape::Map, Content::Number(_)) => return None,
            // Numbers may stand one by one, or all of them in one field.
            (Shape::List, Content::Bytes(bytes)) if field.holds == Holds::Whole => {
                let mut reader = Reader(bytes);
                while let Some(number) = reader.packed()? {
                    self.take()?;
                    push(object, field.name, number.cast_signed().into())?;
                }
            }
            (Shape::List, content) => push(object, field.name, self.value(field.holds, content)?)?,
            (Shape::One, Content::Bytes(bytes)) if field.name == "." => {
                let Holds::Message(name) = field.holds else {
                    return None;
                };
                self.message(object, bytes, name)?;
            }
            (Shape::One, content) => {
                let value = self.value(field.holds, content)?;
                let is_nothing = match &value {
                    Value::Null => true,
                    Value::String(text) => text.is_empty() && !field.is_pointer,
                    Value::Bool(truth) => !truth && !field.is_pointer,
                    Value::Number(number) => {
                        number.as_i64() == Some(0)
                            && field.holds == Holds::Whole
                            && !field.is_pointer
                    }
                    _ => false,
                };
                if !is_nothing {
                    object.insert(field.name.to_owned(), value);
                }
            }
        }
        Some(())
    }

    fn value(&mut self, holds: Holds, content: &Content<'_>) -> Option<Value> {
        let value = match (holds, content) {
            (Holds::Whole, Content::Number(number)) => number.cast_signed().into(),
            (Holds::Truth, Content::Number(number)) => (*number != 0).into(),
            (Holds::Text, Content::Bytes(bytes)) => wire::text(bytes)?.into(),
            (Holds::Quantity, Content::Bytes(bytes)) => {
                let [text] = texts(bytes)?;
                // Nothing is the zero quantity.
                if text.is_empty() { "0" } else { text }.into()
            }
            (Holds::Bytes, Content::Bytes(bytes)) => STANDARD.encode(bytes).into(),
            (Holds::Moment, Content::Bytes(bytes)) => moment(bytes, 0)?,
            (Holds::FineMoment, Content::Bytes(bytes)) => moment(bytes, 6)?,
            (Holds::Either, Content::Bytes(bytes)) => either(bytes)?,
            (Holds::Message(name), Content::Bytes(bytes)) => {
                let mut object = Map::new();
                self.message(&mut object, bytes, name)?;
                object.into()
            }
            _ => return None,
        };
        Some(value)
    }
}

fn push(object: &mut Map<String, Value>, name: &str, value: Value) -> Option<()> {
    let list = object
        .entry(name)
        .or_insert_with(|| Value::Array(Vec::new()));
    list.as_array_mut()?.push(value);
    Some(())
}

/// A time with this many digits of its second, if it is one: the zero time is sent as nothing.
fn moment(bytes: &[u8], digits: usize) -> Option<Value> {
    let [seconds, ns] = whole_numbers(bytes)?;
    let Some(seconds) = seconds else {
        return Some(Value::Null);
    };
    let ns = i32::try_from(ns.unwrap_or(0)).ok()?;
    let moment = Timestamp::new(seconds, ns).ok()?;
    let written = match digits {
        0 => moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        _ => moment.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string(),
    };
    Some(written.into())
}

/// A number or a text, and before both which of the two.
fn either(bytes: &[u8]) -> Option<Value> {
    let [is_text, number, _] = whole_numbers(bytes)?;
    if is_text.unwrap_or(0) == 0 {
        return Some(number.unwrap_or(0).into());
    }
    let [_, _, text] = texts(bytes)?;
    Some(text.into())
}

#[cfg(test)]
mod tests;
