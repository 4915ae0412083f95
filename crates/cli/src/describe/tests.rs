//! Are descriptions laid out as kubectl's are? The expected text was written by hand after its rules for columns.

use serde_json::{Value, json};

use super::pod::text;

fn pod() -> Value {
    json!({
        "metadata": { "name": "web", "namespace": "default", "labels": { "app": "web", "tier": "x" } },
        "spec": {
            "nodeName": "vm", "serviceAccountName": "default",
            "initContainers": [{ "name": "prepare", "image": "host:/", "command": ["sh", "-c", "true"] }],
            "containers": [{
                "name": "app", "image": "host:/", "command": ["sleep"], "ports": [{ "containerPort": 8080, "protocol": "TCP" }],
                "resources": { "limits": { "memory": "64Mi" }, "requests": { "cpu": "100m", "memory": "64Mi" } },
                "env": [{ "name": "A", "value": "b" }],
            }],
        },
        "status": {
            "phase": "Running", "qosClass": "Burstable", "hostIP": "10.0.0.1", "startTime": "2026-11-23T19:59:03Z",
            "conditions": [{ "type": "Initialized", "status": "True" }, { "type": "Ready", "status": "True" }],
            "initContainerStatuses": [{
                "name": "prepare", "containerID": "outrigger://1", "imageID": "host:/", "ready": true, "restartCount": 0,
                "state": { "terminated": { "exitCode": 0, "reason": "Completed", "startedAt": "2026-11-23T19:59:03Z", "finishedAt": "2026-11-23T19:59:04Z" } },
            }],
            "containerStatuses": [{
                "name": "app", "containerID": "outrigger://2", "imageID": "host:/", "ready": true, "restartCount": 0,
                "state": { "running": { "startedAt": "2026-11-23T19:59:05Z" } },
            }],
        },
    })
}

#[test]
fn a_pod_is_described_as_kubectl_describes_it() {
    let event = json!({
        "type": "Normal", "reason": "Started", "message": "Started container app", "count": 1,
        "source": { "component": "outrigger" }, "lastTimestamp": "2026-11-23T19:59:05Z",
    });
    let now = "2026-11-23T20:00:00Z".parse().unwrap();
    let described = text(&pod(), vec![event], now);
    assert_eq!(described, include_str!("tests/pod.txt"));
}

#[test]
fn a_pod_without_anything_is_described_too() {
    let now = "2026-11-23T20:00:00Z".parse().unwrap();
    let described = text(&json!({}), Vec::new(), now);
    assert!(
        described.contains("Volumes:          <none>\n"),
        "{described}"
    );
    assert!(
        described.ends_with("Events:           <none>\n"),
        "{described}"
    );
}

#[test]
fn seccomp_profiles_are_told_where_somebody_asks_for_one() {
    let profile = |profile: Value| json!({ "seccompProfile": profile });
    let mut asking = pod();
    asking["spec"]["securityContext"] = profile(json!({ "type": "RuntimeDefault" }));
    asking["spec"]["containers"][0]["securityContext"] =
        profile(json!({ "type": "Localhost", "localhostProfile": "a/b.json" }));
    let now = "2026-11-23T20:00:00Z".parse().unwrap();
    let described = text(&asking, Vec::new(), now);
    for line in [
        "Status:           Running\nSeccompProfile:   RuntimeDefault\nIP:",
        "Host Port:           0/TCP\n    SeccompProfile:      Localhost\n      LocalhostProfile:  a/b.json\n    Command:",
    ] {
        assert!(described.contains(line), "{described}");
    }
}
