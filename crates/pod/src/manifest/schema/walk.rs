//! How does a type tell all of its fields?

use std::cell::RefCell;

use serde::Deserialize;
use serde::de::value::{Error, StrDeserializer};
use serde::de::{DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

/// Every field below a `T`, with the shape of the object that has it.
pub(super) fn fields<'de, T: Deserialize<'de>>(kind: &'static str) -> Vec<(String, &'static str)> {
    let found = RefCell::new(Vec::new());
    // A type that refuses the made-up value has named its fields before it does.
    drop(T::deserialize(Probe {
        shape: String::new(),
        text: "1970-01-01T00:00:00Z",
        kind,
        found: &found,
    }));
    found.into_inner()
}

/// A made-up value with all the fields that it is asked for.
struct Probe<'a> {
    shape: String,
    text: &'static str,
    kind: &'static str,
    found: &'a RefCell<Vec<(String, &'static str)>>,
}

impl Probe<'_> {
    fn part(&self, shape: String, text: &'static str) -> Self {
        Probe {
            shape,
            text,
            kind: self.kind,
            found: self.found,
        }
    }

    fn field(&self, name: &'static str) -> Self {
        let shape = if self.shape.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.shape)
        };
        let text = match name {
            "apiVersion" => "v1",
            "kind" if self.shape.is_empty() => self.kind,
            _ => "1970-01-01T00:00:00Z",
        };
        self.part(shape, text)
    }
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_i64(0)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_bool(false)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_str(self.text)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_str(self.text)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let shape = format!("{}[]", self.shape);
        visitor.visit_seq(One(Some(self.part(shape, self.text))))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_map(Fields {
            of: self,
            names: &["*"],
            value: None,
        })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.found
            .borrow_mut()
            .extend(names.iter().map(|name| (self.shape.clone(), *name)));
        visitor.visit_map(Fields {
            of: self,
            names,
            value: None,
        })
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct tuple
        tuple_struct enum identifier ignored_any
    }
}

struct One<'a>(Option<Probe<'a>>);

impl<'de> SeqAccess<'de> for One<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        self.0
            .take()
            .map(|probe| seed.deserialize(probe))
            .transpose()
    }
}

struct Fields<'a> {
    of: Probe<'a>,
    names: &'static [&'static str],
    value: Option<&'static str>,
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        let Some((name, rest)) = self.names.split_first() else {
            return Ok(None);
        };
        self.names = rest;
        self.value = Some(name);
        let key: StrDeserializer<'_, Error> = (*name).into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        seed.deserialize(self.of.field(self.value.unwrap_or("*")))
    }
}
