use serde_json::json;

use super::*;

fn pod(spec: &str) -> String {
    format!(
        r#"{{"apiVersion": "v1", "kind": "Pod", "metadata": {{"name": "a"}}, "spec": {{{spec}"containers": [{{"name": "a", "image": "i"}}]}}}}"#
    )
}

fn refusal(kind: Decodable, text: &str, strictness: FieldValidation) -> String {
    decode(kind, text, strictness)
        .expect_err("a body that is refused")
        .to_string()
}

fn warnings(text: &str, strictness: FieldValidation) -> Vec<String> {
    let read = decode(Decodable::Pod, text, strictness).expect("a body that is read");
    read.warnings
}

#[test]
fn fields_that_nobody_knows_or_that_come_twice_are_told_in_kubernetes_words() {
    let text = pod(
        r#""foo": 1, "hostname": "x", "hostname": "y", "volumes": [{"name": "v", "bar": {"c": 1}}], "#,
    );
    let said = [
        "unknown field \"spec.foo\"",
        "unknown field \"spec.volumes[0].bar\"",
        "duplicate field \"spec.hostname\"",
    ];
    assert_eq!(warnings(&text, FieldValidation::Warn), said);
    assert!(warnings(&text, FieldValidation::Ignore).is_empty());
    assert_eq!(
        refusal(Decodable::Pod, &text, FieldValidation::Strict),
        format!(
            "Pod in version \"v1\" cannot be handled as a Pod: strict decoding error: {}",
            said.join(", ")
        )
    );
    assert!(warnings(&pod(""), FieldValidation::Strict).is_empty());
}

#[test]
fn yaml_is_read_as_strictly() {
    let text = "kind: Pod\nmetadata: {name: a}\nspec:\n  foo: 1\n  hostname: x\n  hostname: y\n  containers: []\n";
    assert_eq!(
        warnings(text, FieldValidation::Warn),
        [
            "unknown field \"spec.foo\"",
            "duplicate field \"spec.hostname\""
        ]
    );
    let braces = "{kind: Pod, metadata: {name: a}, spec: {containers: []}}";
    assert!(warnings(braces, FieldValidation::Strict).is_empty());
}

#[test]
fn a_value_of_another_type_is_an_error_however_strict_one_is() {
    for (spec, reason) in [
        (
            r#""hostNetwork": "yes", "#,
            "spec.hostNetwork: expected true or false, found the text \"yes\"",
        ),
        (
            r#""volumes": [{"name": 5}], "#,
            "spec.volumes[0].name: expected text, found the number 5",
        ),
        (
            r#""nodeSelector": [], "#,
            "spec.nodeSelector: expected a mapping, found a list",
        ),
    ] {
        assert_eq!(
            refusal(Decodable::Pod, &pod(spec), FieldValidation::Ignore),
            format!(
                "Pod in version \"v1\" cannot be handled as a Pod: json: cannot unmarshal {reason}"
            )
        );
    }
    let secret = r#"{"metadata": {"name": "a"}, "data": {"a": "?"}}"#;
    let said = refusal(Decodable::Secret, secret, FieldValidation::Ignore);
    assert!(
        said.contains("cannot unmarshal data.a: not base64"),
        "{said}"
    );
}

#[test]
fn a_body_of_another_kind_or_version_is_refused() {
    let service = r#"{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}}"#;
    let said = refusal(Decodable::Pod, service, FieldValidation::Ignore);
    assert!(
        said.starts_with("Service in version \"v1\" cannot be handled as a Pod: "),
        "{said}"
    );
    assert_eq!(
        refusal(
            Decodable::Pod,
            r#"{"apiVersion": "v2", "kind": "Pod"}"#,
            FieldValidation::Ignore
        ),
        "the API version in the data (v2) does not match the expected API version (v1)"
    );
    for text in [
        "",
        "[]",
        "5",
        "null",
        "{",
        "a: b: c",
        "kind: Pod\n---\nkind: Pod\n",
        "{]",
    ] {
        refusal(Decodable::Pod, text, FieldValidation::Ignore);
    }
}

#[test]
fn a_body_that_does_not_say_its_kind_is_of_the_kind_that_is_wanted() {
    for (kind, wanted) in [
        (Decodable::Pod, "Pod"),
        (Decodable::ConfigMap, "ConfigMap"),
        (Decodable::Secret, "Secret"),
        (Decodable::Namespace, "Namespace"),
        (Decodable::Event, "Event"),
        (Decodable::ServiceAccount, "ServiceAccount"),
        (Decodable::Node, "Node"),
    ] {
        let text = r#"{"kind": "", "metadata": {"name": "a", "creationTimestamp": null}}"#;
        let read = decode(kind, text, FieldValidation::Strict).expect(wanted);
        let value = match read.object {
            Object::Pod(object) => serde_json::to_value(object),
            Object::ConfigMap(object) => serde_json::to_value(object),
            Object::Secret(object) => serde_json::to_value(object),
            Object::Namespace(object) => serde_json::to_value(object),
            Object::Event(object) => serde_json::to_value(object),
            Object::ServiceAccount(object) => serde_json::to_value(object),
            Object::Node(object) => serde_json::to_value(object),
        };
        let value = value.expect("JSON");
        assert_eq!(value["kind"], wanted);
        assert_eq!(value["metadata"]["name"], "a");
    }
}

#[test]
fn a_patched_object_is_read_as_strictly_as_a_body() {
    let value = json!({"metadata": {"name": "a", "foo": 1}, "spec": {"containers": []}});
    let read = decode_value::<core::Pod>(&value, FieldValidation::Warn).expect("a Pod");
    assert_eq!(read.warnings, ["unknown field \"metadata.foo\""]);
    assert!(decode_value::<core::Pod>(&value, FieldValidation::Strict).is_err());
}

#[test]
fn a_text_with_thousands_of_unknown_fields_is_answered_with_a_hundred() {
    let fields: String = (0..40_000)
        .map(|number| format!("\"f{number}\": 1, "))
        .collect();
    let said = warnings(&pod(&fields), FieldValidation::Warn);
    assert_eq!(said.len(), 101);
    assert_eq!(said[100], "and 39900 more unknown fields");
}

#[test]
fn a_short_text_does_not_become_a_large_object() {
    let list =
        |item: &str, count: usize| format!("\"volumes\": [{}], ", vec![item; count].join(","));
    let refused = |fields: &str| refusal(Decodable::Pod, &pod(fields), FieldValidation::Warn);
    let long = refused(&list("{}", 10_001));
    assert!(long.contains("more than 10000 items"), "{long}");
    // Ten thousand volumes of nothing are 30 KB of text and would be megabytes.
    let many = refused(&list("{}", 10_000));
    assert!(
        many.contains("json: cannot unmarshal spec.volumes["),
        "{many}"
    );
    assert!(many.contains("KiB of memory"), "{many}");
    // What has as much to say as it takes may come.
    let honest = format!(
        r#"{{"name": "v", "hostPath": {{"path": "/{}"}}}}"#,
        "x".repeat(400)
    );
    let read = decode(
        Decodable::Pod,
        &pod(&list(&honest, 1_000)),
        FieldValidation::Warn,
    );
    assert!(read.is_ok());
}

#[test]
fn what_is_quoted_in_a_refusal_is_short() {
    let long = "k".repeat(1_000_000);
    for text in [
        format!(r#"{{"kind": "{long}"}}"#),
        format!(r#"{{"apiVersion": "{long}"}}"#),
        pod(&format!(r#""hostname": ["{long}"], "#)),
        pod(&format!(r#""hostNetwork": "{long}", "#)),
    ] {
        let said = refusal(Decodable::Pod, &text, FieldValidation::Strict);
        assert!(said.len() < 2_000, "{} bytes", said.len());
    }
}
