use serde_json::json;

use super::super::Kind;
use super::*;
use crate::Resource;

fn patched(original: &Value, patch: &Value) -> Value {
    super::super::apply(Kind::Json, Resource::Pods, original, patch).unwrap()
}

/// Each patch fails for this reason, with these words.
fn fails(reason: Reason, patches: &[(Value, &str)]) {
    let original = json!({ "a": [1], "b": "text" });
    for (patch, said) in patches {
        let failure =
            super::super::apply(Kind::Json, Resource::Pods, &original, patch).unwrap_err();
        assert_eq!(failure.reason, reason, "{patch}: {}", failure.message);
        assert!(
            failure.message.contains(said),
            "{patch}: {}",
            failure.message
        );
    }
}

#[test]
fn json_patch_does_every_operation() {
    let original = json!({ "a": [1, 2], "m": { "x/y": "v", "t~": 1 } });
    for (patch, wanted) in [
        (
            json!([{ "op": "add", "path": "/a/1", "value": 9 }]),
            json!({ "a": [1, 9, 2], "m": { "x/y": "v", "t~": 1 } }),
        ),
        (
            json!([{ "op": "add", "path": "/a/-", "value": 9 }]),
            json!({ "a": [1, 2, 9], "m": { "x/y": "v", "t~": 1 } }),
        ),
        (
            json!([{ "op": "add", "path": "/a/2", "value": 9 }]),
            json!({ "a": [1, 2, 9], "m": { "x/y": "v", "t~": 1 } }),
        ),
        (
            json!([{ "op": "remove", "path": "/m" }, { "op": "replace", "path": "/a/0", "value": null }]),
            json!({ "a": [null, 2] }),
        ),
        (
            json!([{ "op": "remove", "path": "/m/x~1y" }, { "op": "remove", "path": "/m/t~0" }]),
            json!({ "a": [1, 2], "m": {} }),
        ),
        (
            json!([{ "op": "move", "from": "/a/0", "path": "/m" }]),
            json!({ "a": [2], "m": 1 }),
        ),
        (
            json!([{ "op": "copy", "from": "/a", "path": "/m" }]),
            json!({ "a": [1, 2], "m": [1, 2] }),
        ),
        (
            json!([{ "op": "test", "path": "/a", "value": [1, 2] }, { "op": "test", "path": "/no", "value": null }]),
            original.clone(),
        ),
        (json!([{ "op": "add", "path": "", "value": {} }]), json!({})),
    ] {
        assert_eq!(patched(&original, &patch), wanted, "{patch}");
    }
}

#[test]
fn an_operation_that_cannot_be_carried_out_makes_the_request_invalid() {
    fails(
        Reason::Invalid,
        &[
            (
                json!([{ "op": "test", "path": "/b", "value": "x" }]),
                "testing value /b failed: test failed",
            ),
            (
                json!([{ "op": "remove", "path": "/c" }]),
                "remove operation does not apply: doc is missing path: \"/c\": missing value",
            ),
            (
                json!([{ "op": "replace", "path": "/c", "value": 1 }]),
                "replace operation does not apply",
            ),
            (
                json!([{ "op": "add", "path": "/c/d", "value": 1 }]),
                "add operation does not apply",
            ),
            (
                json!([{ "op": "add", "path": "/a/2", "value": 1 }]),
                "invalid index referenced: 2",
            ),
            (
                json!([{ "op": "add", "path": "/a/01", "value": 1 }]),
                "invalid index",
            ),
            (
                json!([{ "op": "remove", "path": "/a/-" }]),
                "invalid index referenced: -",
            ),
            (json!([{ "op": "remove", "path": "a" }]), "begins with '/'"),
            (
                json!([{ "op": "move", "from": "/a", "path": "/a/0" }]),
                "into itself",
            ),
            (
                json!([{ "op": "copy", "from": "/x", "path": "/a/0" }]),
                "missing value",
            ),
        ],
    );
}

#[test]
fn what_is_no_json_patch_is_a_bad_request() {
    fails(
        Reason::BadRequest,
        &[
            (json!([{ "op": "add", "path": "/a" }]), "no \"value\""),
            (json!([{ "op": "jump", "path": "/a" }]), "unexpected kind"),
            (json!([{ "path": "/a" }]), "no \"op\""),
            (json!({ "op": "add" }), "must be a list, not an object"),
            (json!([{ "op": "remove", "path": "" }]), "would be null"),
        ],
    );
}

#[test]
fn copies_cannot_grow_an_object_without_bounds() {
    let doubling = json!({ "op": "copy", "from": "/a", "path": "/a/-" });
    let patch = Value::Array(vec![doubling; 40]);
    let failure = super::super::apply(Kind::Json, Resource::Pods, &json!({ "a": ["x"] }), &patch)
        .unwrap_err();
    assert!(
        failure.message.contains("copies would add more"),
        "{}",
        failure.message
    );
}

#[test]
fn no_operation_makes_an_object_too_deep() {
    let deep = |levels: usize| (0..levels).fold(json!(1), |value, _| json!({ "x": value }));
    let nest = json!([{ "op": "add", "path": "/a", "value": deep(40) },
        { "op": "copy", "from": "/a", "path": "/b" },
        { "op": "move", "from": "/a", "path": format!("/b{}", "/x".repeat(40)) }]);
    let apply = |patch: &Value| super::super::apply(Kind::Json, Resource::Pods, &json!({}), patch);
    assert!(apply(&nest).is_ok());
    let doubling = |of: &str| json!({ "op": "copy", "from": "/a", "path": format!("/a{of}") });
    let path = |levels: usize| "/x".repeat(levels);
    for more in [
        json!([{ "op": "add", "path": "/a", "value": deep(60) }, doubling(&path(60))]),
        json!([{ "op": "add", "path": "/a", "value": deep(100) }]),
        json!([{ "op": "add", "path": "/a", "value": 1 }, { "op": "replace", "path": "/a", "value": deep(100) }]),
    ] {
        let failure = apply(&more).unwrap_err();
        assert!(
            failure.message.contains("levels deep"),
            "{}",
            failure.message
        );
    }
}

#[test]
fn no_patch_takes_more_work_than_it_is_long() {
    let apply = |object: &Value, patch: &Value| {
        super::super::apply(Kind::Json, Resource::Pods, object, patch)
    };
    // Values that are short as text are large in memory.
    let many = json!({ "a": vec![json!({}); 9_000] });
    let copies: Vec<Value> = (0..50)
        .map(|n| json!({ "op": "copy", "from": "/a", "path": format!("/b{n}") }))
        .collect();
    let failure = apply(&many, &copies.into()).unwrap_err();
    assert!(
        failure.message.contains("more than 50000 values"),
        "{failure:?}"
    );
    let back = [
        json!({ "op": "move", "from": "/a", "path": "/b" }),
        json!({ "op": "move", "from": "/b", "path": "/a" }),
    ];
    assert!(apply(&many, &json!(back)).is_ok());
    let failure = apply(&many, &Value::Array(vec![back; 1_000].concat())).unwrap_err();
    assert!(failure.message.contains("too many times"), "{failure:?}");
    let first = json!({ "op": "add", "path": "/a/0", "value": 1 });
    let failure = apply(&many, &Value::Array(vec![first; 1_001])).unwrap_err();
    assert!(failure.message.contains("10000 items"), "{failure:?}");
}
