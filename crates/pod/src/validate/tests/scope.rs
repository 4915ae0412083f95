//! Metadata, the Pod as a whole, security.

use super::*;

#[test]
fn metadata_that_becomes_paths_is_checked() {
    let subdomain = "Invalid value: \"../x\": a lowercase RFC 1123 subdomain must consist";
    let label = "metadata.namespace: Invalid value: \"a.b\": a lowercase RFC 1123 label must";
    table_of_beginnings(&[
        ("/metadata/name", json!("a.b-c"), &[]),
        (
            "/metadata/name",
            json!("../x"),
            &[&format!("metadata.name: {subdomain}")],
        ),
        (
            "/metadata/name",
            json!("a..b"),
            &["metadata.name: Invalid value: \"a..b\""],
        ),
        (
            "/metadata/name",
            json!(""),
            &["metadata.name: Required value: name or generateName is required"],
        ),
        ("/metadata/namespace", json!("a.b"), &[label]),
        (
            "/metadata/namespace",
            json!(""),
            &["metadata.namespace: Invalid value: \"\""],
        ),
        (
            "/metadata/uid",
            json!("a/../b"),
            &["metadata.uid: Invalid value: \"a/../b\": a uid must consist"],
        ),
        ("/metadata/labels", json!({"app.io/x": "v_1.2"}), &[]),
        (
            "/metadata/labels",
            json!({"a/b/c": "x"}),
            &["metadata.labels: Invalid value: \"a/b/c\": a qualified name must"],
        ),
        (
            "/metadata/labels",
            json!({"/b": "x"}),
            &["metadata.labels: Invalid value: \"/b\": prefix part must be non-empty"],
        ),
        (
            "/metadata/labels",
            json!({"b": "-x"}),
            &["metadata.labels: Invalid value: \"-x\": a valid label must be"],
        ),
        ("/metadata/annotations", json!({"A.b/C": "any /thing"}), &[]),
        (
            "/metadata/annotations",
            json!({"a": "x".repeat(256 << 10)}),
            &["metadata.annotations: Too long: may not be more than 262144 bytes"],
        ),
    ]);
}

#[test]
fn the_pod_as_a_whole() {
    let servers = json!(["1.1.1.1", "1.1.1.2", "1.1.1.3", "x"]);
    table_of_beginnings(&[
        (
            "/spec/restartPolicy",
            json!(null),
            &["spec.restartPolicy: Required value"],
        ),
        (
            "/spec/restartPolicy",
            json!("Nie"),
            &[
                "spec.restartPolicy: Unsupported value: \"Nie\": supported values: \"Always\", \"Never\", \"OnFailure\"",
            ],
        ),
        ("/spec/terminationGracePeriodSeconds", json!(0), &[]),
        (
            "/spec/terminationGracePeriodSeconds",
            json!(null),
            &["spec.terminationGracePeriodSeconds: Required value"],
        ),
        (
            "/spec/activeDeadlineSeconds",
            json!(0),
            &[
                "spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive",
            ],
        ),
        (
            "/spec/hostname",
            json!("a.b"),
            &["spec.hostname: Invalid value: \"a.b\": a lowercase RFC 1123 label"],
        ),
        (
            "/spec/dnsPolicy",
            json!("Nil"),
            &["spec.dnsPolicy: Unsupported value: \"Nil\""],
        ),
        (
            "/spec/dnsPolicy",
            json!("None"),
            &["spec.dnsConfig: Required value: must provide `dnsConfig`"],
        ),
        (
            "/spec/dnsConfig",
            json!({"nameservers": servers, "searches": [".", "a_b.c.", "-"], "options": [{"value": "1"}]}),
            &[
                "spec.dnsConfig.nameservers: Invalid value: [\"1.1.1.1\", \"1.1.1.2\", \"1.1.1.3\", \"x\"]: must not have more than 3 nameservers",
                "spec.dnsConfig.nameservers[3]: Invalid value: \"x\": must be a valid IP address",
                "spec.dnsConfig.searches[2]: Invalid value: \"-\": a lowercase RFC 1123 subdomain",
                "spec.dnsConfig.options[0]: Required value: must not be empty",
            ],
        ),
        (
            "/spec/hostAliases",
            json!([{"ip": "1.2.3", "hostnames": ["A"]}]),
            &[
                "spec.hostAliases[0].ip: Invalid value: \"1.2.3\"",
                "spec.hostAliases[0].hostnames[0]: Invalid value: \"A\"",
            ],
        ),
        (
            "/spec/readinessGates",
            json!([{"conditionType": "a b"}]),
            &[
                "spec.readinessGates[0].conditionType: Invalid value: \"a b\": name part must consist",
            ],
        ),
    ]);
}

#[test]
fn namespaces_of_the_host() {
    for (fields, expected) in [
        (
            json!({"shareProcessNamespace": true, "hostPID": true}),
            "spec.shareProcessNamespace: Invalid value: true: ShareProcessNamespace and HostPID cannot both be enabled",
        ),
        (
            json!({"hostUsers": false, "hostPID": true}),
            "spec.hostPID: Forbidden: when `hostUsers` is false",
        ),
        (
            json!({"hostUsers": false, "hostNetwork": true}),
            "spec.hostNetwork: Forbidden: when `hostUsers` is false",
        ),
        (
            json!({"hostnameOverride": "a", "hostNetwork": true}),
            "spec.hostnameOverride: Forbidden: may not be specified when hostNetwork is true",
        ),
        (
            json!({"hostNetwork": true, "securityContext": {"sysctls": [{"name": "net/core.x", "value": "1"}]}}),
            "spec.securityContext.sysctls[0].name: Invalid value: \"net/core.x\": may not be specified when 'hostNetwork' is set to true",
        ),
    ] {
        let mut value = base();
        value["spec"]
            .as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        assert_eq!(
            said(&pod(&serde_json::from_value(value).unwrap())),
            [expected],
            "{fields}"
        );
    }
}

#[test]
fn rights_of_the_pod() {
    let at = "/spec/securityContext";
    table_of_beginnings(&[
        (
            at,
            json!({"runAsUser": 0, "seccompProfile": {"type": "RuntimeDefault"}}),
            &[],
        ),
        (
            at,
            json!({"sysctls": [{"name": "kernel.shm_rmid_forced", "value": "1"}]}),
            &[],
        ),
        (
            at,
            json!({"fsGroup": -1, "supplementalGroups": [2_147_483_648_i64]}),
            &[
                "spec.securityContext.fsGroup: Invalid value: -1: must be between 0 and 2147483647, inclusive",
                "spec.securityContext.supplementalGroups[0]: Invalid value: 2147483648: must be between",
            ],
        ),
        (
            at,
            json!({"sysctls": [{"name": "net.a", "value": "1"}, {"name": "net/a", "value": "1"}, {"name": "../x", "value": ""}]}),
            &[
                "spec.securityContext.sysctls[1].name: Duplicate value: \"net/a\"",
                "spec.securityContext.sysctls[2].name: Invalid value: \"../x\": must have at most 253 characters",
            ],
        ),
    ]);
}

#[test]
fn rights_of_a_container() {
    let at = "/spec/containers/0/securityContext";
    let path = "spec.containers[0].securityContext";
    let profile = |profile: Value| json!({"seccompProfile": profile});
    for (value, expected) in [
        (
            profile(json!({"type": "Localhost", "localhostProfile": "a/b.json"})),
            None,
        ),
        (
            profile(json!({"type": "Localhost"})),
            Some(
                ".seccompProfile.localhostProfile: Required value: must be set when seccomp type is Localhost",
            ),
        ),
        (
            profile(json!({"type": "Localhost", "localhostProfile": ""})),
            Some(
                ".seccompProfile.localhostProfile: Required value: must be set when seccomp type is Localhost",
            ),
        ),
        (
            profile(json!({"type": "Localhost", "localhostProfile": "/a"})),
            Some(
                ".seccompProfile.localhostProfile: Invalid value: \"/a\": must be a relative path",
            ),
        ),
        (
            profile(json!({"type": "Localhost", "localhostProfile": "a/../../b"})),
            Some(
                ".seccompProfile.localhostProfile: Invalid value: \"a/../../b\": must not contain '..'",
            ),
        ),
        (
            profile(json!({"type": "Unconfined", "localhostProfile": "a"})),
            Some(
                ".seccompProfile.localhostProfile: Invalid value: \"a\": can only be set when seccomp type is Localhost",
            ),
        ),
        (
            json!({"procMount": "Unmasked"}),
            Some(
                ".procMount: Invalid value: \"Unmasked\": `hostUsers` must be false to use `Unmasked`",
            ),
        ),
        (
            json!({"allowPrivilegeEscalation": false, "privileged": true}),
            Some(
                ": Invalid value: {\"allowPrivilegeEscalation\":false,\"privileged\":true}: cannot set `allowPrivilegeEscalation` to false and `privileged` to true",
            ),
        ),
        (
            json!({"allowPrivilegeEscalation": false, "capabilities": {"add": ["NET_ADMIN"]}}),
            None,
        ),
        (
            json!({"allowPrivilegeEscalation": false, "capabilities": {"add": ["CAP_SYS_ADMIN"]}}),
            Some(
                ": Invalid value: {\"allowPrivilegeEscalation\":false,\"capabilities\":{\"add\":[\"CAP_SYS_ADMIN\"]}}: cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN",
            ),
        ),
    ] {
        let expected: Vec<String> = expected
            .iter()
            .map(|words| format!("{path}{words}"))
            .collect();
        assert_eq!(said(&pod(&changed(at, value.clone()))), expected, "{value}");
    }
}

#[test]
fn tolerations_and_node_selectors_are_checked_although_nothing_is_scheduled() {
    table(&[
        (
            "/spec/tolerations",
            json!([{"operator": "Exists"}, {"key": "a", "value": "b", "effect": "NoSchedule"}]),
            &[],
        ),
        (
            "/spec/tolerations",
            json!([{"key": "a", "operator": "Exists", "value": "b", "tolerationSeconds": 1}]),
            &[
                "spec.tolerations[0].effect: Invalid value: \"\": effect must be 'NoExecute' when `tolerationSeconds` is set",
                "spec.tolerations[0].operator: Invalid value: \"b\": value must be empty when `operator` is 'Exists'",
            ],
        ),
        (
            "/spec/tolerations",
            json!([{"value": "a"}, {"key": "a", "operator": "In", "effect": "Never"}]),
            &[
                "spec.tolerations[0].operator: Invalid value: \"\": operator must be Exists when `key` is empty, which means \"match all values and all keys\"",
                "spec.tolerations[1].operator: Unsupported value: \"In\": supported values: \"Equal\", \"Exists\"",
                "spec.tolerations[1].effect: Unsupported value: \"Never\": supported values: \"NoSchedule\", \"PreferNoSchedule\", \"NoExecute\"",
            ],
        ),
        (
            "/spec/nodeSelector",
            json!({"a/": "b"}),
            &[
                "spec.nodeSelector: Invalid value: \"a/\": name part must be non-empty",
                "spec.nodeSelector: Invalid value: \"a/\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
            ],
        ),
    ]);
}
