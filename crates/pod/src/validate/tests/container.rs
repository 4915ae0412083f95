//! Containers: names, images, restarts, ports.

use super::*;

#[test]
fn names_and_images() {
    table(&[
        (
            "/spec/containers",
            json!([]),
            &["spec.containers: Required value"],
        ),
        (
            "/spec/containers/0/name",
            json!(""),
            &["spec.containers[0].name: Required value"],
        ),
        (
            "/spec/containers/1/name",
            json!("main"),
            &["spec.containers[1].name: Duplicate value: \"main\""],
        ),
        (
            "/spec/initContainers/1/name",
            json!("init"),
            &["spec.initContainers[1].name: Duplicate value: \"init\""],
        ),
        (
            "/spec/initContainers/0/name",
            json!("main"),
            &["spec.initContainers[0].name: Duplicate value: \"main\""],
        ),
        (
            "/spec/containers/0/image",
            json!(""),
            &["spec.containers[0].image: Required value"],
        ),
        (
            "/spec/containers/0/image",
            json!(" a"),
            &[
                "spec.containers[0].image: Invalid value: \" a\": must not have leading or trailing whitespace",
            ],
        ),
        (
            "/spec/containers/0/imagePullPolicy",
            json!("always"),
            &[
                "spec.containers[0].imagePullPolicy: Unsupported value: \"always\": supported values: \"Always\", \"IfNotPresent\", \"Never\"",
            ],
        ),
        (
            "/spec/ephemeralContainers",
            json!([{"name": "e", "image": "a"}]),
            &["spec.ephemeralContainers: Forbidden: cannot be set on create"],
        ),
    ]);
    let label = "spec.containers[0].name: Invalid value: \"A/..\": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex";
    let long = "a".repeat(64);
    let words = format!(
        "spec.containers[0].name: Invalid value: {long:?}: must be no more than 63 characters"
    );
    table_of_beginnings(&[
        ("/spec/containers/0/name", json!("A/.."), &[label]),
        ("/spec/containers/0/name", json!(long), &[&words]),
    ]);
}

fn rules(action: &str, codes: Value) -> Value {
    json!([{"action": action, "exitCodes": codes}])
}

fn fine() -> Value {
    json!({"operator": "In", "values": [1]})
}

fn never(rules: Value) -> Value {
    json!({"name": "main", "image": "a", "restartPolicy": "Never", "restartPolicyRules": rules})
}

#[test]
fn restart_policies() {
    table(&[
        (
            "/spec/initContainers/0/restartPolicy",
            json!("OnFailure"),
            &[],
        ),
        (
            "/spec/initContainers/1/restartPolicyRules",
            rules("RestartAllContainers", fine()),
            &[],
        ),
        ("/spec/containers/0/restartPolicy", json!("Always"), &[]),
        (
            "/spec/containers/0/restartPolicy",
            json!("Sometimes"),
            &[
                "spec.containers[0].restartPolicy: Unsupported value: \"Sometimes\": supported values: \"Always\", \"Never\", \"OnFailure\"",
            ],
        ),
        (
            "/spec/containers/0/restartPolicyRules",
            rules("Restart", fine()),
            &[
                "spec.containers[0].restartPolicy: Required value: must specify restartPolicy when restart rules are used",
            ],
        ),
    ]);
}

#[test]
fn restart_rules() {
    let many: Vec<Value> = (0..21)
        .map(|_| rules("Restart", fine())[0].clone())
        .collect();
    let codes: Vec<i32> = (0..256).collect();
    table(&[
        (
            "/spec/containers/0",
            never(rules("RestartAllContainers", fine())),
            &[],
        ),
        (
            "/spec/containers/0",
            never(rules("Restart", json!({"operator": "NotIn", "values": []}))),
            &[],
        ),
        (
            "/spec/containers/0",
            never(json!([{"action": "Stop"}])),
            &[
                "spec.containers[0].restartPolicyRules[0].action: Unsupported value: \"Stop\": supported values: \"Restart\", \"RestartAllContainers\"",
                "spec.containers[0].restartPolicyRules[0].exitCodes: Required value: must be specified",
            ],
        ),
        (
            "/spec/containers/0",
            never(rules("Restart", json!({"operator": "Is", "values": codes}))),
            &[
                "spec.containers[0].restartPolicyRules[0].exitCodes.operator: Unsupported value: \"Is\": supported values: \"In\", \"NotIn\"",
                "spec.containers[0].restartPolicyRules[0].exitCodes.values: Too many: 256: must have at most 255 items",
            ],
        ),
        (
            "/spec/containers/0",
            never(json!(many)),
            &["spec.containers[0].restartPolicyRules: Too many: 21: must have at most 20 items"],
        ),
        (
            "/spec/initContainers/0/resizePolicy",
            json!([{"resourceName": "cpu", "restartPolicy": "RestartContainer"}]),
            &[
                "spec.initContainers[0].resizePolicy[0].restartPolicy: Invalid value: \"RestartContainer\": must not be set to 'RestartContainer' for non-sidecar initContainers",
            ],
        ),
    ]);
}

#[test]
fn ports_are_numbered_named_and_claimed_once() {
    let port = |extra: Value| {
        let mut port = json!({"containerPort": 80, "protocol": "TCP"});
        port.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        port
    };
    let at = "/spec/containers/0/ports";
    table(&[
        (
            at,
            json!([
                port(json!({"hostPort": 80, "name": "http"})),
                port(json!({"name": "admin"}))
            ]),
            &[],
        ),
        (
            at,
            json!([port(json!({"hostPort": 80})), port(json!({"hostPort": 80}))]),
            &["spec.containers[0].ports[1].hostPort: Duplicate value: \"TCP//80\""],
        ),
        (
            at,
            json!([port(json!({"name": "p"})), port(json!({"name": "p"}))]),
            &["spec.containers[0].ports[1].name: Duplicate value: \"p\""],
        ),
        (
            at,
            json!([port(
                json!({"containerPort": 65536, "name": "80", "protocol": "ICMP"})
            )]),
            &[
                "spec.containers[0].ports[0].name: Invalid value: \"80\": must contain at least one letter (a-z)",
                "spec.containers[0].ports[0].containerPort: Invalid value: 65536: must be between 1 and 65535, inclusive",
                "spec.containers[0].ports[0].protocol: Unsupported value: \"ICMP\": supported values: \"SCTP\", \"TCP\", \"UDP\"",
            ],
        ),
    ]);
    let mut pod_json = base();
    pod_json["spec"]["hostNetwork"] = json!(true);
    pod_json["spec"]["containers"][0]["ports"] = json!([port(json!({"hostPort": 81}))]);
    assert_eq!(
        said(&pod(&serde_json::from_value(pod_json).unwrap())),
        [
            "spec.containers[0].ports[0].hostPort: Invalid value: 81: must match `containerPort` when `hostNetwork` is true"
        ]
    );
}
