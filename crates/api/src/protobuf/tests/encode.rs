//! What would a client send? Objects with every field that the table names, and their bytes.

use serde_json::{Map, Value, json};

use super::super::table::{Field, Holds, Shape, TABLE};
use super::{STANDARD, Timestamp};
use base64::Engine;

/// An object with every field of a message, none of them empty.
pub(super) fn full(name: &str) -> Map<String, Value> {
    let mut object = Map::new();
    for field in TABLE.message(name).unwrap() {
        if field.name == "." {
            let Holds::Message(held) = field.holds else {
                panic!("{name} has a {field:?}");
            };
            object.extend(full(held));
            continue;
        }
        let value = match (field.holds, field.name) {
            (Holds::Text, _) => json!("text"),
            (Holds::Whole, _) => json!(7),
            (Holds::Truth, _) => json!(true),
            (Holds::Moment, _) => json!("2026-01-02T03:04:05Z"),
            (Holds::FineMoment, _) => json!("2026-01-02T03:04:05.678901Z"),
            (Holds::Quantity, _) => json!("10m"),
            (Holds::Bytes, _) => json!("AAEC"),
            (Holds::Either, _) => json!("http"),
            (Holds::Message(held), _) => full(held).into(),
        };
        let value = match field.shape {
            Shape::One => value,
            Shape::List => json!([value, value]),
            Shape::Map => json!({ "one": value, "two": value }),
        };
        object.insert(field.name.to_owned(), value);
    }
    object
}

/// The bytes of a message.
pub(super) fn encoded(object: &Map<String, Value>, name: &str, out: &mut Vec<u8>) {
    for field in TABLE.message(name).unwrap() {
        if let (".", Holds::Message(held)) = (field.name, field.holds) {
            let mut inner = Vec::new();
            encoded(object, held, &mut inner);
            bytes(field.number, &inner, out);
            continue;
        }
        let Some(value) = object.get(field.name) else {
            continue;
        };
        match (field.shape, value) {
            (Shape::List, Value::Array(values)) => {
                for value in values {
                    one(field, field.number, value, out);
                }
            }
            (Shape::Map, Value::Object(values)) => {
                for (key, value) in values {
                    let mut entry = Vec::new();
                    bytes(1, key.as_bytes(), &mut entry);
                    one(field, 2, value, &mut entry);
                    bytes(field.number, &entry, out);
                }
            }
            _ => one(field, field.number, value, out),
        }
    }
}

fn one(field: &Field, number: u64, value: &Value, out: &mut Vec<u8>) {
    let text = value.as_str().unwrap_or_default();
    let mut inner = Vec::new();
    match field.holds {
        Holds::Whole => return whole(number, value.as_u64().unwrap(), out),
        Holds::Truth => return whole(number, u64::from(value.as_bool().unwrap()), out),
        Holds::Text => inner.extend(text.bytes()),
        Holds::Bytes => inner = STANDARD.decode(text).unwrap(),
        Holds::Quantity => bytes(1, text.as_bytes(), &mut inner),
        Holds::Either => {
            whole(1, u64::from(value.is_string()), &mut inner);
            whole(2, value.as_u64().unwrap_or(0), &mut inner);
            bytes(3, text.as_bytes(), &mut inner);
        }
        Holds::Moment | Holds::FineMoment => {
            let moment: Timestamp = text.parse().unwrap();
            whole(1, moment.as_second().cast_unsigned(), &mut inner);
            let ns = u64::try_from(moment.subsec_nanosecond()).unwrap();
            whole(2, ns, &mut inner);
        }
        Holds::Message(held) => encoded(value.as_object().unwrap(), held, &mut inner),
    }
    bytes(number, &inner, out);
}

fn whole(number: u64, value: u64, out: &mut Vec<u8>) {
    varint(number << 3, out);
    varint(value, out);
}

fn bytes(number: u64, content: &[u8], out: &mut Vec<u8>) {
    varint(number << 3 | 2, out);
    length(content.len(), out);
    out.extend(content);
}

/// How many bytes follow.
pub(super) fn length(count: usize, out: &mut Vec<u8>) {
    varint(count as u64, out);
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value > 0x7f {
        out.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).unwrap());
}
