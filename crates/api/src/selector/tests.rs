use serde_json::json;

use super::*;

#[test]
fn label_selectors_choose_as_kubernetes_does() {
    let object = json!({ "metadata": { "labels": { "app": "web", "tier": "front", "x.io/empty": "", "n": "7" } } });
    for (selector, is_chosen) in [
        ("", true),
        ("app=web", true),
        ("app==web", true),
        (" app = web , tier=front", true),
        ("app!=web", false),
        ("other!=web", true),
        ("app in (db, web)", true),
        ("app in (db)", false),
        ("app notin (db)", true),
        ("other notin (db)", true),
        ("app", true),
        ("other", false),
        ("!other", true),
        ("! app", false),
        ("x.io/empty=", true),
        ("x.io/empty in ()", true),
        ("n>6,n<8", true),
        ("n>7", false),
        ("app>1", false),
        ("app=web,tier=back", false),
    ] {
        assert_eq!(
            Labels::parse(selector).unwrap().matches(&object),
            is_chosen,
            "{selector}"
        );
    }
}

#[test]
fn what_is_no_label_selector_is_a_bad_request() {
    for selector in [
        "=web",
        "app=web,",
        "app=web tier=front",
        "app in web",
        "app in (web",
        "app~web",
        "-app",
        "app=we b",
        "/x",
        "n>a",
        "app=ü",
        ",",
        "app,,tier",
    ] {
        let failure = Labels::parse(selector).unwrap_err();
        assert_eq!(failure.reason, Reason::BadRequest, "{selector}");
        assert!(
            failure.message.starts_with("unable to parse requirement: "),
            "{}",
            failure.message
        );
    }
}

#[test]
fn field_selectors_compare_texts_and_know_what_is_not_there() {
    let pod = json!({
        "metadata": { "name": "a", "namespace": "default" },
        "spec": { "nodeName": "here" },
        "status": { "phase": "Running", "podIPs": [{ "ip": "10.0.0.1" }] },
    });
    for (selector, is_chosen) in [
        ("metadata.name=a", true),
        ("metadata.name!=a", false),
        ("status.phase!=Running", false),
        ("status.phase==Running,spec.nodeName=here", true),
        ("spec.hostNetwork=false", true),
        ("spec.restartPolicy=", true),
        ("spec.host=here", true),
        ("status.podIPs=10.0.0.1", true),
    ] {
        let fields = Fields::parse(Resource::Pods, selector).unwrap();
        assert_eq!(fields.matches(&pod), is_chosen, "{selector}");
    }
    let fields = Fields::parse(Resource::Pods, "metadata.name=a,metadata.namespace=x").unwrap();
    assert_eq!(fields.name(), Some("a"));
}

#[test]
fn events_are_chosen_under_both_groups_names() {
    let event = json!({
        "involvedObject": { "kind": "Pod", "name": "a" }, "reason": "Started", "type": "Normal", "source": {},
        "reportingComponent": "kubelet",
    });
    for selector in [
        "involvedObject.name=a,involvedObject.kind=Pod",
        "regarding.name=a,reason=Started",
        "source=kubelet,type!=Warning",
    ] {
        assert!(
            Fields::parse(Resource::Events, selector)
                .unwrap()
                .matches(&event),
            "{selector}"
        );
    }
}

#[test]
fn unknown_fields_are_named() {
    for (resource, selector, said) in [
        (
            Resource::Pods,
            "spec.foo=1",
            "field label not supported: spec.foo",
        ),
        (
            Resource::Nodes,
            "metadata.namespace=a",
            "field label not supported: metadata.namespace",
        ),
        (
            Resource::ConfigMaps,
            "data=1",
            "\"data\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"",
        ),
    ] {
        let failure = Fields::parse(resource, selector).unwrap_err();
        assert_eq!(
            (failure.reason, failure.message.as_str()),
            (Reason::BadRequest, said)
        );
    }
}

#[test]
fn values_may_have_escaped_signs() {
    let object = json!({ "metadata": { "name": "a,b=c\\" } });
    let fields = Fields::parse(Resource::Pods, r"metadata.name=a\,b\=c\\").unwrap();
    assert!(fields.matches(&object));
    for bad in [
        r"metadata.name=\x",
        "metadata.name=a=b",
        "metadata.name",
        r"metadata.name=a\",
        "metadata.name!a",
    ] {
        assert!(Fields::parse(Resource::Pods, bad).is_err(), "{bad}");
    }
}

#[test]
fn a_selector_has_many_values_but_not_many_terms() {
    let values: Vec<String> = (0..8_000).map(|number| format!("v{number}")).collect();
    let all = Labels::parse(&format!("a in ({})", values.join(","))).unwrap();
    assert!(all.matches(&json!({ "metadata": { "labels": { "a": "v7999" } } })));
    assert!(!all.matches(&json!({ "metadata": { "labels": { "a": "v8000" } } })));
    let terms = |term: &str, count: usize| vec![term; count].join(",");
    assert!(Labels::parse(&terms("!a", 256)).is_ok());
    let refused = Labels::parse(&terms("!a", 257)).unwrap_err();
    assert!(
        refused.message.contains("more than 256 terms"),
        "{refused:?}"
    );
    assert!(Fields::parse(Resource::Pods, &terms("metadata.name!=a", 256)).is_ok());
    assert!(Fields::parse(Resource::Pods, &terms("metadata.name!=a", 257)).is_err());
    let long = Labels::parse(&"=".repeat(60_000)).unwrap_err();
    assert!(long.message.len() < 10_000, "{}", long.message.len());
}
