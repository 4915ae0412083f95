use std::time::Duration;

use serde_json::json;

use super::*;

fn patched(kind: Kind, original: &Value, patch: &Value) -> Value {
    apply(kind, Resource::Pods, original, patch).unwrap()
}

fn strategic(original: Value, patch: Value) -> Value {
    patched(Kind::Strategic, &original, &patch)
}

fn names(pod: &Value, field: &str) -> Vec<String> {
    let list = pod["spec"][field].as_array().unwrap();
    list.iter()
        .map(|one| one["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn merge_patch_follows_rfc_7386() {
    for (original, patch, wanted) in [
        (
            json!({ "a": "b" }),
            json!({ "a": "c" }),
            json!({ "a": "c" }),
        ),
        (
            json!({ "a": "b" }),
            json!({ "b": "c" }),
            json!({ "a": "b", "b": "c" }),
        ),
        (
            json!({ "a": "b", "b": "c" }),
            json!({ "a": null }),
            json!({ "b": "c" }),
        ),
        (
            json!({ "a": ["b"] }),
            json!({ "a": "c" }),
            json!({ "a": "c" }),
        ),
        (
            json!({ "a": "c" }),
            json!({ "a": ["b"] }),
            json!({ "a": ["b"] }),
        ),
        (
            json!({ "a": { "b": "c" } }),
            json!({ "a": { "b": "d", "c": null } }),
            json!({ "a": { "b": "d" } }),
        ),
        (
            json!({ "a": [{ "b": "c" }] }),
            json!({ "a": [1] }),
            json!({ "a": [1] }),
        ),
        (
            json!({ "e": null }),
            json!({ "a": 1 }),
            json!({ "e": null, "a": 1 }),
        ),
        (
            json!({}),
            json!({ "a": { "bb": { "ccc": null } } }),
            json!({ "a": { "bb": {} } }),
        ),
        (
            json!({ "a": "x" }),
            json!({ "a": { "b": 1, "c": null } }),
            json!({ "a": { "b": 1 } }),
        ),
    ] {
        assert_eq!(
            patched(Kind::Merge, &original, &patch),
            wanted,
            "{original} {patch}"
        );
    }
}

#[test]
fn containers_are_merged_by_name_and_their_lists_by_their_keys() {
    let original = json!({ "spec": { "containers": [
        { "name": "a", "image": "1", "env": [{ "name": "X", "value": "1" }, { "name": "Y", "value": "2" }],
          "ports": [{ "containerPort": 80, "name": "web" }], "command": ["x", "y"] },
        { "name": "b", "image": "1" },
    ] } });
    let after = strategic(
        original,
        json!({ "spec": { "containers": [
        { "name": "a", "env": [{ "name": "Y", "value": null, "valueFrom": {} }, { "name": "X", "$patch": "delete" }],
          "ports": [{ "containerPort": 80, "protocol": "UDP" }], "command": ["z"] },
    ] } }),
    );
    assert_eq!(
        after,
        json!({ "spec": { "containers": [
        { "name": "a", "image": "1", "env": [{ "name": "Y", "valueFrom": {} }],
          "ports": [{ "containerPort": 80, "name": "web", "protocol": "UDP" }], "command": ["z"] },
        { "name": "b", "image": "1" },
    ] } })
    );
}

#[test]
fn something_new_comes_first_as_in_kubernetes_and_last_with_apply() {
    let original =
        json!({ "spec": { "containers": [{ "name": "a" }, { "name": "b" }, { "name": "c" }] } });
    let patch = json!({ "spec": { "containers": [{ "name": "new", "gone": null }, { "name": "b", "image": "2" }] } });
    let after = strategic(original.clone(), patch.clone());
    assert_eq!(names(&after, "containers"), ["new", "a", "b", "c"]);
    assert_eq!(after["spec"]["containers"][0], json!({ "name": "new" }));
    let after = patched(Kind::Apply, &original, &patch);
    assert_eq!(names(&after, "containers"), ["a", "b", "c", "new"]);
}

#[test]
fn an_order_that_the_patch_wants_is_kept() {
    // As `kubectl debug` appends a container.
    let after = strategic(
        json!({ "spec": { "ephemeralContainers": [{ "name": "one" }] } }),
        json!({ "spec": { "ephemeralContainers": [{ "name": "two" }] } }),
    );
    assert_eq!(names(&after, "ephemeralContainers"), ["one", "two"]);
    let after = strategic(
        json!({ "spec": { "ephemeralContainers": [{ "name": "one" }] } }),
        json!({ "spec": {
            "$setElementOrder/ephemeralContainers": [{ "name": "one" }, { "name": "two" }],
            "ephemeralContainers": [{ "name": "two", "image": "i" }],
        } }),
    );
    assert_eq!(names(&after, "ephemeralContainers"), ["one", "two"]);
    let after = strategic(
        json!({ "spec": { "containers": [{ "name": "a" }, { "name": "mine" }, { "name": "b" }] } }),
        json!({ "spec": { "$setElementOrder/containers": [{ "name": "b" }, { "name": "a" }] } }),
    );
    // What the patch does not name has its place by the server's order.
    assert_eq!(names(&after, "containers"), ["mine", "b", "a"]);
    let failure = apply(
        Kind::Strategic,
        Resource::Pods,
        &json!({}),
        &json!({ "spec": { "$setElementOrder/containers": [{ "name": "a" }], "containers": [{ "name": "b" }] } }),
    )
    .unwrap_err();
    assert!(
        failure.message.contains("does not match"),
        "{}",
        failure.message
    );
}

#[test]
fn directives_delete_replace_and_retain() {
    for (original, patch, wanted) in [
        (
            json!({ "containers": [{ "name": "a" }, { "name": "b" }] }),
            json!({ "containers": [{ "name": "a", "$patch": "delete" }] }),
            json!({ "containers": [{ "name": "b" }] }),
        ),
        (
            json!({ "containers": [{ "name": "a" }, { "name": "b" }] }),
            json!({ "containers": [{ "$patch": "replace" }, { "name": "c" }] }),
            json!({ "containers": [{ "name": "c" }] }),
        ),
        (
            json!({ "securityContext": { "runAsUser": 1 } }),
            json!({ "securityContext": { "$patch": "replace", "runAsGroup": 2 } }),
            json!({ "securityContext": { "runAsGroup": 2 } }),
        ),
        (
            json!({ "securityContext": { "runAsUser": 1 } }),
            json!({ "securityContext": { "$patch": "delete" } }),
            json!({ "securityContext": {} }),
        ),
        (
            json!({ "volumes": [{ "name": "v", "emptyDir": {} }] }),
            json!({ "volumes": [{ "name": "v", "$retainKeys": ["name", "hostPath"], "hostPath": { "path": "/x" } }] }),
            json!({ "volumes": [{ "name": "v", "hostPath": { "path": "/x" } }] }),
        ),
        (
            json!({ "tolerations": [{ "key": "a" }] }),
            json!({ "tolerations": [{ "key": "b" }] }),
            json!({ "tolerations": [{ "key": "b" }] }),
        ),
        (
            json!({ "nodeSelector": { "a": "1", "b": "2" } }),
            json!({ "nodeSelector": { "a": null, "c": "3" } }),
            json!({ "nodeSelector": { "b": "2", "c": "3" } }),
        ),
    ] {
        let after = strategic(json!({ "spec": original }), json!({ "spec": patch }));
        assert_eq!(after["spec"], wanted, "{patch}");
    }
}

#[test]
fn lists_of_plain_values_are_sets_where_kubernetes_says_so() {
    let original = json!({ "metadata": { "finalizers": ["a", "b", "c"] } });
    for (patch, wanted) in [
        (
            json!({ "finalizers": ["b", "d"] }),
            json!(["a", "b", "d", "c"]),
        ),
        (
            json!({ "$deleteFromPrimitiveList/finalizers": ["b"] }),
            json!(["a", "c"]),
        ),
        (
            json!({ "$deleteFromPrimitiveList/finalizers": ["a"], "$setElementOrder/finalizers": ["c", "b"] }),
            json!(["c", "b"]),
        ),
    ] {
        let after = strategic(original.clone(), json!({ "metadata": patch }));
        assert_eq!(after["metadata"]["finalizers"], wanted, "{patch}");
    }
}

#[test]
fn bad_strategic_patches_are_bad_requests() {
    for (patch, said) in [
        (json!([]), "must be an object, not a list"),
        (
            json!({ "spec": { "containers": [{ "image": "x" }] } }),
            "does not contain declared merge key: name",
        ),
        (
            json!({ "spec": { "$patch": "shred" } }),
            "unknown patch type found",
        ),
        (
            json!({ "spec": { "containers": ["a"] } }),
            "must be an object",
        ),
        (
            json!({ "metadata": { "$deleteFromPrimitiveList/finalizers": "a" } }),
            "must be a list",
        ),
        (
            json!({ "spec": { "$retainKeys": ["a"], "b": 1 } }),
            "not in its $retainKeys",
        ),
    ] {
        let failure = apply(Kind::Strategic, Resource::Pods, &json!({}), &patch).unwrap_err();
        assert_eq!(failure.reason, Reason::BadRequest);
        assert!(
            failure.message.contains(said),
            "{patch}: {}",
            failure.message
        );
    }
}

#[test]
fn media_types_say_the_kind() {
    assert_eq!(
        Kind::of_media_type("application/merge-patch+json; charset=utf-8"),
        Some(Kind::Merge)
    );
    assert_eq!(
        Kind::of_media_type("application/apply-patch+yaml"),
        Some(Kind::Apply)
    );
    assert_eq!(Kind::of_media_type("application/json"), None);
}

/// The time that a patch of a long list may take. It takes a fraction of it, even without optimisation;
/// looking for each element from the list's beginning takes minutes.
const MOST: Duration = Duration::from_secs(4);

/// What this thread has had of a processor, whatever else the machine does.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    let running_ns = stat.split(' ').next().unwrap().parse().unwrap();
    Duration::from_nanos(running_ns)
}

#[test]
fn a_patch_of_twenty_thousand_elements_takes_no_time() {
    let env = |numbers: std::ops::Range<usize>| -> Value {
        let one = |n| json!({ "name": format!("NAME_{n}"), "value": "x".repeat(100) });
        numbers.map(one).collect()
    };
    let pod = |env: Value| json!({ "spec": { "containers": [{ "name": "app", "env": env }] } });
    let old = pod(env(0..20_000));
    let mut wanted = env(10_000..30_000);
    let deleted = (0..5_000).map(|n| json!({ "name": format!("NAME_{n}"), "$patch": "delete" }));
    let others = wanted.as_array_mut().unwrap();
    others.extend(deleted);
    let patch = pod(wanted.clone());

    let begun = processor_time();
    let merged = strategic(old.clone(), patch);
    let took = processor_time() - begun;
    assert!(took < MOST, "{took:?}");
    let env_of = |pod: &Value| {
        pod["spec"]["containers"][0]["env"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(env_of(&merged), 25_000);

    let begun = processor_time();
    let applied = three_way(Resource::Pods, &old, &pod(env(10_000..30_000)), &old);
    let took = processor_time() - begun;
    assert!(took < MOST, "{took:?}");
    assert_eq!(env_of(&applied), 20_000);

    let finalizers = |numbers: std::ops::Range<usize>| -> Value {
        let names: Value = numbers.map(|n| json!(format!("example.com/{n}"))).collect();
        json!({ "metadata": { "finalizers": names } })
    };
    let begun = processor_time();
    let merged = strategic(finalizers(0..20_000), finalizers(10_000..30_000));
    let took = processor_time() - begun;
    assert!(took < MOST, "{took:?}");
    let all = merged["metadata"]["finalizers"].as_array().unwrap();
    assert_eq!(all.len(), 30_000);
}

#[test]
fn an_element_that_is_named_again_and_again_is_not_merged_without_end() {
    let named =
        |n: usize| json!({ "name": "app", "env": [{ "name": format!("NAME_{n}"), "value": "x" }] });
    let patch = |count: usize| json!({ "spec": { "containers": (0..count).map(named).collect::<Value>() } });
    let pod = json!({ "spec": { "containers": [{ "name": "app" }] } });
    let few = strategic(pod.clone(), patch(100));
    let env = few["spec"]["containers"][0]["env"].as_array().unwrap();
    assert_eq!(env.len(), 100);
    let failure = apply(Kind::Strategic, Resource::Pods, &pod, &patch(10_000)).unwrap_err();
    assert_eq!(failure.reason, Reason::RequestEntityTooLarge);
}
