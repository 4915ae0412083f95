//! How does serde walk a document's tree while the way is written down?

use std::cell::{Cell, RefCell};
use std::fmt;

use serde::de::value::{StrDeserializer, StringDeserializer};
use serde::de::{
    self, DeserializeSeed, Deserializer, Expected, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;

use super::MOST_UNKNOWN;
use crate::manifest::Place;
use crate::manifest::tree::{Entry, Node, Path, Step, Value};

/// Where the walk is, and the fields that it found and nobody knows.
#[derive(Default)]
pub(crate) struct Trace {
    pub(crate) at: RefCell<Vec<Step>>,
    pub(crate) unknown: RefCell<Vec<Unknown>>,
    /// How many more of these there are.
    pub(crate) more_unknown: Cell<usize>,
    /// What the items of all lists may take, and what of that is left.
    pub(crate) most_bytes: usize,
    pub(crate) room_bytes: Cell<usize>,
}

impl Trace {
    /// Makes room for an item of a list. A list of empty maps is short, but each of them becomes all that its type has.
    fn make_room(&self, bytes: usize) -> Result<(), Failure> {
        match self.room_bytes.get().checked_sub(bytes) {
            Some(left) => {
                self.room_bytes.set(left);
                Ok(())
            }
            None => Err(Failure::Other(format!(
                "the items of all lists up to here would take more than {} KiB of memory: write fewer",
                self.most_bytes / 1024
            ))),
        }
    }
}

/// A field that a type does not have.
pub(crate) struct Unknown {
    /// The path of the object that has the field.
    pub(crate) path: Path,
    pub(crate) key: String,
    pub(crate) place: Place,
    /// The fields that the type does have.
    pub(crate) fields: &'static [&'static str],
}

/// Why a value does not fit.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It is of another type.
    Type { expected: String, found: String },
    /// What the type itself says.
    Other(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Type { expected, found } => write!(f, "expected {expected}, found {found}"),
            Failure::Other(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for Failure {}

impl de::Error for Failure {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Failure::Other(message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Failure::Type {
            expected: in_words(&expected.to_string()),
            found: found_in_words(found),
        }
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let expected = match expected.to_string().as_str() {
            "i32" | "a 32-bit integer" => "a whole number of 32 bits".to_owned(),
            "i64" => "a whole number of 64 bits".to_owned(),
            other => in_words(other),
        };
        Failure::Type {
            expected,
            found: found_in_words(found),
        }
    }
}

fn in_words(expected: &str) -> String {
    match expected {
        "i8" | "i16" | "i32" | "i64" | "u8" | "u16" | "u32" | "u64" => "a whole number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a string" => "text".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "a mapping".to_owned(),
        "IntOrString" => "a whole number or text".to_owned(),
        "Quantity" => "a quantity such as 500m or 64Mi".to_owned(),
        "Time" => "a time such as 2026-01-31T12:00:00Z".to_owned(),
        name if name.starts_with(char::is_uppercase) => format!("a mapping ({name})"),
        other => other.to_owned(),
    }
}

fn found_in_words(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(truth) => format!("the boolean {truth}"),
        Unexpected::Signed(number) => format!("the number {number}"),
        Unexpected::Unsigned(number) => format!("the number {number}"),
        Unexpected::Float(number) => format!("the number {number}"),
        Unexpected::Str(text) if text.chars().count() > 40 => {
            format!(
                "the text \"{}…\"",
                text.chars().take(40).collect::<String>().escape_debug()
            )
        }
        Unexpected::Str(text) => format!("the text {text:?}"),
        Unexpected::Unit | Unexpected::Option => "nothing".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a mapping".to_owned(),
        other => other.to_string(),
    }
}

/// A part of the tree, ready to be taken as some type.
pub(crate) struct Cursor<'a> {
    pub(crate) node: &'a Node,
    pub(crate) trace: &'a Trace,
}

impl<'a> Cursor<'a> {
    fn is_null(&self) -> bool {
        matches!(self.node.value, Value::Null)
    }

    fn entries(&self, rest: &'a [Entry]) -> Entries<'a> {
        Entries {
            rest,
            trace: self.trace,
            value: None,
        }
    }

    fn items(&self, items: &'a [Node]) -> Items<'a> {
        Items {
            items,
            index: 0,
            trace: self.trace,
        }
    }
}

/// `null` is the empty value of what is asked for; everything else is what it is.
macro_rules! empty_if_null {
    ($($method:ident => $visit:ident($empty:expr)),* $(,)?) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
            if self.is_null() { visitor.$visit($empty) } else { self.deserialize_any(visitor) }
        })*
    };
}

impl<'de> Deserializer<'de> for Cursor<'_> {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match &self.node.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(truth) => visitor.visit_bool(*truth),
            Value::Int(number) => visitor.visit_i64(*number),
            Value::Big(number) => visitor.visit_u64(*number),
            Value::Float(number, _) => visitor.visit_f64(*number),
            Value::Text(text) => visitor.visit_str(text),
            Value::List(items) => visitor.visit_seq(self.items(items)),
            Value::Map(entries) => visitor.visit_map(self.entries(entries)),
        }
    }

    empty_if_null! {
        deserialize_bool => visit_bool(false),
        deserialize_i32 => visit_i64(0),
        deserialize_i64 => visit_i64(0),
        deserialize_str => visit_str(""),
        deserialize_string => visit_str(""),
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        if self.is_null() {
            visitor.visit_seq(self.items(&[]))
        } else {
            self.deserialize_any(visitor)
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        if self.is_null() {
            visitor.visit_map(self.entries(&[]))
        } else {
            self.deserialize_any(visitor)
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        if self.is_null() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        if name != "Quantity" {
            return visitor.visit_newtype_struct(self);
        }
        let text = match &self.node.value {
            Value::Int(number) => number.to_string(),
            Value::Big(number) => number.to_string(),
            Value::Float(_, text) => text.clone(),
            Value::Text(text) => text.clone(),
            Value::Null => "0".to_owned(),
            _ => return self.deserialize_any(visitor),
        };
        visitor.visit_newtype_struct(StringDeserializer::new(text))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        let entries: &[Entry] = match &self.node.value {
            Value::Null => &[],
            Value::Map(entries) => entries,
            _ => return self.deserialize_any(visitor),
        };
        for entry in entries
            .iter()
            .filter(|entry| !fields.contains(&entry.key.as_str()))
        {
            let more = &self.trace.more_unknown;
            if self.trace.unknown.borrow().len() >= MOST_UNKNOWN {
                more.set(more.get() + 1);
                continue;
            }
            let path = Trace::path(&self.trace.at);
            let unknown = Unknown {
                path,
                key: entry.key.clone(),
                place: entry.key_place,
                fields,
            };
            self.trace.unknown.borrow_mut().push(unknown);
        }
        visitor.visit_map(self.entries(entries))
    }

    forward_to_deserialize_any! {
        i8 i16 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct tuple
        tuple_struct enum identifier ignored_any
    }
}

struct Items<'a> {
    items: &'a [Node],
    index: usize,
    trace: &'a Trace,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Failure;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Failure> {
        let Some(node) = self.items.get(self.index) else {
            return Ok(None);
        };
        let step = Step::Index(self.index);
        self.index += 1;
        let go = || {
            self.trace.make_room(size_of::<T::Value>())?;
            seed.deserialize(Cursor {
                node,
                trace: self.trace,
            })
        };
        self.trace.step(step, go).map(Some)
    }
}

struct Entries<'a> {
    rest: &'a [Entry],
    trace: &'a Trace,
    value: Option<&'a Entry>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Failure;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Failure> {
        let Some((entry, rest)) = self.rest.split_first() else {
            return Ok(None);
        };
        self.rest = rest;
        self.value = Some(entry);
        let key: StrDeserializer<'_, Failure> = entry.key.as_str().into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Failure> {
        let Some(entry) = self.value.take() else {
            return Err(de::Error::custom("a value was asked for before its key"));
        };
        let go = || {
            seed.deserialize(Cursor {
                node: &entry.node,
                trace: self.trace,
            })
        };
        self.trace.step(Step::Key(entry.key.clone()), go)
    }
}
