//! Creating objects, and changing them with `PUT`.

use super::*;

#[tokio::test]
async fn a_new_pod_is_filled_in_as_a_cluster_would() {
    let desktop = Desktop::new();
    let (status, made) = desktop
        .send(&format!("POST {PODS}?fieldManager=t"), &pod("web"))
        .await;
    assert_eq!(status, 201, "{made}");
    assert_eq!(made["metadata"]["namespace"], "default");
    assert_eq!(made["metadata"]["uid"].as_str().unwrap().len(), 36);
    assert_eq!(made["metadata"]["generation"], 1);
    assert!(
        made["metadata"]["creationTimestamp"]
            .as_str()
            .unwrap()
            .ends_with('Z')
    );
    assert_eq!(made["spec"]["nodeName"], "host");
    assert_eq!(made["spec"]["serviceAccountName"], "default");
    assert_eq!(made["spec"]["restartPolicy"], "Always");
    assert_eq!(made["status"]["phase"], "Pending");
    assert_eq!(made["kind"], "Pod");
    assert_eq!(desktop.get(&format!("{PODS}/web")).await, (200, made));
    let (status, again) = desktop.send(&format!("POST {PODS}"), &pod("web")).await;
    assert_eq!(
        (status, &again["message"]),
        (409, &json!("pods \"web\" already exists"))
    );
    assert_eq!(again["reason"], "AlreadyExists");
}

#[tokio::test]
async fn what_is_wrong_is_said_with_all_its_causes() {
    let desktop = Desktop::new();
    let mut wrong = pod("Web_");
    wrong["metadata"]["labels"] = json!({});
    wrong["spec"]["restartPolicy"] = "Sometimes".into();
    let (status, failure) = desktop.send(&format!("POST {PODS}"), &wrong).await;
    assert_eq!((status, &failure["reason"]), (422, &json!("Invalid")));
    let fields: Vec<&str> = failure["details"]["causes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|cause| cause["field"].as_str().unwrap())
        .collect();
    assert_eq!(fields, ["metadata.name", "spec.restartPolicy"]);
    let message = failure["message"].as_str().unwrap();
    assert!(
        message.starts_with("Pod \"Web_\" is invalid: [metadata.name: Invalid value"),
        "{message}"
    );
}

#[tokio::test]
async fn an_unknown_field_is_an_error_a_warning_or_nothing() {
    let desktop = Desktop::new();
    let mut odd = pod("web");
    odd["spec"]["foo"] = 1.into();
    let path = |word: &str| format!("POST {PODS}?dryRun=All&fieldValidation={word}");
    let (status, failure, _) = desktop.full(&path("Strict"), &odd).await;
    let message = failure["message"].as_str().unwrap();
    assert!(
        status == 400 && message.contains("strict decoding error: unknown field \"spec.foo\""),
        "{message}"
    );
    let (status, _, warnings) = desktop.full(&path("Warn"), &odd).await;
    assert_eq!(
        (status, warnings),
        (201, vec!["unknown field \"spec.foo\"".to_owned()])
    );
    let (status, _, warnings) = desktop.full(&path("Ignore"), &odd).await;
    assert_eq!((status, warnings), (201, vec![]));
    assert_eq!(
        desktop.get(&format!("{PODS}/web")).await.0,
        404,
        "nothing was kept"
    );
}

#[tokio::test]
async fn names_are_made_and_namespaces_must_exist() {
    let desktop = Desktop::new();
    let mut nameless = map("", "1");
    nameless["metadata"] = json!({ "generateName": "m-" });
    let (status, made) = desktop.send(&format!("POST {MAPS}"), &nameless).await;
    let name = made["metadata"]["name"].as_str().unwrap();
    assert!(
        status == 201 && name.starts_with("m-") && name.len() == 7,
        "{made}"
    );
    let (_, other) = desktop.send(&format!("POST {MAPS}"), &nameless).await;
    assert_ne!(other["metadata"]["name"], name);
    nameless["metadata"] = json!({ "generateName": "m".repeat(100) });
    let (_, long) = desktop.send(&format!("POST {MAPS}"), &nameless).await;
    assert_eq!(long["metadata"]["name"].as_str().unwrap().len(), 63);
    nameless["metadata"] = json!({});
    let (status, failure) = desktop.send(&format!("POST {MAPS}"), &nameless).await;
    let message = failure["message"].as_str().unwrap();
    assert!(
        status == 422 && message.contains("name or generateName is required"),
        "{message}"
    );
    let elsewhere = "POST /api/v1/namespaces/elsewhere/configmaps";
    let (status, failure) = desktop.send(elsewhere, &map("a", "1")).await;
    assert_eq!(
        (status, &failure["message"]),
        (404, &json!("namespaces \"elsewhere\" not found"))
    );
    let mut misplaced = map("a", "1");
    misplaced["metadata"]["namespace"] = "other".into();
    let (status, failure) = desktop.send(&format!("POST {MAPS}"), &misplaced).await;
    assert!(
        status == 400
            && failure["message"]
                .as_str()
                .unwrap()
                .contains("does not match the namespace")
    );
}

#[tokio::test]
async fn a_new_namespace_has_its_service_account() {
    let desktop = Desktop::new();
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "n" } });
    let (status, made) = desktop.send("POST /api/v1/namespaces", &namespace).await;
    assert_eq!((status, &made["status"]["phase"]), (201, &json!("Active")));
    assert_eq!(
        made["metadata"]["labels"]["kubernetes.io/metadata.name"],
        "n"
    );
    let account = "/api/v1/namespaces/n/serviceaccounts/default";
    assert_eq!(desktop.get(account).await.0, 200);
}

#[tokio::test]
async fn whoever_was_overtaken_is_told_so() {
    let desktop = Desktop::new();
    let (_, first) = desktop.send(&format!("POST {MAPS}"), &map("a", "1")).await;
    let mut mine = first.clone();
    mine["data"]["k"] = "2".into();
    let (status, second) = desktop.send(&format!("PUT {MAPS}/a"), &mine).await;
    assert_eq!((status, &second["data"]["k"]), (200, &json!("2")));
    mine["data"]["k"] = "3".into();
    let (status, failure) = desktop.send(&format!("PUT {MAPS}/a"), &mine).await;
    let words = "Operation cannot be fulfilled on configmaps \"a\": the object has been modified; please apply \
                 your changes to the latest version and try again";
    assert_eq!((status, failure["message"].as_str()), (409, Some(words)));
    // Without a version it is meant whatever was there.
    let (status, _) = desktop.send(&format!("PUT {MAPS}/a"), &map("a", "4")).await;
    assert_eq!(status, 200);
    mine["metadata"]["resourceVersion"] = Value::Null;
    mine["metadata"]["uid"] = "another".into();
    let (status, failure) = desktop.send(&format!("PUT {MAPS}/a"), &mine).await;
    let message = failure["message"].as_str().unwrap();
    assert!(
        status == 409 && message.contains("UID in precondition: another"),
        "{message}"
    );
    let (status, failure) = desktop.send(&format!("PUT {MAPS}/b"), &map("a", "4")).await;
    let message = failure["message"].as_str().unwrap();
    assert!(
        status == 400 && message.contains("does not match the name on the URL (b)"),
        "{message}"
    );
}

#[tokio::test]
async fn of_a_pod_only_what_may_change_does() {
    let desktop = Desktop::new();
    let (_, made) = desktop.send(&format!("POST {PODS}"), &pod("web")).await;
    let mut next = made.clone();
    next["spec"]["containers"][0]["image"] = "host:/other".into();
    next["status"]["phase"] = "Running".into();
    let (status, changed) = desktop.send(&format!("PUT {PODS}/web"), &next).await;
    assert_eq!(status, 200, "{changed}");
    assert_eq!(changed["spec"]["containers"][0]["image"], "host:/other");
    assert_eq!(changed["metadata"]["generation"], 2);
    assert_eq!(
        changed["status"]["phase"], "Pending",
        "the status is the node's"
    );
    let mut next = changed.clone();
    next["spec"]["hostNetwork"] = true.into();
    let (status, failure) = desktop.send(&format!("PUT {PODS}/web"), &next).await;
    let message = failure["message"].as_str().unwrap();
    assert!(
        status == 422 && message.contains("pod updates may not change fields other than"),
        "{message}"
    );
}

#[tokio::test]
async fn the_status_is_the_nodes_but_for_conditions_of_others() {
    let desktop = Desktop::new();
    desktop.send(&format!("POST {PODS}"), &pod("web")).await;
    let path = format!("{PODS}/web/status");
    let merge = "application/merge-patch+json";
    let gate = r#"{"status":{"conditions":[{"type":"example.com/gate","status":"True"}]}}"#;
    let (status, changed) = desktop.patch(merge, &path, gate).await;
    assert_eq!(status, 200, "{changed}");
    assert_eq!(
        changed["status"]["conditions"][0]["type"],
        "example.com/gate"
    );
    let (status, failure) = desktop
        .patch(merge, &path, r#"{"status":{"phase":"Running"}}"#)
        .await;
    let message = failure["message"].as_str().unwrap();
    assert!(
        status == 403 && message.contains("its status is written by the node"),
        "{message}"
    );
    let ready = r#"{"status":{"conditions":[{"type":"Ready","status":"True"}]}}"#;
    assert_eq!(desktop.patch(merge, &path, ready).await.0, 403);
}

#[tokio::test]
async fn of_a_node_people_change_the_labels() {
    let desktop = Desktop::new();
    let node = json!({
        "apiVersion": "v1", "kind": "Node", "metadata": { "name": "host", "uid": "u" }, "spec": {},
        "status": { "phase": "Running" },
    });
    desktop.put(Resource::Nodes, "", "host", node);
    let merge = "application/merge-patch+json";
    let labels = r#"{"metadata":{"labels":{"a":"b"}}}"#;
    let (status, changed) = desktop.patch(merge, "/api/v1/nodes/host", labels).await;
    assert_eq!(
        (status, &changed["metadata"]["labels"]["a"]),
        (200, &json!("b"))
    );
    let other = r#"{"spec":{"podCIDR":"10.0.0.0/8"}}"#;
    assert_eq!(
        desktop.patch(merge, "/api/v1/nodes/host", other).await.0,
        403
    );
    let bad = r#"{"metadata":{"labels":{"a b":"c"}}}"#;
    assert_eq!(desktop.patch(merge, "/api/v1/nodes/host", bad).await.0, 422);
}
