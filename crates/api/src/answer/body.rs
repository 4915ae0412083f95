//! What is sent back, without a copy of what is kept.

use std::sync::Arc;

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::Value;

/// A body, to be written as JSON.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// Made for this answer.
    Made(Value),
    /// As it is kept.
    Kept(Arc<Value>),
    /// A list of what is kept.
    List {
        /// All but the items: `kind`, `apiVersion`, `metadata`.
        head: serde_json::Map<String, Value>,
        /// `items`
        items: Vec<Arc<Value>>,
    },
}

impl Body {
    /// As one value, with a copy of everything: for tests, and for those who need to look into it.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match self {
            Body::Made(value) => value.clone(),
            Body::Kept(value) => Value::clone(value),
            Body::List { head, items } => {
                let mut list = head.clone();
                let items = items.iter().map(|item| Value::clone(item)).collect();
                list.insert("items".to_owned(), Value::Array(items));
                Value::Object(list)
            }
        }
    }
}

impl From<Value> for Body {
    fn from(value: Value) -> Body {
        Body::Made(value)
    }
}

impl From<Arc<Value>> for Body {
    fn from(value: Arc<Value>) -> Body {
        Body::Kept(value)
    }
}

impl Serialize for Body {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Body::Made(value) => value.serialize(serializer),
            Body::Kept(value) => value.serialize(serializer),
            Body::List { head, items } => {
                let mut map = serializer.serialize_map(Some(head.len() + 1))?;
                for (key, value) in head {
                    map.serialize_entry(key, value)?;
                }
                map.serialize_entry("items", &Items(items))?;
                map.end()
            }
        }
    }
}

struct Items<'a>(&'a [Arc<Value>]);

impl Serialize for Items<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut sequence = serializer.serialize_seq(Some(self.0.len()))?;
        for item in self.0 {
            sequence.serialize_element(&**item)?;
        }
        sequence.end()
    }
}
