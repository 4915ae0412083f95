//! What may change in a Pod that is there?

use super::*;

fn refusal(pointer: &str, new: Value) -> Vec<String> {
    said(&update(&kept(), changed(pointer, new)).expect_err(pointer))
}

#[test]
fn what_may_change_changes() {
    for (pointer, new) in [
        ("/spec/containers/0/image", json!("a:2")),
        ("/spec/initContainers/1/image", json!("a:2")),
        ("/spec/activeDeadlineSeconds", json!(5)),
        (
            "/spec/tolerations",
            json!([{"key": "a", "operator": "Exists"}]),
        ),
    ] {
        let admitted = update(&kept(), changed(pointer, new.clone())).expect(pointer);
        let value = serde_json::to_value(&admitted.object).expect("JSON");
        assert_eq!(value.pointer(pointer), Some(&new), "{pointer}");
        assert_eq!(admitted.object.metadata.generation, Some(2), "{pointer}");
    }
    for pointer in ["/metadata/labels", "/metadata/annotations"] {
        let admitted = update(&kept(), changed(pointer, json!({"a": "b"}))).expect(pointer);
        assert_eq!(admitted.object.metadata.generation, Some(1), "{pointer}");
    }
}

#[test]
fn any_other_field_is_forbidden_and_named() {
    let found = refusal("/spec/containers/0/command", json!(["a", "b"]));
    assert_eq!(
        found,
        [
            "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\nspec.containers[0].command: was unset, would be [\"a\",\"b\"]"
        ]
    );
    for (pointer, new) in [
        ("/spec/restartPolicy", json!("Never")),
        ("/spec/terminationGracePeriodSeconds", json!(5)),
        ("/spec/containers/0/name", json!("new")),
        ("/spec/containers/0/resources/limits/memory", json!("65Mi")),
        ("/spec/volumes", json!([])),
        (
            "/spec/ephemeralContainers",
            json!([{"name": "e", "image": "a"}]),
        ),
    ] {
        let found = refusal(pointer, new);
        let path = pointer.replace("/0/", "[0].").replace('/', ".");
        assert!(
            found[0].contains("pod updates may not change fields"),
            "{found:?}"
        );
        assert!(found[0].contains(path.trim_start_matches('.')), "{found:?}");
    }
}

#[test]
fn containers_may_be_neither_added_nor_removed() {
    let main = json!([{"name": "main", "image": "a"}]);
    assert_eq!(
        refusal("/spec/containers", main),
        ["spec.containers: Forbidden: pod updates may not add or remove containers"]
    );
    assert_eq!(
        refusal("/spec/initContainers", Value::Null),
        ["spec.initContainers: Forbidden: pod updates may not add or remove containers"]
    );
}

#[test]
fn an_image_must_still_be_one() {
    assert_eq!(
        refusal("/spec/containers/0/image", json!("")),
        ["spec.containers[0].image: Required value"]
    );
}

#[test]
fn a_deadline_comes_nearer_and_does_not_go() {
    let at = "/spec/activeDeadlineSeconds";
    let old = changed(at, json!(10));
    let new = |value: Value| typed(with(serde_json::to_value(&old).expect("JSON"), at, value));
    assert!(update(&old, new(json!(9))).is_ok());
    assert_eq!(
        said(&update(&old, new(json!(11))).expect_err("later")),
        [
            "spec.activeDeadlineSeconds: Invalid value: 11: must be less than or equal to previous value"
        ]
    );
    assert_eq!(
        said(&update(&old, new(Value::Null)).expect_err("none")),
        [
            "spec.activeDeadlineSeconds: Invalid value: null: must not update from a positive integer to nil value"
        ]
    );
}

#[test]
fn tolerations_are_only_added() {
    let at = "/spec/tolerations";
    let old = changed(
        at,
        json!([{"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}]),
    );
    let new = |value: Value| typed(with(serde_json::to_value(&old).expect("JSON"), at, value));
    let longer = json!([{"key": "b"}, {"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 9}]);
    assert!(update(&old, new(longer)).is_ok());
    assert_eq!(
        said(&update(&old, new(json!([{"key": "b"}]))).expect_err("one is gone")),
        [
            "spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds"
        ]
    );
}

#[test]
fn name_namespace_and_uid_are_immutable() {
    for (word, new) in [("name", "other"), ("namespace", "kube"), ("uid", "9-9")] {
        assert_eq!(
            refusal(&format!("/metadata/{word}"), json!(new)),
            [format!(
                "metadata.{word}: Invalid value: {new:?}: field is immutable"
            )]
        );
    }
    let deleted = refusal("/metadata/deletionTimestamp", json!("2026-01-31T12:00:00Z"));
    assert_eq!(
        deleted,
        ["metadata.deletionTimestamp: Invalid value: \"2026-01-31T12:00:00Z\": field is immutable"]
    );
}

#[test]
fn what_a_client_leaves_out_of_the_metadata_stays_and_so_does_the_status() {
    let mut old = changed("/metadata/deletionTimestamp", json!("2026-01-31T12:00:00Z"));
    old.metadata.creation_timestamp = old.metadata.deletion_timestamp.clone();
    old.metadata.deletion_grace_period_seconds = Some(7);
    let mut new = old.clone();
    new.status = None;
    new.metadata.uid = None;
    new.metadata.namespace = None;
    new.metadata.creation_timestamp = None;
    new.metadata.deletion_timestamp = None;
    new.metadata.deletion_grace_period_seconds = None;
    let admitted = update(&old, new).expect("the same Pod");
    assert_eq!(admitted.object, old);
}

#[test]
fn another_spelling_of_an_amount_is_no_change() {
    let new = changed("/spec/containers/0/resources/limits/cpu", json!("1000m"));
    let admitted = update(&kept(), new).expect("the same Pod");
    assert_eq!(admitted.object.metadata.generation, Some(1));
}

#[test]
fn what_has_no_effect_is_warned_of_once() {
    let pod = with(sent(), "/spec/nodeSelector", json!({"disk": "ssd"}));
    let old = create(typed(pod)).expect("a good Pod").object;
    let mut new = old.clone();
    new.metadata.labels = Some([("a".to_owned(), "b".to_owned())].into());
    let admitted = update(&old, new).expect("a good Pod");
    assert!(admitted.warnings.is_empty(), "{:?}", admitted.warnings);
}
