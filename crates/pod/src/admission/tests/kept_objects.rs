//! What may become of ConfigMaps, Secrets, Namespaces, ServiceAccounts and Events?

use super::*;

fn map(value: Value) -> core::ConfigMap {
    serde_json::from_value(value).expect("a ConfigMap")
}

fn secret_of(value: Value) -> core::Secret {
    serde_json::from_value(value).expect("a Secret")
}

#[test]
fn an_immutable_config_map_stays_as_it_is() {
    let words = "Forbidden: field is immutable when `immutable` is set";
    let old = config_map(
        None,
        map(json!({"metadata": {"name": "a"}, "data": {"k": "v"}, "immutable": true})),
    )
    .expect("a good ConfigMap");
    assert_eq!(old.metadata.namespace.as_deref(), Some("default"));
    let new =
        map(json!({"metadata": {"name": "a"}, "data": {"k": "w"}, "binaryData": {"b": "AA=="}}));
    assert_eq!(
        said(&config_map(Some(&old), new).expect_err("changed")),
        [
            format!("immutable: {words}"),
            format!("data: {words}"),
            format!("binaryData: {words}"),
        ]
    );
    let mut labelled = old.clone();
    labelled.metadata.labels = Some([("a".to_owned(), "b".to_owned())].into());
    assert!(config_map(Some(&old), labelled).is_ok());
}

#[test]
fn a_secret_keeps_its_type_and_an_immutable_one_its_data() {
    let text = json!({"metadata": {"name": "a"}, "stringData": {"k": "v"}, "immutable": true});
    let old = secret(None, secret_of(text.clone())).expect("a good Secret");
    assert_eq!(old.type_.as_deref(), Some("Opaque"));
    assert!(old.data.as_ref().is_some_and(|data| data.contains_key("k")));
    assert!(secret(Some(&old), secret_of(text)).is_ok());
    let other = json!({
        "metadata": {"name": "a"}, "type": "x/y", "stringData": {"k": "w"}, "immutable": true,
    });
    assert_eq!(
        said(&secret(Some(&old), secret_of(other)).expect_err("changed")),
        [
            "type: Invalid value: \"x/y\": field is immutable",
            "data: Forbidden: field is immutable when `immutable` is set",
        ]
    );
}

#[test]
fn a_secret_of_a_known_type_holds_what_the_type_says() {
    for (kind, missing) in [
        ("kubernetes.io/tls", vec!["data[tls.crt]", "data[tls.key]"]),
        (
            "kubernetes.io/dockerconfigjson",
            vec!["data[.dockerconfigjson]"],
        ),
        ("kubernetes.io/ssh-auth", vec!["data[ssh-privatekey]"]),
        (
            "kubernetes.io/basic-auth",
            vec!["data[username]", "data[password]"],
        ),
    ] {
        let found = secret(
            None,
            secret_of(json!({"metadata": {"name": "a"}, "type": kind})),
        )
        .expect_err(kind);
        let wanted: Vec<String> = missing
            .iter()
            .map(|path| format!("{path}: Required value"))
            .collect();
        assert_eq!(said(&found), wanted);
    }
}

#[test]
fn a_namespace_has_the_name_of_a_label_and_stands_in_none() {
    let made = |metadata: Value| {
        let object = serde_json::from_value(json!({"metadata": metadata})).expect("a Namespace");
        namespace(None, object)
    };
    assert!(made(json!({"name": "team"})).is_ok());
    let found = made(json!({"name": "a.b", "namespace": "c"})).expect_err("refused");
    assert!(
        found[0]
            .message
            .contains("a lowercase RFC 1123 label must consist"),
        "{found:?}"
    );
    assert_eq!(
        said(&found[1..]),
        ["metadata.namespace: Forbidden: not allowed on this type"]
    );
}

#[test]
fn names_of_accounts_are_checked_and_do_not_change() {
    let named = |name: &str| -> core::ServiceAccount {
        serde_json::from_value(json!({"metadata": {"name": name}})).expect("a ServiceAccount")
    };
    let old = service_account(None, named("a.b")).expect("a good ServiceAccount");
    assert!(service_account(None, named("A")).is_err());
    assert_eq!(
        said(&service_account(Some(&old), named("c")).expect_err("renamed")),
        ["metadata.name: Invalid value: \"c\": field is immutable"]
    );
}

#[test]
fn an_event_stands_in_the_namespace_of_what_it_is_about() {
    let about = |namespace: &str| -> core::Event {
        let object = json!({"metadata": {"name": "e"}, "involvedObject": {"namespace": namespace}});
        serde_json::from_value(object).expect("an Event")
    };
    assert!(event(None, about("default")).is_ok());
    assert!(event(None, about("")).is_ok());
    assert_eq!(
        said(&event(None, about("other")).expect_err("elsewhere")),
        ["involvedObject.namespace: Invalid value: \"other\": does not match event.namespace"]
    );
}
