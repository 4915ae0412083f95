//! What does an object look like after a patch? Four kinds of patches, by their media types.

mod json;
mod order;
pub(crate) mod schema;
mod strategic;
#[cfg(test)]
mod tests;
mod three_way;

use serde_json::{Map, Value};

use crate::{Failure, Reason, Resource};

pub use three_way::three_way;

/// A kind of patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `application/json-patch+json` (RFC 6902)
    Json,
    /// `application/merge-patch+json` (RFC 7386)
    Merge,
    /// `application/strategic-merge-patch+json`: lists are merged by the keys of their elements.
    Strategic,
    /// `application/apply-patch+yaml`: merged as `Strategic` is, with new elements behind the old ones. Nobody's
    /// ownership of fields is kept, so what an earlier apply set and this one leaves out stays.
    Apply,
}

impl Kind {
    /// The kind that a media type means; its parameters do not matter.
    #[must_use]
    pub fn of_media_type(media_type: &str) -> Option<Kind> {
        match media_type.split(';').next().unwrap_or_default().trim() {
            "application/json-patch+json" => Some(Kind::Json),
            "application/merge-patch+json" => Some(Kind::Merge),
            "application/strategic-merge-patch+json" => Some(Kind::Strategic),
            "application/apply-patch+yaml" => Some(Kind::Apply),
            _ => None,
        }
    }
}

/// The object after the patch. Nothing but its form is checked.
///
/// # Errors
/// If the patch is none of its kind, or cannot be applied to this object.
pub fn apply(
    kind: Kind,
    resource: Resource,
    original: &Value,
    patch: &Value,
) -> Result<Value, Failure> {
    let patched = match kind {
        Kind::Json => json::apply(original.clone(), patch)?,
        Kind::Merge | Kind::Strategic | Kind::Apply => {
            let Value::Object(patch) = patch else {
                return Err(bad(format!(
                    "a patch must be an object, not {}",
                    said(patch)
                )));
            };
            let mut merged = take_map(&mut original.clone());
            match kind {
                Kind::Merge => merge(&mut merged, patch),
                Kind::Apply => {
                    strategic::merge(&mut merged, patch, schema::root(resource), order::New::Last)?
                }
                _ => strategic::merge(
                    &mut merged,
                    patch,
                    schema::root(resource),
                    order::New::First,
                )?,
            }
            Value::Object(merged)
        }
    };
    match patched {
        Value::Object(_) => Ok(patched),
        other => Err(bad(format!(
            "after the patch the object would be {}",
            said(&other)
        ))),
    }
}

/// RFC 7386: maps are merged, `null` removes, everything else replaces.
fn merge(target: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (key, value) in patch {
        match value {
            Value::Null => {
                target.remove(key);
            }
            Value::Object(inner) => {
                let place = target.entry(key.as_str()).or_insert(Value::Null);
                let mut map = take_map(place);
                merge(&mut map, inner);
                *place = Value::Object(map);
            }
            other => {
                target.insert(key.clone(), other.clone());
            }
        }
    }
}

/// The map that a value is; an empty one if it is something else.
fn take_map(value: &mut Value) -> Map<String, Value> {
    match value.take() {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn bad(message: impl AsRef<str>) -> Failure {
    Failure::new(
        Reason::BadRequest,
        format!("error decoding patch: {}", message.as_ref()),
    )
}

fn said(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
