use k8s_openapi::api::core::v1 as core;
use serde_json::{Value, json};

use super::container::pull_policy;

/// What a Pod with this spec looks like once defaulted.
fn defaulted(spec: Value) -> Value {
    let mut pod: core::Pod =
        serde_json::from_value(json!({"metadata": {"name": "a"}, "spec": spec})).expect("a Pod");
    super::pod(&mut pod);
    serde_json::to_value(pod).expect("JSON")
}

#[test]
fn an_image_that_may_change_is_pulled_always() {
    for (image, policy) in [
        ("busybox", "Always"),
        ("busybox:latest", "Always"),
        ("localhost:5000/busybox", "Always"),
        ("localhost:5000/busybox:1", "IfNotPresent"),
        ("busybox@sha256:00", "IfNotPresent"),
        ("busybox:latest@sha256:00", "IfNotPresent"),
        ("host:/", "IfNotPresent"),
        ("localhost/host", "IfNotPresent"),
        ("localhost/hosts", "Always"),
        ("oci:images/busybox", "IfNotPresent"),
    ] {
        assert_eq!(pull_policy(image), policy, "{image}");
    }
}

#[test]
fn a_bare_pod_becomes_what_kubernetes_makes_of_it() {
    let pod = defaulted(
        json!({"containers": [{"name": "a", "image": "x", "ports": [{"containerPort": 1}]}]}),
    );
    assert_eq!(pod["metadata"]["namespace"], "default");
    assert_eq!(
        pod["spec"],
        json!({
            "containers": [{
                "name": "a", "image": "x", "imagePullPolicy": "Always",
                "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
                "ports": [{"containerPort": 1, "protocol": "TCP"}],
            }],
            "dnsPolicy": "ClusterFirst", "enableServiceLinks": true, "restartPolicy": "Always",
            "schedulerName": "default-scheduler", "securityContext": {}, "terminationGracePeriodSeconds": 30,
        })
    );
}

#[test]
fn requests_take_the_limits_that_have_none() {
    let resources = json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "0.5"}});
    let pod = defaulted(json!({
        "containers": [{"name": "a", "resources": resources}],
        "initContainers": [{"name": "b", "resources": {"limits": {"cpu": "0.0001"}}}],
    }));
    let requests = &pod["spec"]["containers"][0]["resources"]["requests"];
    assert_eq!(requests, &json!({"cpu": "0.5", "memory": "1Gi"}));
    assert_eq!(
        pod["spec"]["initContainers"][0]["resources"]["requests"],
        json!({"cpu": "1m"})
    );
}

#[test]
fn the_resources_of_a_whole_pod_take_those_of_its_containers() {
    let pod = defaulted(json!({
        "resources": {"limits": {"cpu": "2", "memory": "1Gi"}},
        "containers": [{"name": "a", "resources": {"requests": {"cpu": "250m"}, "limits": {"hugepages-2Mi": "4Mi"}}}],
    }));
    let resources = &pod["spec"]["resources"];
    assert_eq!(resources["requests"]["cpu"], "250m");
    assert_eq!(resources["requests"]["memory"], "1Gi");
    assert_eq!(resources["limits"]["hugepages-2Mi"], "4Mi");
}

#[test]
fn probes_and_volumes_are_filled_in_and_zero_means_the_default() {
    let pod = defaulted(json!({
        "hostNetwork": true,
        "containers": [{
            "name": "a",
            "ports": [{"containerPort": 80}, {"containerPort": 81, "hostPort": 82}],
            "livenessProbe": {"httpGet": {"port": 80}, "periodSeconds": 0},
            "readinessProbe": {"grpc": {"port": 1}, "failureThreshold": 7},
        }],
        "volumes": [{"name": "a"}, {"name": "b", "configMap": {"name": "c"}}, {"name": "d", "hostPath": {"path": "/"}}],
    }));
    let main = &pod["spec"]["containers"][0];
    assert_eq!(
        main["livenessProbe"],
        json!({
            "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"}, "timeoutSeconds": 1,
            "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3,
        })
    );
    assert_eq!(main["readinessProbe"]["grpc"]["service"], "");
    assert_eq!(main["readinessProbe"]["failureThreshold"], 7);
    assert_eq!(
        (&main["ports"][0]["hostPort"], &main["ports"][1]["hostPort"]),
        (&json!(80), &json!(82))
    );
    assert_eq!(
        pod["spec"]["volumes"],
        json!([
            {"name": "a", "emptyDir": {}},
            {"name": "b", "configMap": {"name": "c", "defaultMode": 420}},
            {"name": "d", "hostPath": {"path": "/", "type": ""}},
        ])
    );
}

#[test]
fn a_beginning_of_a_name_gets_its_end_from_the_uid() {
    let mut pod = core::Pod::default();
    pod.metadata.generate_name = Some("web-".to_owned());
    pod.metadata.uid = Some("1111-22AB-cd".to_owned());
    super::pod(&mut pod);
    assert_eq!(pod.metadata.name.as_deref(), Some("web-dcba2"));
}

#[test]
fn string_data_wins_over_data() {
    let mut secret = core::Secret {
        data: Some([("a".to_owned(), k8s_openapi::ByteString(b"old".to_vec()))].into()),
        string_data: Some(
            [
                ("a".to_owned(), "new".to_owned()),
                ("b".to_owned(), "2".to_owned()),
            ]
            .into(),
        ),
        ..Default::default()
    };
    super::secret(&mut secret);
    let data = secret.data.expect("data");
    assert_eq!(
        (data["a"].0.as_slice(), data["b"].0.as_slice()),
        (&b"new"[..], &b"2"[..])
    );
    assert_eq!(
        (secret.string_data, secret.type_.as_deref()),
        (None, Some("Opaque"))
    );
}
