//! What do the documents of a file say, whatever kinds of object they are?

use super::tree::{Node, Value};
use super::{Rejected, SourceFile, yaml};

/// The documents of a file as plain values, with the items of lists in place of the lists.
///
/// # Errors
/// If a part of it is neither YAML nor JSON.
pub fn values(file: &SourceFile) -> Result<Vec<serde_json::Value>, Rejected> {
    let mut problems = Vec::new();
    let nodes = yaml::documents(file, &mut problems);
    if !problems.is_empty() {
        let warnings = Vec::new();
        return Err(Rejected { problems, warnings });
    }
    let mut found = Vec::new();
    for node in nodes {
        flatten(plain(node), &mut found);
    }
    Ok(found)
}

fn flatten(mut document: serde_json::Value, found: &mut Vec<serde_json::Value>) {
    let kind = document["kind"].as_str().unwrap_or_default().to_owned();
    match document.get_mut("items") {
        Some(serde_json::Value::Array(items)) if kind.ends_with("List") => {
            let of = kind.strip_suffix("List").unwrap_or_default().to_owned();
            for mut item in std::mem::take(items) {
                // The items of a PodList need not say that they are Pods.
                if let (Some(fields), false) = (item.as_object_mut(), of.is_empty()) {
                    fields.entry("kind").or_insert_with(|| of.clone().into());
                    fields.entry("apiVersion").or_insert_with(|| "v1".into());
                }
                flatten(item, found);
            }
        }
        _ => found.push(document),
    }
}

fn plain(node: Node) -> serde_json::Value {
    match node.value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(truth) => truth.into(),
        Value::Int(number) => number.into(),
        Value::Big(number) => number.into(),
        Value::Float(number, _) => number.into(),
        Value::Text(text) => text.into(),
        Value::List(list) => list.into_iter().map(plain).collect(),
        Value::Map(entries) => entries
            .into_iter()
            .map(|entry| (entry.key, plain(entry.node)))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn documents_of_all_kinds_are_read_and_lists_are_opened() {
        let file = |text: &str| SourceFile {
            name: "x".to_owned(),
            text: text.to_owned(),
        };
        let read = values(&file(
            "kind: Namespace\nhalf: 1.5\n---\nkind: PodList\nitems:\n- metadata: {name: a}\n---\n",
        ));
        let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "a" } });
        assert_eq!(
            read,
            Ok(vec![json!({ "kind": "Namespace", "half": 1.5 }), pod])
        );
        assert!(values(&file("a: [")).is_err());
    }
}
