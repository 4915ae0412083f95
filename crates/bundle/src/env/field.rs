//! What is the value of a Pod's field, as `fieldRef` names it?

use std::collections::BTreeMap;
use std::fmt::Write;

use outrigger_pod::Pod;

use super::{EnvError, Running};

/// The value at a field path. An annotation or label that is not there is empty.
///
/// # Errors
/// When the path is none that a Pod answers to.
pub fn field(pod: &Pod, running: &Running, path: &str) -> Result<String, EnvError> {
    let metadata = &pod.manifest.metadata;
    if let Some((map, key)) = subscript(path) {
        let map = match map {
            "metadata.labels" => &metadata.labels,
            "metadata.annotations" => &metadata.annotations,
            _ => {
                return Err(EnvError::FieldPath {
                    path: path.to_owned(),
                });
            }
        };
        return Ok(map
            .as_ref()
            .and_then(|map| map.get(key))
            .cloned()
            .unwrap_or_default());
    }
    let spec = pod.manifest.spec.as_ref();
    Ok(match path {
        "metadata.name" => pod.name.clone(),
        "metadata.namespace" => pod.namespace.clone(),
        "metadata.uid" => pod.uid.0.clone(),
        "metadata.labels" => lines(metadata.labels.as_ref()),
        "metadata.annotations" => lines(metadata.annotations.as_ref()),
        "spec.nodeName" => running.node_name.clone(),
        "spec.serviceAccountName" => spec
            .and_then(|spec| spec.service_account_name.clone())
            .unwrap_or_default(),
        "status.podIP" => running.pod_ips.first().cloned().unwrap_or_default(),
        "status.podIPs" => running.pod_ips.join(","),
        "status.hostIP" => running.host_ips.first().cloned().unwrap_or_default(),
        "status.hostIPs" => running.host_ips.join(","),
        _ => {
            return Err(EnvError::FieldPath {
                path: path.to_owned(),
            });
        }
    })
}

/// `metadata.labels` and `x` of `metadata.labels['x']`.
fn subscript(path: &str) -> Option<(&str, &str)> {
    let (map, rest) = path.split_once('[')?;
    let key = rest.strip_suffix(']')?;
    let unquoted = |quote: char| key.strip_prefix(quote)?.strip_suffix(quote);
    Some((map, unquoted('\'').or_else(|| unquoted('"'))?))
}

/// `key="value"` a line, in order, values quoted as Go quotes.
fn lines(map: Option<&BTreeMap<String, String>>) -> String {
    let lines: Vec<String> = map
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", quoted(value)))
        .collect();
    lines.join("\n")
}

fn quoted(value: &str) -> String {
    let mut out = String::from("\"");
    for letter in value.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // Writing to a String cannot fail.
            control if control.is_control() => {
                let _ = write!(out, "\\x{:02x}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}
