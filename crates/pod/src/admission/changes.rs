//! In which fields do two versions of an object differ?

use k8s_openapi::api::core::v1 as core;
use serde_json::Value;

use crate::quantity::Quantity;

/// So many characters of a value are shown.
const SHOWN_CHARS: usize = 60;
/// So many fields are shown.
const SHOWN_FIELDS: usize = 20;

/// One line for each field that differs, below the path `at`; empty if the two mean the same.
pub(super) fn between<T: serde::Serialize>(at: &str, old: &T, new: &T) -> Vec<String> {
    let mut lines = Vec::new();
    compare(at, &meaning(old), &meaning(new), &mut lines);
    lines
}

/// The lines as Kubernetes appends its difference: each on a line of its own.
pub(super) fn appended(lines: &[String]) -> String {
    let mut text = String::new();
    for line in lines.iter().take(SHOWN_FIELDS) {
        text.push('\n');
        text.push_str(line);
    }
    if lines.len() > SHOWN_FIELDS {
        text.push_str(&format!("\nand {} more", lines.len() - SHOWN_FIELDS));
    }
    text
}

/// Whether two Pods are specified the same.
pub(super) fn same_spec(old: &core::Pod, new: &core::Pod) -> bool {
    between("spec", &old.spec, &new.spec).is_empty()
}

/// The value without what means nothing: empty fields, and how a quantity is written.
fn meaning<T: serde::Serialize>(object: &T) -> Value {
    let mut value = serde_json::to_value(object).unwrap_or_default();
    simplify(&mut value);
    value
}

fn simplify(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(simplify),
        Value::Object(fields) => {
            for (name, field) in fields.iter_mut() {
                simplify(field);
                if matches!(name.as_str(), "limits" | "requests") {
                    amounts(field);
                }
            }
            fields.retain(|_, field| !is_empty(field));
        }
        _ => {}
    }
}

fn amounts(table: &mut Value) {
    for amount in table
        .as_object_mut()
        .into_iter()
        .flat_map(|table| table.values_mut())
    {
        if let Some(quantity) = amount.as_str().and_then(|text| Quantity::parse(text).ok()) {
            *amount = Value::String(quantity.to_string());
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

fn compare(at: &str, old: &Value, new: &Value, lines: &mut Vec<String>) {
    match (old, new) {
        (Value::Object(olds), Value::Object(news)) => {
            let added = news.keys().filter(|name| !olds.contains_key(*name));
            for name in olds.keys().chain(added) {
                let at = if name.contains(['.', '/']) {
                    format!("{at}[{name}]")
                } else {
                    format!("{at}.{name}")
                };
                let [old, new] =
                    [olds, news].map(|fields| fields.get(name).unwrap_or(&Value::Null));
                compare(&at, old, new, lines);
            }
        }
        (Value::Array(olds), Value::Array(news)) if olds.len() == news.len() => {
            for (index, (old, new)) in olds.iter().zip(news).enumerate() {
                compare(&format!("{at}[{index}]"), old, new, lines);
            }
        }
        // The others are only counted.
        _ if old != new && lines.len() >= SHOWN_FIELDS => lines.push(String::new()),
        _ if old != new => lines.push(format!("{at}: was {}, would be {}", shown(old), shown(new))),
        _ => {}
    }
}

fn shown(value: &Value) -> String {
    if value.is_null() {
        return "unset".to_owned();
    }
    let text = value.to_string();
    match text.char_indices().nth(SHOWN_CHARS) {
        None => text,
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_differs_is_told_field_by_field_and_spelling_is_no_difference() {
        let old = json!({"a": [{"b": 1}, {"b": 2}], "limits": {"cpu": "1", "x.y/z": "1"}, "e": {}});
        let new =
            json!({"a": [{"b": 1}, {"b": "x"}], "limits": {"cpu": "1000m", "x.y/z": "2"}, "f": []});
        assert_eq!(
            between("spec", &old, &new),
            [
                "spec.a[1].b: was 2, would be \"x\"",
                "spec.limits[x.y/z]: was \"1\", would be \"2\"",
            ]
        );
        assert!(between("spec", &old, &old).is_empty());
    }

    #[test]
    fn a_long_difference_is_cut() {
        let lines: Vec<String> = (0..30).map(|number| number.to_string()).collect();
        let text = appended(&lines);
        assert!(text.ends_with("\n19\nand 10 more"), "{text}");
        assert!(shown(&json!("é".repeat(100))).chars().count() < 70);
    }
}
