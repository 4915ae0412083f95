//! Each row is a change to a Pod that is valid and what is then said about it.

use serde_json::{Value, json};

use super::*;

mod container;
mod environment;
mod handlers;
mod scope;
mod storage;

/// A valid Pod, as defaulting leaves it.
fn base() -> Value {
    json!({
        "metadata": {"name": "web", "namespace": "default", "uid": "0a1b-2c"},
        "spec": {
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 30,
            "dnsPolicy": "ClusterFirst",
            "initContainers": [
                {"name": "init", "image": "a"},
                {"name": "side", "image": "a", "restartPolicy": "Always"},
            ],
            "containers": [{"name": "main", "image": "a"}, {"name": "other", "image": "a"}],
            "volumes": [{"name": "dir", "emptyDir": {}}, {"name": "host", "hostPath": {"path": "/x"}}],
        },
    })
}

/// A change at a JSON pointer; what is missing on the way is made.
fn changed(pointer: &str, value: Value) -> core::Pod {
    let mut pod = base();
    let mut at = &mut pod;
    for step in pointer.split('/').skip(1) {
        at = match step.parse::<usize>() {
            Ok(index) if at.is_array() => &mut at[index],
            _ => &mut at[step],
        };
    }
    *at = value;
    serde_json::from_value(pod).unwrap_or_else(|error| panic!("{pointer}: {error}"))
}

fn said(found: &[Invalid]) -> Vec<String> {
    found
        .iter()
        .map(|invalid| format!("{}: {}", invalid.path, invalid.message))
        .collect()
}

/// For each row: the change, and all that is said, a line for each finding.
fn table(rows: &[(&str, Value, &[&str])]) {
    for (pointer, value, expected) in rows {
        assert_eq!(
            said(&pod(&changed(pointer, value.clone()))),
            *expected,
            "{pointer} = {value}"
        );
    }
}

/// As [`table`] for findings with long words: each must be the path and the beginning given.
fn table_of_beginnings(rows: &[(&str, Value, &[&str])]) {
    for (pointer, value, expected) in rows {
        let found = said(&pod(&changed(pointer, value.clone())));
        assert_eq!(
            found.len(),
            expected.len(),
            "{pointer} = {value}: {found:?}"
        );
        for (found, expected) in found.iter().zip(*expected) {
            assert!(found.starts_with(expected), "{pointer} = {value}: {found}");
        }
    }
}

#[test]
fn a_valid_pod_is_valid() {
    assert_eq!(pod(&changed("/spec/restartPolicy", json!("Always"))), []);
}

#[test]
fn config_maps_and_secrets_have_keys_that_can_be_files() {
    let map = serde_json::from_value(json!({
        "metadata": {"name": "m"},
        "data": {"a.b-c_D": "x", "..x": "x", "a/b": "x", "both": "x"},
        "binaryData": {"both": "eA==", "..": "eA=="},
    }));
    let found = said(&config_map(&map.unwrap()));
    assert_eq!(found.len(), 4, "{found:?}");
    assert_eq!(
        found[0],
        "data[..x]: Invalid value: \"..x\": must not start with '..'"
    );
    assert!(
        found[1].starts_with("data[a/b]: Invalid value: \"a/b\": a valid config key must consist")
    );
    assert_eq!(
        found[2],
        "data[both]: Invalid value: \"both\": duplicate of key present in binaryData"
    );
    assert_eq!(
        found[3],
        "binaryData[..]: Invalid value: \"..\": must not be '..'"
    );
    let big = serde_json::from_value(
        json!({"metadata": {"name": "s"}, "stringData": {"k": "x".repeat(1 << 20), "l": "x"}}),
    );
    assert_eq!(
        said(&secret(&big.unwrap())),
        ["data: Too long: may not be more than 1048576 bytes"]
    );
}
