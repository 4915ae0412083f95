//! Which resources of a running Pod's containers may change?

use super::*;

const AMOUNTS: &str = "/spec/containers/0/resources";

fn refusal(pointer: &str, new: Value) -> Vec<String> {
    said(&resize(&kept(), changed(pointer, new)).expect_err(pointer))
}

#[test]
fn cpu_and_memory_of_a_container_change_and_nothing_else_of_the_pod() {
    let amounts = json!({
        "requests": {"cpu": "200m", "memory": "96Mi"},
        "limits": {"cpu": "2", "memory": "128Mi"},
    });
    let mut new = changed(AMOUNTS, amounts);
    new.metadata.labels = Some([("a".to_owned(), "b".to_owned())].into());
    let admitted = resize(&kept(), new).expect("a good size");
    let main = &admitted.pod[admitted.pod.slot("main").expect("main")];
    let limits = main
        .spec
        .resources
        .as_ref()
        .and_then(|all| all.limits.as_ref());
    assert_eq!(
        limits
            .and_then(|limits| limits.get("memory"))
            .map(|text| text.0.as_str()),
        Some("128Mi")
    );
    assert_eq!(admitted.object.metadata.labels, None);
    assert_eq!(admitted.object.metadata.generation, Some(2));
}

#[test]
fn the_class_of_service_stays() {
    let amounts = json!({
        "requests": {"cpu": "1", "memory": "64Mi"},
        "limits": {"cpu": "1", "memory": "64Mi"},
    });
    let one = with(sent(), "/spec/initContainers", Value::Null);
    let one = with(
        one,
        "/spec/containers",
        json!([{"name": "main", "image": "a", "resources": amounts}]),
    );
    let old = create(typed(one)).expect("a good Pod").object;
    let mut new = serde_json::to_value(&old).expect("JSON");
    new = with(
        new,
        "/spec/containers/0/resources/requests/cpu",
        json!("500m"),
    );
    assert_eq!(
        said(&resize(&old, typed(new)).expect_err("another class")),
        [
            "spec: Invalid value: \"Burstable\": Pod QOS Class may not change as a result of resizing"
        ]
    );
}

#[test]
fn what_is_stated_is_not_taken_away() {
    assert_eq!(
        refusal("/spec/containers/0/resources/limits/memory", Value::Null),
        ["spec.containers[0].resources.limits: Forbidden: resource limits cannot be removed"]
    );
    let neither = json!({"requests": {"memory": "1Mi"}});
    assert_eq!(
        refusal(AMOUNTS, neither),
        [
            "spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed",
            "spec.containers[0].resources.limits: Forbidden: resource limits cannot be removed",
        ]
    );
}

#[test]
fn only_cpu_and_memory_are_resized() {
    let said = refusal("/spec/containers/0/image", json!("a:2"));
    assert_eq!(
        said,
        [
            "spec: Forbidden: only cpu and memory resources are mutable\nspec.containers[0].image: was \"a:1\", would be \"a:2\""
        ]
    );
    let disk = refusal(
        "/spec/containers/0/resources/limits/ephemeral-storage",
        json!("1Gi"),
    );
    assert!(
        disk[0].contains("only cpu and memory resources are mutable"),
        "{disk:?}"
    );
}

#[test]
fn containers_stay_in_their_order() {
    let mut swapped = kept();
    if let Some(spec) = &mut swapped.spec {
        spec.containers.swap(0, 1);
    }
    let words = "Forbidden: containers may not be renamed or reordered on resize";
    assert_eq!(
        said(&resize(&kept(), swapped).expect_err("another order")),
        [
            format!("spec.containers[0].name: {words}"),
            format!("spec.containers[1].name: {words}"),
        ]
    );
    let fewer = refusal(
        "/spec/initContainers",
        json!([{"name": "init", "image": "a:1"}]),
    );
    assert_eq!(
        fewer,
        ["spec.initContainers: Forbidden: initContainers may not be added or removed on resize"]
    );
}

#[test]
fn a_limit_is_never_below_its_request() {
    let found = refusal("/spec/containers/0/resources/requests/cpu", json!("3"));
    assert_eq!(
        found,
        [
            "spec.containers[0].resources.requests: Invalid value: \"3\": must be less than or equal to cpu limit of 1"
        ]
    );
}

#[test]
fn static_pods_and_pods_that_state_their_resources_as_a_whole_are_not_resized() {
    let mut old = kept();
    let source = ("kubernetes.io/config.source".to_owned(), "file".to_owned());
    old.metadata.annotations = Some([source].into());
    assert_eq!(
        said(&resize(&old, kept()).expect_err("a static Pod")),
        ["Forbidden: static pods cannot be resized"]
    );
    let whole = with(
        sent(),
        "/spec/resources",
        json!({"limits": {"cpu": "4", "memory": "1Gi"}}),
    );
    let old = create(typed(whole)).expect("a good Pod").object;
    assert_eq!(
        said(&resize(&old, old.clone()).expect_err("a Pod with resources of its own")),
        ["spec: Forbidden: pods with pod-level resources cannot be resized"]
    );
}
