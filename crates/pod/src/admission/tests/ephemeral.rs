//! Which ephemeral containers may be added to a Pod, and how?

use super::*;

const AT: &str = "/spec/ephemeralContainers";

fn added(list: Value) -> core::Pod {
    changed(AT, list)
}

fn refusal(old: &core::Pod, list: Value) -> Vec<String> {
    said(&update_ephemeral(old, added(list)).expect_err("a refused container"))
}

#[test]
fn a_debugger_is_added_after_the_mains_and_never_restarted() {
    let debugger = json!([{
        "name": "debug", "image": "a", "stdin": true, "tty": true,
        "targetContainerName": "main", "resources": {},
    }]);
    let admitted = update_ephemeral(&kept(), added(debugger)).expect("a good container");
    let (slot, container) = admitted
        .pod
        .of_kind(Kind::Ephemeral)
        .next()
        .expect("an ephemeral container");
    assert_eq!((slot.0, container.name.0.as_str()), (4, "debug"));
    assert_eq!(container.restart_policy, Some(crate::RestartPolicy::Never));
    assert_eq!(admitted.pod.target(slot), admitted.pod.slot("main"));
    assert_eq!(container.spec.image_pull_policy.as_deref(), Some("Always"));
    assert_eq!(
        container.spec.termination_message_policy.as_deref(),
        Some("File")
    );
    assert_eq!(admitted.object.metadata.generation, Some(2));
    assert!(stored(admitted.object).is_ok());
}

#[test]
fn only_what_an_ephemeral_container_may_have_is_taken() {
    let words = "Forbidden: cannot be set for an Ephemeral Container";
    for (field, value) in [
        ("ports", json!([{"containerPort": 80}])),
        ("livenessProbe", json!({"exec": {"command": ["a"]}})),
        ("readinessProbe", json!({"exec": {"command": ["a"]}})),
        ("startupProbe", json!({"exec": {"command": ["a"]}})),
        ("lifecycle", json!({"preStop": {"sleep": {"seconds": 1}}})),
        ("resources", json!({"limits": {"cpu": "1"}})),
        (
            "resizePolicy",
            json!([{"resourceName": "cpu", "restartPolicy": "NotRequired"}]),
        ),
        ("restartPolicy", json!("Always")),
    ] {
        let mut one = json!({"name": "debug", "image": "a"});
        one[field] = value;
        let wanted = format!("spec.ephemeralContainers[0].{field}: {words}");
        assert_eq!(refusal(&kept(), json!([one])), [wanted]);
    }
    let mount = json!([{"name": "debug", "image": "a", "volumeMounts": [
        {"name": "dir", "mountPath": "/a", "subPath": "b"},
    ]}]);
    let at = "spec.ephemeralContainers[0].volumeMounts[0].subPath";
    assert_eq!(refusal(&kept(), mount)[0], format!("{at}: {words}"));
}

#[test]
fn names_are_unique_and_the_target_is_there() {
    let list = json!([
        {"name": "main", "image": "a", "targetContainerName": "nobody"},
        {"name": "debug", "image": " a"},
        {"name": "debug", "image": "a", "targetContainerName": "debug"},
    ]);
    assert_eq!(
        refusal(&kept(), list),
        [
            "spec.ephemeralContainers[0].name: Duplicate value: \"main\"",
            "spec.ephemeralContainers[0].targetContainerName: Not found: \"nobody\"",
            "spec.ephemeralContainers[1].image: Invalid value: \" a\": must not have leading or trailing whitespace",
            "spec.ephemeralContainers[2].name: Duplicate value: \"debug\"",
            "spec.ephemeralContainers[2].targetContainerName: Not found: \"debug\"",
        ]
    );
}

#[test]
fn those_that_are_there_stay_as_they_are_and_where_they_are() {
    let first = json!({"name": "first", "image": "a"});
    let second = json!({"name": "second", "image": "a"});
    let old = update_ephemeral(&kept(), added(json!([first])))
        .expect("one")
        .object;
    let next = update_ephemeral(&old, added(json!([second, first]))).expect("two");
    let names: Vec<_> = next
        .pod
        .of_kind(Kind::Ephemeral)
        .map(|(_, one)| &one.name.0)
        .collect();
    assert_eq!(names, ["first", "second"]);
    assert_eq!(
        refusal(&old, json!([second])),
        [
            "spec.ephemeralContainers: Forbidden: existing ephemeral containers \"first\" may not be removed\n"
        ]
    );
    let other = json!([{"name": "first", "image": "a", "command": ["x"]}]);
    assert_eq!(
        refusal(&old, other),
        [
            "spec.ephemeralContainers: Forbidden: existing ephemeral containers \"first\" may not be changed\nspec.ephemeralContainers[0].command: was unset, would be [\"x\"]"
        ]
    );
}

#[test]
fn nothing_else_of_the_pod_is_taken() {
    let mut new = added(json!([{"name": "debug", "image": "a"}]));
    new.metadata.labels = Some([("a".to_owned(), "b".to_owned())].into());
    if let Some(spec) = &mut new.spec {
        spec.containers.clear();
    }
    let admitted = update_ephemeral(&kept(), new).expect("a good container");
    assert_eq!(admitted.object.metadata.labels, None);
    assert_eq!(admitted.pod.of_kind(Kind::Main).count(), 2);
}

#[test]
fn a_static_pod_gets_none() {
    let mut old = kept();
    let source = ("kubernetes.io/config.source".to_owned(), "file".to_owned());
    old.metadata.annotations = Some([source].into());
    assert_eq!(
        refusal(&old, json!([])),
        ["Forbidden: static pods do not support ephemeral containers"]
    );
}
