//! Pods and a node that takes none.

use super::*;

const NODE: &str = "/api/v1/nodes/host";
const MERGE: &str = "application/merge-patch+json";

fn with_node() -> Desktop {
    let desktop = Desktop::new();
    let node = json!({
        "apiVersion": "v1", "kind": "Node", "metadata": { "name": "host", "uid": "u" }, "spec": {},
    });
    desktop.put(Resource::Nodes, "", "host", node);
    desktop
}

fn pod(name: &str, more: Value) -> String {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name },
        "spec": { "containers": [{ "name": "main", "image": "app" }] },
    });
    let spec = pod["spec"].as_object_mut().unwrap();
    spec.extend(more.as_object().unwrap().clone());
    pod.to_string()
}

impl Desktop {
    async fn create(&self, name: &str, more: Value) -> Value {
        let body = pod(name, more);
        let line = "POST /api/v1/namespaces/default/pods";
        let answer = self.ask(line, "application/json", &body).await.unwrap();
        let Answer::Object {
            status: 201, body, ..
        } = answer
        else {
            panic!("{answer:?}");
        };
        body.to_value()
    }

    fn kept(&self, name: &str) -> Value {
        let key = key(Resource::Pods, "default", name);
        Value::clone(&self.0.store().get(&key).unwrap().object)
    }
}

#[tokio::test]
async fn on_a_cordoned_node_new_pods_wait_until_it_is_uncordoned() {
    let desktop = with_node();
    let cordon = r#"{"spec":{"unschedulable":true}}"#;
    let (status, node) = desktop.patch(MERGE, NODE, cordon).await;
    assert_eq!(status, 200, "{node}");
    assert_eq!(node["spec"]["taints"][0]["key"], CORDONED);

    let web = desktop.create("web", json!({})).await;
    assert_eq!(web["spec"]["nodeName"], Value::Null);
    let condition = &web["status"]["conditions"][0];
    let wanted = json!({
        "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
        "message": "0/1 nodes are available: 1 node(s) were unschedulable.",
        "lastProbeTime": null, "lastTransitionTime": condition["lastTransitionTime"],
    });
    assert_eq!(*condition, wanted);
    let events = desktop.0.store().list(Resource::Events, None).items;
    assert_eq!(text(&events[0].object, "/reason"), "FailedScheduling");
    let refused = desktop.0.pod("default", "web").unwrap_err();
    assert_eq!(refused.message, "pod web does not have a host assigned");

    // Who names the node, and who tolerates what it has, waits for nothing.
    let named = desktop.create("named", json!({ "nodeName": "host" })).await;
    assert_eq!(named["spec"]["nodeName"], "host");
    let all = json!({ "tolerations": [{ "operator": "Exists" }] });
    let tolerant = desktop.create("tolerant", all).await;
    assert_eq!(tolerant["spec"]["nodeName"], "host");

    let uncordon = r#"{"spec":{"unschedulable":null}}"#;
    let (_, node) = desktop.patch(MERGE, NODE, uncordon).await;
    assert_eq!(node["spec"], json!({}));
    let web = desktop.kept("web");
    assert_eq!(web["spec"]["nodeName"], "host");
    assert_eq!(web["status"]["conditions"][0]["status"], "True");
}

#[tokio::test]
async fn a_pod_that_waits_is_deleted_at_once() {
    let desktop = with_node();
    let cordon = r#"{"spec":{"unschedulable":true}}"#;
    desktop.patch(MERGE, NODE, cordon).await;
    desktop.create("web", json!({})).await;
    let line = "DELETE /api/v1/namespaces/default/pods/web";
    desktop.ask(line, "", "").await.unwrap();
    let key = key(Resource::Pods, "default", "web");
    assert!(desktop.0.store().get(&key).is_none());
}

#[tokio::test]
async fn a_taint_holds_back_whom_it_is_not_tolerated_by_and_one_that_evicts_is_refused() {
    let desktop = with_node();
    let taint = |effect: &str| {
        let taint = json!({ "key": "gpu", "value": "yes", "effect": effect });
        json!({ "spec": { "taints": [taint] } }).to_string()
    };
    let (status, _) = desktop.patch(MERGE, NODE, &taint("NoSchedule")).await;
    assert_eq!(status, 200);
    let web = desktop.create("web", json!({})).await;
    assert_eq!(
        web["status"]["conditions"][0]["message"],
        "0/1 nodes are available: 1 node(s) had untolerated taint {gpu: yes}."
    );
    for (name, value, is_placed) in [("same", "yes", true), ("other", "no", false)] {
        let toleration = json!({ "key": "gpu", "value": value, "effect": "NoSchedule" });
        let pod = desktop
            .create(name, json!({ "tolerations": [toleration] }))
            .await;
        assert_eq!(pod["spec"]["nodeName"] == "host", is_placed, "{name}");
    }
    let (status, _) = desktop.patch(MERGE, NODE, &taint("PreferNoSchedule")).await;
    assert_eq!(
        (status, &desktop.kept("web")["spec"]["nodeName"]),
        (200, &json!("host"))
    );
    let (status, failure) = desktop.patch(MERGE, NODE, &taint("NoExecute")).await;
    let message = failure["message"].as_str().unwrap();
    assert!(
        status == 422 && message.contains("kubectl drain"),
        "{message}"
    );
    let (status, failure) = desktop.patch(MERGE, NODE, &taint("Sometimes")).await;
    assert_eq!(status, 422, "{failure}");
}
