//! How does an object look as YAML? Keys in order, and text in quotes wherever it could be read as something else.

use serde_json::Value;

/// The object as a YAML document.
pub(crate) fn text(object: &Value) -> String {
    let mut out = String::new();
    match object {
        Value::Object(map) if !map.is_empty() => block(object, 0, &mut out),
        Value::Array(list) if !list.is_empty() => block(object, 0, &mut out),
        scalar => {
            inline(scalar, 0, &mut out);
            out.push('\n');
        }
    }
    out
}

/// A map or a list that is not empty, line by line.
fn block(value: &Value, depth: usize, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            for (index, key) in keys.into_iter().enumerate() {
                // The first line of a map in a list stands behind its dash.
                if index > 0 || !out.ends_with("- ") {
                    indent(depth, out);
                }
                scalar(key, depth, out);
                out.push(':');
                inside(&map[key], depth, out);
            }
        }
        Value::Array(list) => {
            for (index, item) in list.iter().enumerate() {
                if index > 0 || !out.ends_with("- ") {
                    indent(depth, out);
                }
                out.push_str("- ");
                if is_block(item) {
                    block(item, depth + 1, out);
                } else {
                    inline(item, depth + 1, out);
                    out.push('\n');
                }
            }
        }
        _ => {}
    }
}

/// What stands behind a key.
fn inside(value: &Value, depth: usize, out: &mut String) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            out.push('\n');
            block(value, depth + 1, out);
        }
        // Lists stand as far left as their key, as in all of Kubernetes.
        Value::Array(list) if !list.is_empty() => {
            out.push('\n');
            block(value, depth, out);
        }
        scalar => {
            out.push(' ');
            inline(scalar, depth + 1, out);
            out.push('\n');
        }
    }
}

fn is_block(value: &Value) -> bool {
    match value {
        Value::Object(map) => !map.is_empty(),
        Value::Array(list) => !list.is_empty(),
        _ => false,
    }
}

fn inline(value: &Value, depth: usize, out: &mut String) {
    match value {
        Value::String(text) => scalar(text, depth, out),
        other => out.push_str(&other.to_string()),
    }
}

fn indent(depth: usize, out: &mut String) {
    out.extend(std::iter::repeat_n("  ", depth));
}

/// Text: as it is, in quotes, or line by line.
fn scalar(text: &str, depth: usize, out: &mut String) {
    let is_plain_text = |each: char| each == '\n' || each == '\t' || !each.is_control();
    let first = text.lines().next().unwrap_or_default();
    let is_literal = text.contains('\n')
        && text.chars().all(is_plain_text)
        && !first.is_empty()
        && !first.starts_with([' ', '\t'])
        && !text.contains('\u{2028}')
        && !text.contains('\u{85}');
    if is_literal {
        let body = text.trim_end_matches('\n');
        out.push_str(match text.len() - body.len() {
            0 => "|-",
            1 => "|",
            _ => "|+",
        });
        for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
            out.push('\n');
            if !line.is_empty() {
                indent(depth, out);
                out.push_str(line);
            }
        }
        return;
    }
    if text.chars().any(char::is_control) || means_something_else(text) {
        // JSON's escapes are YAML's.
        out.push_str(&Value::from(text).to_string());
    } else if is_plain(text) {
        out.push_str(text);
    } else {
        out.push('\'');
        out.push_str(&text.replace('\'', "''"));
        out.push('\'');
    }
}

/// Whether a reader would take it for a number, a time, a truth or nothing.
fn means_something_else(text: &str) -> bool {
    const WORDS: [&str; 12] = [
        "", "true", "false", "yes", "no", "on", "off", "null", "y", "n", "~", "nan",
    ];
    const UNITS: [&str; 7] = ["m", "k", "M", "G", "Ki", "Mi", "Gi"];
    let bare = text.trim_start_matches(['+', '-', '.']);
    if !bare.starts_with(|first: char| first.is_ascii_digit()) {
        return WORDS.contains(&text.to_ascii_lowercase().as_str()) || text.parse::<f64>().is_ok();
    }
    // Addresses, uids and quantities begin with a digit and are nothing else; of the rest nobody can be sure.
    let is_address = text.split('.').count() == 4
        && text
            .chars()
            .all(|each| each.is_ascii_digit() || each == '.');
    let is_uid = text.len() == 36
        && text.split('-').count() == 5
        && text
            .chars()
            .all(|each| each.is_ascii_hexdigit() || each == '-');
    let unit = text.trim_start_matches(|each: char| each.is_ascii_digit());
    !is_address && !is_uid && !UNITS.contains(&unit)
}

/// Whether no character in it means something to YAML.
fn is_plain(text: &str) -> bool {
    const MARKS: [char; 20] = [
        '!', '&', '*', '?', '|', '>', '@', '`', '"', '\'', '%', '#', '{', '}', '[', ']', ',', ':',
        '=', ' ',
    ];
    let begins_a_list = text
        .strip_prefix('-')
        .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '-']));
    let has_marks = text.starts_with(MARKS)
        || text.ends_with([' ', ':'])
        || text.contains(": ")
        || text.contains(" #")
        || text.contains(['\u{2028}', '\u{2029}', '\u{feff}']);
    !begins_a_list && !has_marks
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::text;

    #[test]
    fn an_object_looks_as_kubectl_prints_it() {
        let object = json!({
            "kind": "Pod", "apiVersion": "v1",
            "metadata": { "name": "web", "labels": {}, "annotations": { "a/b": "true" } },
            "spec": { "containers": [{ "name": "app", "args": ["-c", "echo 1\nsleep 2\n"], "ports": [{ "containerPort": 80 }] }] },
            "status": { "ready": false, "ip": "10.0.0.1", "none": null, "empty": [], "text": "" },
        });
        let expected = r#"apiVersion: v1
kind: Pod
metadata:
  annotations:
    a/b: "true"
  labels: {}
  name: web
spec:
  containers:
  - args:
    - -c
    - |
      echo 1
      sleep 2
    name: app
    ports:
    - containerPort: 80
status:
  empty: []
  ip: 10.0.0.1
  none: null
  ready: false
  text: ""
"#;
        assert_eq!(text(&object), expected);
    }

    #[test]
    fn text_that_could_be_something_else_is_quoted() {
        for (value, expected) in [
            ("null", "\"null\""),
            ("1e3", "\"1e3\""),
            ("inf", "\"inf\""),
            ("No", "\"No\""),
            ("0x1f", "\"0x1f\""),
            ("2026-01-01T00:00:00Z", "\"2026-01-01T00:00:00Z\""),
            ("10Mi", "10Mi"),
            ("--- x", "'--- x'"),
            ("a: b", "'a: b'"),
            ("a #b", "'a #b'"),
            ("it's", "it's"),
            ("- it's", "'- it''s'"),
            ("\u{1b}[1m", "\"\\u001b[1m\""),
            (" a\nb", "\" a\\nb\""),
            ("a\nb", "|-\n  a\n  b"),
            ("a\n\n", "|+\n  a\n"),
        ] {
            assert_eq!(
                text(&json!({ "k": value })),
                format!("k: {expected}\n"),
                "{value:?}"
            );
        }
    }
}
