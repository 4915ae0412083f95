//! How does JSON become the tree that YAML becomes, with every key that is given twice told?
//!
//! It is read by itself and not as the YAML that it nearly is, because half of a character outside
//! the basic plane (`\ud83d`) is an escape that only JSON has, and programs write it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};

use super::Place;
use super::tree::{Entry, Node, Path, Step, Value};

/// More than these are not told of one text.
pub(crate) const MOST_DUPLICATES: usize = 100;

/// The tree of a JSON text, and the paths of keys that it gives twice; the last one counts.
pub(crate) fn read(text: &str) -> Result<(Node, Vec<Path>), serde_json::Error> {
    let track = Track::default();
    let mut reader = serde_json::Deserializer::from_str(text);
    let node = Part { track: &track }.deserialize(&mut reader)?;
    reader.end()?;
    Ok((node, track.twice.into_inner()))
}

/// The tree of a value.
pub(crate) fn of_value(value: &serde_json::Value) -> Result<Node, serde_json::Error> {
    let track = Track::default();
    Part { track: &track }.deserialize(value)
}

#[derive(Default)]
struct Track {
    at: RefCell<Vec<Step>>,
    twice: RefCell<Vec<Path>>,
}

#[derive(Clone, Copy)]
struct Part<'a> {
    track: &'a Track,
}

impl Part<'_> {
    fn node(value: Value) -> Node {
        Node {
            place: NOWHERE,
            value,
        }
    }
}

const NOWHERE: Place = Place {
    line: 0,
    column: 0,
    start: 0,
    end: 0,
};

impl<'de> DeserializeSeed<'de> for Part<'_> {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Node, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Part<'_> {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Node, E> {
        Ok(Part::node(Value::Null))
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<Node, E> {
        Ok(Part::node(Value::Bool(truth)))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Node, E> {
        Ok(Part::node(Value::Int(number)))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Node, E> {
        Ok(Part::node(match i64::try_from(number) {
            Ok(number) => Value::Int(number),
            Err(_) => Value::Big(number),
        }))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Node, E> {
        // A whole number may be written as 1.0 or 1e3, as in YAML.
        Ok(Part::node(super::scalar::resolve(&number.to_string())))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Node, E> {
        Ok(Part::node(Value::Text(text.to_owned())))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Node, E> {
        Ok(Part::node(Value::Text(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        loop {
            self.track.at.borrow_mut().push(Step::Index(items.len()));
            let item = from.next_element_seed(self)?;
            self.track.at.borrow_mut().pop();
            match item {
                Some(item) => items.push(item),
                None => {
                    // Room that was not needed would take as much again.
                    items.shrink_to_fit();
                    return Ok(Part::node(Value::List(items)));
                }
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Node, A::Error> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut index: HashMap<String, usize> = HashMap::new();
        while let Some(key) = from.next_key::<String>()? {
            self.track.at.borrow_mut().push(Step::Key(key.clone()));
            let node = from.next_value_seed(self)?;
            let known = index.get(&key).and_then(|index| entries.get_mut(*index));
            match known {
                Some(entry) => {
                    entry.node = node;
                    let mut twice = self.track.twice.borrow_mut();
                    if twice.len() < MOST_DUPLICATES {
                        twice.push(Path(self.track.at.borrow().clone()));
                    }
                }
                None => {
                    index.insert(key.clone(), entries.len());
                    entries.push(Entry {
                        key,
                        key_place: NOWHERE,
                        node,
                    });
                }
            }
            self.track.at.borrow_mut().pop();
        }
        entries.shrink_to_fit();
        Ok(Part::node(Value::Map(entries)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_given_twice_is_told_and_its_last_value_counts() {
        let text = r#"{"a": [{"b": 1, "c": 2, "b": 3}], "e.f": {"g": 1, "g": 2}}"#;
        let (node, twice) = read(text).expect("JSON");
        let paths: Vec<String> = twice.iter().map(Path::to_string).collect();
        assert_eq!(paths, ["a[0].b", "[e.f].g"]);
        let mut node = node;
        let last = node.at_mut(&Path::parse("a[0].b")).expect("a[0].b");
        assert!(matches!(last.value, Value::Int(3)), "{last:?}");
    }

    #[test]
    fn numbers_and_characters_are_what_json_says_they_are() {
        let (node, _) = read(r#"["\ud83d\ude00", 1.0, 0.5, 1e3, -1]"#).expect("JSON");
        let Value::List(items) = node.value else {
            panic!("a list")
        };
        let shown: Vec<String> = items
            .iter()
            .map(|item| format!("{:?}", item.value))
            .collect();
        let wanted = [
            "Text(\"😀\")",
            "Int(1)",
            "Float(0.5, \"0.5\")",
            "Int(1000)",
            "Int(-1)",
        ];
        assert_eq!(shown, wanted);
    }

    #[test]
    fn what_is_nested_too_deep_is_refused_and_not_followed() {
        assert!(read(&"[".repeat(100_000)).is_err());
    }
}
