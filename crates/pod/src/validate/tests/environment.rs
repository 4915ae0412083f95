//! Environment variables.

use super::*;

#[test]
fn variables_have_a_name_and_at_most_one_source() {
    let at = "/spec/containers/0/env";
    let from = |source: Value| json!([{"name": "A", "valueFrom": source}]);
    table(&[
        (at, json!([{"name": "a b.c", "value": "x"}]), &[]),
        (
            at,
            from(
                json!({"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.labels['app.io/x']"}}),
            ),
            &[],
        ),
        (
            at,
            from(json!({"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1m"}})),
            &[],
        ),
        (
            at,
            from(json!({"fileKeyRef": {"volumeName": "dir", "path": "a/b", "key": "K"}})),
            &[],
        ),
        (
            at,
            json!([{"name": "a=b"}, {"name": ""}]),
            &[
                "spec.containers[0].env[0].name: Invalid value: \"a=b\": a valid environment variable name must consist only of printable ASCII characters other than '='",
                "spec.containers[0].env[1].name: Required value",
            ],
        ),
        (
            at,
            from(json!({})),
            &[
                "spec.containers[0].env[0].valueFrom: Invalid value: \"\": must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`",
            ],
        ),
        (
            at,
            json!([{"name": "A", "value": "x", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]),
            &[
                "spec.containers[0].env[0].valueFrom: Invalid value: \"\": may not be specified when `value` is not empty",
            ],
        ),
    ]);
}

#[test]
fn what_variables_refer_to_is_allowed_there() {
    let at = "/spec/containers/0/env";
    let from = |source: Value| json!([{"name": "A", "valueFrom": source}]);
    table(&[
        (
            at,
            from(json!({"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.labels"}})),
            &[
                "spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Unsupported value: \"metadata.labels\": supported values: \"metadata.name\", \"metadata.namespace\", \"metadata.uid\", \"spec.nodeName\", \"spec.serviceAccountName\", \"status.hostIP\", \"status.hostIPs\", \"status.podIP\", \"status.podIPs\"",
            ],
        ),
        (
            at,
            from(json!({"fieldRef": {"apiVersion": "v1", "fieldPath": "spec.nope"}})),
            &[
                "spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Invalid value: \"spec.nope\": error converting fieldPath: field label not supported: spec.nope",
            ],
        ),
        (
            at,
            from(json!({"resourceFieldRef": {"resource": "limits.cpu", "divisor": "2"}})),
            &[
                "spec.containers[0].env[0].valueFrom.resourceFieldRef.divisor: Invalid value: \"limits.cpu\": only divisor's values 1m and 1 are supported with the cpu resource",
            ],
        ),
        (
            at,
            from(json!({"fileKeyRef": {"volumeName": "host", "path": "../x", "key": "K"}})),
            &[
                "spec.containers[0].env[0].valueFrom.fileKeyRef.path: Invalid value: \"../x\": must not contain '..'",
                "spec.containers[0].env[0].valueFrom.fileKeyRef.volumeName: Invalid value: \"host\": referenced volume must be of type emptyDir",
            ],
        ),
        (
            "/spec/containers/0/envFrom",
            json!([{}, {"configMapRef": {"name": "m"}, "secretRef": {"name": "s"}}]),
            &[
                "spec.containers[0].envFrom[0]: Invalid value: \"\": must specify one of: `configMapRef` or `secretRef`",
                "spec.containers[0].envFrom[1]: Invalid value: \"\": may not have more than one field specified at a time",
            ],
        ),
    ]);
}
