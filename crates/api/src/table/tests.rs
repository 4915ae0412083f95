use serde_json::json;

use super::*;

pub(in crate::table) fn now() -> Timestamp {
    "2026-01-02T00:00:00Z".parse().unwrap()
}

pub(in crate::table) fn row_of(resource: Resource, object: Value) -> Vec<Value> {
    let table = table(
        resource,
        &[Arc::new(object)],
        json!({}),
        Include::None,
        now(),
        false,
    );
    assert_eq!(
        table["columnDefinitions"].as_array().unwrap().len(),
        table["rows"][0]["cells"].as_array().unwrap().len(),
        "a row has a cell for each column"
    );
    table["rows"][0]["cells"].as_array().unwrap().clone()
}

#[test]
fn other_kinds_have_kubernetes_columns() {
    let config_map = json!({ "metadata": { "name": "c", "creationTimestamp": "2026-01-01T23:59:00Z" },
        "data": { "a": "", "b": "" }, "binaryData": { "c": "" } });
    assert_eq!(
        row_of(Resource::ConfigMaps, config_map),
        [json!("c"), json!(3), json!("60s")]
    );
    let secret = json!({ "metadata": { "name": "s" }, "type": "Opaque", "data": { "a": "" } });
    assert_eq!(
        row_of(Resource::Secrets, secret),
        [json!("s"), json!("Opaque"), json!(1), json!("<unknown>")]
    );
    let node = json!({
        "metadata": { "name": "n", "labels": { "node-role.kubernetes.io/b": "", "kubernetes.io/role": "a" } },
        "spec": { "unschedulable": true },
        "status": {
            "conditions": [{ "type": "Ready", "status": "True" }], "nodeInfo": { "kubeletVersion": "v1" },
            "addresses": [{ "type": "InternalIP", "address": "10.0.0.1" }],
        },
    });
    let cells = row_of(Resource::Nodes, node);
    let cells: Vec<&str> = cells.iter().map(|cell| cell.as_str().unwrap()).collect();
    assert_eq!(
        cells,
        [
            "n",
            "Ready,SchedulingDisabled",
            "a,b",
            "<unknown>",
            "v1",
            "10.0.0.1",
            "<none>",
            "<unknown>",
            "<unknown>",
            "<unknown>",
        ]
    );
    let namespace = json!({ "metadata": { "name": "d" }, "status": { "phase": "Active" } });
    assert_eq!(row_of(Resource::Namespaces, namespace)[1], "Active");
    assert_eq!(
        row_of(Resource::ServiceAccounts, json!({ "secrets": [{}] }))[1],
        1
    );
}

#[test]
fn events_tell_when_they_happened_by_whichever_times_they_have() {
    let event = |times: Value| {
        let mut event = json!({
            "metadata": { "name": "e" }, "involvedObject": { "kind": "Pod", "name": "web", "fieldPath": "spec" },
            "type": "Normal", "reason": "Started", "message": " it started\n", "source": { "component": "kubelet", "host": "n" },
        });
        for (key, value) in times.as_object().unwrap() {
            event[key] = value.clone();
        }
        row_of(Resource::Events, event)
    };
    assert_eq!(
        event(
            json!({ "firstTimestamp": "2026-01-01T23:59:00Z", "lastTimestamp": "2026-01-01T23:59:30Z", "count": 3 })
        ),
        [
            json!("30s"),
            json!("Normal"),
            json!("Started"),
            json!("pod/web"),
            json!("spec"),
            json!("kubelet, n"),
            json!("it started"),
            json!("60s"),
            json!(3),
            json!("e")
        ]
    );
    let cells = event(json!({ "eventTime": "2026-01-01T23:59:00.123456Z" }));
    assert_eq!(
        (&cells[0], &cells[7], &cells[8]),
        (&json!("59s"), &json!("59s"), &json!(1))
    );
    let series = json!({ "count": 9, "lastObservedTime": "2026-01-01T23:59:58Z" });
    let cells = event(json!({ "eventTime": "2026-01-01T23:59:00Z", "series": series }));
    assert_eq!((&cells[0], &cells[8]), (&json!("2s"), &json!(9)));
}

#[test]
fn metrics_are_summed_over_a_pods_containers() {
    let metrics = json!({ "metadata": { "name": "web" }, "window": "15s", "containers": [
        { "usage": { "cpu": "1500000n", "memory": "1Mi" } }, { "usage": { "cpu": "1m", "memory": "1024" } },
    ] });
    let table = table(
        Shown::PodMetrics,
        &[Arc::new(metrics)],
        json!({}),
        Include::None,
        now(),
        false,
    );
    assert_eq!(
        table["rows"][0]["cells"],
        json!(["web", "3m", "1025Ki", "15s"])
    );
}

#[test]
fn rows_carry_what_is_asked_for_and_watches_can_leave_the_headers_out() {
    let pod = Arc::new(
        json!({ "metadata": { "name": "web", "resourceVersion": "7" }, "spec": {}, "status": { "phase": "Failed" } }),
    );
    let whole = table_of_one(Resource::Pods, &pod, Include::Object, now(), true);
    assert_eq!(whole["columnDefinitions"], json!([]));
    assert_eq!(whole["metadata"]["resourceVersion"], "7");
    assert_eq!(whole["rows"][0]["object"], *pod);
    assert_eq!(whole["rows"][0]["conditions"][0]["type"], "Completed");
    let meta = table_of_one(Resource::Pods, &pod, Include::Metadata, now(), false);
    assert_eq!(meta["rows"][0]["object"]["kind"], "PartialObjectMetadata");
    assert_eq!(meta["rows"][0]["object"].get("spec"), None);
    assert_eq!(
        meta["columnDefinitions"][0],
        json!({
        "name": "Name", "type": "string", "format": "name", "priority": 0, "description": "The name of the object." })
    );
    assert_eq!(Include::parse("Everything"), None);
}
