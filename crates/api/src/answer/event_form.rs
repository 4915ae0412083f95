//! How does an Event look as `events.k8s.io/v1`?

use serde_json::{Map, Value};

/// Each field of `v1` and its name there.
const NAMES: [(&str, &str); 15] = [
    ("metadata", "metadata"),
    ("eventTime", "eventTime"),
    ("series", "series"),
    ("reportingComponent", "reportingController"),
    ("reportingInstance", "reportingInstance"),
    ("action", "action"),
    ("reason", "reason"),
    ("involvedObject", "regarding"),
    ("related", "related"),
    ("message", "note"),
    ("type", "type"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
];

/// The same Event in the other form.
pub(super) fn new_form(event: &Value) -> Value {
    let mut other = Map::new();
    other.insert("kind".to_owned(), "Event".into());
    other.insert("apiVersion".to_owned(), "events.k8s.io/v1".into());
    // This one is always there.
    other.insert("eventTime".to_owned(), Value::Null);
    for (old, new) in NAMES {
        if let Some(value) = event.get(old) {
            other.insert(new.to_owned(), value.clone());
        }
    }
    Value::Object(other)
}
