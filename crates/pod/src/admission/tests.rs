//! Pods are made from what a client would send, and what is said is compared as it is shown.

use k8s_openapi::api::core::v1 as core;
use serde_json::{Value, json};

use super::*;
use crate::Kind;
use crate::validate::InvalidKind;

mod ephemeral;
mod kept_objects;
mod resized;
mod updated;

/// What a client sends, with the uid that the server gives.
fn sent() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "namespace": "default", "uid": "0a1b-2c"},
        "spec": {
            "initContainers": [
                {"name": "init", "image": "a:1"},
                {"name": "side", "image": "a:1", "restartPolicy": "Always"},
            ],
            "containers": [
                {
                    "name": "main",
                    "image": "a:1",
                    "resources": {"requests": {"cpu": "100m"}, "limits": {"memory": "64Mi", "cpu": "1"}},
                },
                {"name": "other", "image": "a:1"},
            ],
            "volumes": [{"name": "dir", "emptyDir": {}}],
        },
    })
}

/// `value` with another one at a JSON pointer; `null` takes away.
fn with(mut value: Value, pointer: &str, new: Value) -> Value {
    let (above, last) = pointer.rsplit_once('/').expect("a pointer");
    let mut at = &mut value;
    for step in above.split('/').skip(1) {
        at = match step.parse::<usize>() {
            Ok(index) if at.is_array() => &mut at[index],
            _ => &mut at[step],
        };
    }
    match (at, new) {
        (Value::Object(fields), Value::Null) => drop(fields.remove(last)),
        (Value::Array(items), new) => items[last.parse::<usize>().expect("an index")] = new,
        (at, new) => at[last] = new,
    }
    value
}

fn typed(value: Value) -> core::Pod {
    serde_json::from_value(value).expect("a Pod")
}

/// The Pod as it is kept after its creation.
fn kept() -> core::Pod {
    let mut pod = create(typed(sent())).expect("a good Pod").object;
    pod.metadata.generation = Some(1);
    pod
}

/// What is kept, changed at a JSON pointer.
fn changed(pointer: &str, new: Value) -> core::Pod {
    let value = serde_json::to_value(kept()).expect("JSON");
    typed(with(value, pointer, new))
}

fn said(found: &[Invalid]) -> Vec<String> {
    found.iter().map(Invalid::to_string).collect()
}

#[test]
fn a_new_pod_is_defaulted_and_begins_pending() {
    let admitted = create(typed(sent())).expect("a good Pod");
    let spec = admitted.object.spec.expect("a spec");
    assert_eq!(spec.termination_grace_period_seconds, Some(30));
    assert_eq!(
        spec.containers[0].image_pull_policy.as_deref(),
        Some("IfNotPresent")
    );
    let status = admitted.object.status.expect("a status");
    assert_eq!(status.phase.as_deref(), Some("Pending"));
    assert_eq!(status.qos_class.as_deref(), Some("Burstable"));
    assert_eq!(admitted.pod.containers.len(), 4);
    assert!(admitted.warnings.is_empty(), "{:?}", admitted.warnings);
}

#[test]
fn a_field_without_effect_is_warned_of_and_a_refused_one_is_forbidden() {
    let pod = with(sent(), "/spec/nodeSelector", json!({"disk": "ssd"}));
    let pod = with(pod, "/spec/containers/0/stdin", json!(true));
    let pod = with(
        pod,
        "/spec/containers/0/resizePolicy",
        json!([
            {"resourceName": "cpu", "restartPolicy": "NotRequired"},
        ]),
    );
    let admitted = create(typed(pod.clone())).expect("a good Pod");
    assert_eq!(
        admitted.warnings,
        ["spec.nodeSelector is ignored: there is one machine and nothing to choose between"]
    );
    let pod = with(pod, "/spec/runtimeClassName", json!("gvisor"));
    let found = create(typed(pod)).expect_err("a refused Pod");
    assert_eq!(
        said(&found),
        ["spec.runtimeClassName: Forbidden: there is one runtime so far; leave the class out"]
    );
    assert_eq!(found[0].kind.reason(), "FieldValueForbidden");
}

#[test]
fn ephemeral_containers_are_forbidden_on_create() {
    let debugger = json!([{"name": "debug", "image": "", "ports": [{"containerPort": 1}]}]);
    let pod = with(sent(), "/spec/ephemeralContainers", debugger);
    assert_eq!(
        said(&create(typed(pod)).expect_err("a refused Pod")),
        ["spec.ephemeralContainers: Forbidden: cannot be set on create"]
    );
    let none = with(sent(), "/spec/ephemeralContainers", json!([]));
    assert!(create(typed(none)).is_ok());
}

#[test]
fn every_broken_rule_has_its_kind() {
    for (pointer, value, kind, reason) in [
        (
            "/spec/containers",
            json!([]),
            InvalidKind::Required,
            "FieldValueRequired",
        ),
        (
            "/spec/hostname",
            json!("A_B"),
            InvalidKind::Invalid,
            "FieldValueInvalid",
        ),
        (
            "/spec/containers/1/name",
            json!("main"),
            InvalidKind::Duplicate,
            "FieldValueDuplicate",
        ),
        (
            "/spec/dnsPolicy",
            json!("x"),
            InvalidKind::NotSupported,
            "FieldValueNotSupported",
        ),
        (
            "/spec/initContainers/0/livenessProbe",
            json!({"exec": {"command": ["a"]}}),
            InvalidKind::Forbidden,
            "FieldValueForbidden",
        ),
        (
            "/spec/containers/0/volumeMounts",
            json!([{"name": "no", "mountPath": "/x"}]),
            InvalidKind::NotFound,
            "FieldValueNotFound",
        ),
        (
            "/metadata/uid",
            Value::Null,
            InvalidKind::Required,
            "FieldValueRequired",
        ),
        (
            "/metadata/annotations",
            json!({"a": "b".repeat(300_000)}),
            InvalidKind::TooLong,
            "FieldValueTooLong",
        ),
    ] {
        let found = create(typed(with(sent(), pointer, value))).expect_err(pointer);
        assert_eq!(
            (found[0].kind, found[0].kind.reason()),
            (kind, reason),
            "{pointer}"
        );
        assert!(found[0].message.starts_with(kind.words()), "{found:?}");
    }
}

#[test]
fn the_token_volume_of_a_cluster_is_left_out() {
    let volume = json!([{"name": "kube-api-access-x", "projected": {"sources": []}}]);
    let mount = json!([{"name": "kube-api-access-x", "mountPath": "/t"}]);
    let pod = with(sent(), "/spec/volumes", volume);
    let pod = with(pod, "/spec/containers/0/volumeMounts", mount);
    let admitted = create(typed(pod)).expect("a good Pod");
    assert_eq!(admitted.warnings.len(), 1, "{:?}", admitted.warnings);
    let spec = admitted.object.spec.expect("a spec");
    assert_eq!(spec.volumes.map(|volumes| volumes.len()), Some(0));
}

#[test]
fn a_kept_pod_is_read_again_as_it_was_admitted() {
    let admitted = create(typed(sent())).expect("a good Pod");
    let mut object = admitted.object;
    object.metadata.resource_version = Some("17".to_owned());
    assert_eq!(stored(object).expect("a good Pod"), admitted.pod);
    assert!(stored(core::Pod::default()).is_err());
}
