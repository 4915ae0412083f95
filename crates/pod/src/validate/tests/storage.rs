//! Volumes, mounts and resources.

use super::*;

/// What is said of a third volume.
fn said_of_volumes(rows: &[(Value, Option<&str>)]) {
    for (volume, expected) in rows {
        let mut value = base();
        value["spec"]["volumes"]
            .as_array_mut()
            .unwrap()
            .push(volume.clone());
        let expected: Vec<String> = expected
            .iter()
            .map(|words| format!("spec.volumes[2]{words}"))
            .collect();
        assert_eq!(
            said(&pod(&serde_json::from_value(value).unwrap())),
            expected,
            "{volume}"
        );
    }
}

#[test]
fn volumes_have_one_source_each() {
    said_of_volumes(&[
        (
            json!({"name": "v", "secret": {"secretName": "s", "defaultMode": 0o777}}),
            None,
        ),
        (
            json!({"name": "v", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}),
            None,
        ),
        (
            json!({"name": "v"}),
            Some(": Required value: must specify a volume type"),
        ),
        (
            json!({"name": "v", "emptyDir": {}, "hostPath": {"path": "/"}}),
            Some(".hostPath: Forbidden: may not specify more than 1 volume type"),
        ),
        (
            json!({"name": "dir", "emptyDir": {}}),
            Some(".name: Duplicate value: \"dir\""),
        ),
        (
            json!({"name": "v", "hostPath": {"path": "/a/../b"}}),
            Some(".hostPath.path: Invalid value: \"/a/../b\": must not contain '..'"),
        ),
        (
            json!({"name": "v", "emptyDir": {"sizeLimit": "-1"}}),
            Some(
                ".emptyDir.sizeLimit: Invalid value: \"-1\": SizeLimit field must be a valid resource quantity",
            ),
        ),
    ]);
}

#[test]
fn volumes_make_files_below_themselves_only() {
    said_of_volumes(&[
        (
            json!({"name": "v", "configMap": {"name": "m", "items": [{"key": "k", "path": "..data"}]}}),
            Some(".configMap.items[0].path: Invalid value: \"..data\": must not start with '..'"),
        ),
        (
            json!({"name": "v", "secret": {"secretName": "s", "items": [{"key": "k", "path": "/etc/x"}]}}),
            Some(".secret.items[0].path: Invalid value: \"/etc/x\": must be a relative path"),
        ),
        (
            json!({"name": "v", "secret": {"secretName": "s", "defaultMode": 512}}),
            Some(
                ".secret.defaultMode: Invalid value: 512: must be a number between 0 and 0777 (octal), both inclusive",
            ),
        ),
        (
            json!({"name": "v", "downwardAPI": {"items": [{"path": "l"}]}}),
            Some(
                ".downwardAPI.items[0].fieldRef: Required value: one of fieldRef and resourceFieldRef is required",
            ),
        ),
        (
            json!({"name": "v", "downwardAPI": {"items": [{"path": "l", "resourceFieldRef": {"resource": "limits.cpu"}}]}}),
            Some(".downwardAPI.items[0].resourceFieldRef.containerName: Required value"),
        ),
        (
            json!({"name": "v", "projected": {"sources": [
                {"secret": {"name": "s", "items": [{"key": "k", "path": "p"}]}},
                {"configMap": {"name": "m", "items": [{"key": "k", "path": "p"}]}},
            ]}}),
            Some(
                ".projected.sources[1].configMap: Invalid value: \"p\": conflicting duplicate paths",
            ),
        ),
        (
            json!({"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "t", "expirationSeconds": 599}}]}}),
            Some(
                ".projected.sources[0].serviceAccountToken.expirationSeconds: Invalid value: 599: may not specify a duration less than 10 minutes",
            ),
        ),
    ]);
}

#[test]
fn mounts() {
    let at = "/spec/containers/0/volumeMounts";
    let mount = |extra: Value| {
        let mut mount = json!({"name": "dir", "mountPath": "/d"});
        mount
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        json!([mount])
    };
    let path = "spec.containers[0].volumeMounts[0]";
    for (value, expected) in [
        (
            json!({"subPath": "a/b", "readOnly": true, "recursiveReadOnly": "Enabled"}),
            vec![],
        ),
        (json!({"name": "vol"}), vec![".name: Not found: \"vol\""]),
        (json!({"mountPath": ""}), vec![".mountPath: Required value"]),
        (
            json!({"subPath": "/a"}),
            vec![".subPath: Invalid value: \"/a\": must be a relative path"],
        ),
        (
            json!({"subPath": "a/../b"}),
            vec![".subPath: Invalid value: \"a/../b\": must not contain '..'"],
        ),
        (
            json!({"mountPath": "/a\u{0}"}),
            vec![".mountPath: Invalid value: \"/a\\0\": must not contain a NUL character"],
        ),
        (
            json!({"subPath": "a", "subPathExpr": "$(X)"}),
            vec![
                ".subPathExpr: Invalid value: \"$(X)\": subPathExpr and subPath are mutually exclusive",
            ],
        ),
        (
            json!({"mountPropagation": "Bidirectional"}),
            vec![
                ".mountPropagation: Forbidden: Bidirectional mount propagation is available only to privileged containers",
            ],
        ),
        (
            json!({"recursiveReadOnly": "IfPossible", "mountPropagation": "HostToContainer"}),
            vec![
                ".recursiveReadOnly: Forbidden: may only be specified when readOnly is true",
                ".recursiveReadOnly: Forbidden: may only be specified when mountPropagation is None or not specified",
            ],
        ),
    ] {
        let expected: Vec<String> = expected
            .iter()
            .map(|words| format!("{path}{words}"))
            .collect();
        assert_eq!(
            said(&pod(&changed(at, mount(value.clone())))),
            expected,
            "{value}"
        );
    }
    let twice = json!([{"name": "dir", "mountPath": "/d"}, {"name": "host", "mountPath": "/d"}]);
    let words =
        "spec.containers[0].volumeMounts[1].mountPath: Invalid value: \"/d\": must be unique";
    table(&[(at, twice, &[words])]);
}

#[test]
fn resources_of_containers() {
    let at = "/spec/containers/0/resources";
    let path = "spec.containers[0].resources";
    for (value, expected) in [
        (
            json!({"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "1000m"}}),
            vec![],
        ),
        (
            json!({"requests": {"example.com/gpu": "1"}, "limits": {"example.com/gpu": "1"}}),
            vec![],
        ),
        (
            json!({"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}),
            vec![".requests: Invalid value: \"2\": must be less than or equal to cpu limit of 1"],
        ),
        (
            json!({"requests": {"cpu": "-1", "memory": "1mb"}}),
            vec![
                ".requests[cpu]: Invalid value: \"-1\": must be greater than or equal to 0",
                ".requests[memory]: Invalid value: \"1mb\": unable to parse quantity's suffix",
            ],
        ),
        (
            json!({"requests": {"example.com/gpu": "500m"}}),
            vec![
                ".requests[example.com/gpu]: Invalid value: \"500m\": must be an integer",
                ".limits: Required value: Limit must be set for non overcommitable resources",
            ],
        ),
        (
            json!({"requests": {"hugepages-2Mi": "2Mi"}, "limits": {"hugepages-2Mi": "3Mi"}}),
            vec![
                ".limits[hugepages-2Mi]: Invalid value: \"3Mi\": 3Mi is not positive integer multiple of 2Mi",
                ".requests: Invalid value: \"2Mi\": must be equal to hugepages-2Mi limit of 3Mi",
                ": Forbidden: HugePages require cpu or memory",
            ],
        ),
        (
            json!({"limits": {"gpu": "1"}}),
            vec![
                ".limits[gpu]: Invalid value: \"gpu\": must be a standard resource for containers",
            ],
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
fn resources_of_the_whole_pod() {
    let mut value = base();
    value["spec"]["containers"][0]["resources"] =
        json!({"requests": {"cpu": "2"}, "limits": {"cpu": "4"}});
    value["spec"]["resources"] =
        json!({"requests": {"cpu": "1"}, "limits": {"cpu": "3", "ephemeral-storage": "1"}});
    assert_eq!(
        said(&pod(&serde_json::from_value(value).unwrap())),
        [
            "spec.resources.limits[ephemeral-storage]: Unsupported value: \"ephemeral-storage\": supported values: \"cpu\", \"hugepages-\", \"memory\"",
            "spec.resources.requests[cpu]: Invalid value: \"1\": must be greater than or equal to aggregate container requests of 2",
            "spec.containers[0].resources.limits[cpu]: Invalid value: \"4\": must be less than or equal to pod limits of 3",
        ]
    );
}
