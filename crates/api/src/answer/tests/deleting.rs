//! How Pods, namespaces and the rest end.

use super::*;

async fn delete(desktop: &Desktop, path: &str, options: Value) -> (u16, Value) {
    desktop.send(&format!("DELETE {path}"), &options).await
}

#[tokio::test]
async fn a_pod_is_marked_and_stays_until_the_node_is_done_with_it() {
    let desktop = Desktop::new();
    desktop.send(&format!("POST {PODS}"), &pod("web")).await;
    let path = format!("{PODS}/web");
    let (status, marked) = delete(&desktop, &path, Value::Null).await;
    assert_eq!(
        (status, &marked["metadata"]["deletionGracePeriodSeconds"]),
        (200, &json!(30))
    );
    let end = marked["metadata"]["deletionTimestamp"].clone();
    assert!(end.is_string());
    assert_eq!(marked["metadata"]["generation"], 2);
    // A longer grace changes nothing, a shorter one brings the end nearer.
    let (_, same) = delete(&desktop, &path, json!({ "gracePeriodSeconds": 60 })).await;
    assert_eq!(same, marked);
    let (_, nearer) = delete(&desktop, &path, json!({ "gracePeriodSeconds": 10 })).await;
    assert_eq!(nearer["metadata"]["deletionGracePeriodSeconds"], 10);
    let moment = |value: &Value| value.as_str().unwrap().parse::<Timestamp>().unwrap();
    let moved =
        moment(&end).as_second() - moment(&nearer["metadata"]["deletionTimestamp"]).as_second();
    assert_eq!(moved, 20);
    let (status, _) = delete(&desktop, &path, json!({ "gracePeriodSeconds": 0 })).await;
    assert_eq!(status, 200);
    assert_eq!(desktop.get(&path).await.0, 404);
}

#[tokio::test]
async fn a_finished_pod_and_a_forced_end_are_at_once() {
    let desktop = Desktop::new();
    for name in ["done", "forced"] {
        desktop.send(&format!("POST {PODS}"), &pod(name)).await;
    }
    desktop.set_phase("done", "Succeeded");
    let (status, last) = delete(&desktop, &format!("{PODS}/done"), Value::Null).await;
    assert_eq!(
        (status, &last["status"]["phase"]),
        (200, &json!("Succeeded"))
    );
    assert_eq!(desktop.get(&format!("{PODS}/done")).await.0, 404);
    delete(
        &desktop,
        &format!("{PODS}/forced?gracePeriodSeconds=0"),
        Value::Null,
    )
    .await;
    assert_eq!(desktop.get(&format!("{PODS}/forced")).await.0, 404);
}

#[tokio::test]
async fn preconditions_name_the_life_and_the_state_that_is_meant() {
    let desktop = Desktop::new();
    let (_, made) = desktop.send(&format!("POST {MAPS}"), &map("a", "1")).await;
    let path = format!("{MAPS}/a");
    let (status, failure) =
        delete(&desktop, &path, json!({ "preconditions": { "uid": "x" } })).await;
    assert_eq!((status, &failure["reason"]), (409, &json!("Conflict")));
    let other = json!({ "preconditions": { "resourceVersion": "1" } });
    assert_eq!(delete(&desktop, &path, other).await.0, 409);
    let (status, _) = delete(&desktop, &path, json!({ "propagationPolicy": "Sideways" })).await;
    assert_eq!(status, 400);
    let right = json!({ "preconditions": { "uid": made["metadata"]["uid"] }, "propagationPolicy": "Background" });
    let (status, done) = delete(&desktop, &path, right).await;
    assert_eq!((status, &done["status"]), (200, &json!("Success")));
    assert_eq!(
        done["details"],
        json!({ "name": "a", "kind": "configmaps", "uid": made["metadata"]["uid"] })
    );
    assert_eq!(delete(&desktop, &path, Value::Null).await.0, 404);
}

#[tokio::test]
async fn a_finalizer_is_waited_for() {
    let desktop = Desktop::new();
    let mut held = map("a", "1");
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    desktop.send(&format!("POST {MAPS}"), &held).await;
    let path = format!("{MAPS}/a");
    delete(&desktop, &path, Value::Null).await;
    let (status, waiting) = desktop.get(&path).await;
    assert!(status == 200 && waiting["metadata"]["deletionTimestamp"].is_string());
    let release = r#"{"metadata":{"finalizers":null}}"#;
    let (status, _) = desktop
        .patch("application/merge-patch+json", &path, release)
        .await;
    assert_eq!(status, 200);
    assert_eq!(desktop.get(&path).await.0, 404);
}

#[tokio::test]
async fn what_comes_from_a_file_is_changed_only_there() {
    let desktop = Desktop::new();
    let (_, mut made) = desktop.send(&format!("POST {PODS}"), &pod("web")).await;
    made["metadata"]["annotations"] = json!({
        "kubernetes.io/config.source": "file", "outrigger.run/config.file": "/etc/web.yaml",
    });
    desktop.put(Resource::Pods, "default", "web", made);
    let path = format!("{PODS}/web");
    let (status, failure) = delete(&desktop, &path, json!({ "gracePeriodSeconds": 0 })).await;
    let words =
        "pods \"web\" is forbidden: it comes from the file /etc/web.yaml; remove that file instead";
    assert_eq!((status, failure["message"].as_str()), (403, Some(words)));
    let label = r#"{"metadata":{"labels":{"a":"b"}}}"#;
    assert_eq!(
        desktop
            .patch("application/merge-patch+json", &path, label)
            .await
            .0,
        403
    );
    let (status, _) = desktop
        .send(&format!("POST {path}/eviction"), &json!({}))
        .await;
    assert_eq!(status, 403);
    // Who deletes all deletes what can be deleted.
    desktop.send(&format!("POST {PODS}"), &pod("other")).await;
    let (status, gone) = delete(
        &desktop,
        &format!("{PODS}?gracePeriodSeconds=0"),
        Value::Null,
    )
    .await;
    assert_eq!((status, gone["items"].as_array().unwrap().len()), (200, 1));
    assert_eq!(desktop.get(&path).await.0, 200);
}

#[tokio::test]
async fn an_eviction_is_a_graceful_end() {
    let desktop = Desktop::new();
    desktop.send(&format!("POST {PODS}"), &pod("web")).await;
    let eviction = json!({
        "apiVersion": "policy/v1", "kind": "Eviction", "metadata": { "name": "web" },
        "deleteOptions": { "gracePeriodSeconds": 7 },
    });
    let (status, done) = desktop
        .send(&format!("POST {PODS}/web/eviction"), &eviction)
        .await;
    assert_eq!((status, &done["status"]), (201, &json!("Success")));
    let left = desktop.get(&format!("{PODS}/web")).await.1;
    assert_eq!(left["metadata"]["deletionGracePeriodSeconds"], 7);
}

#[tokio::test]
async fn a_namespace_ends_after_its_pods_and_with_all_that_is_in_it() {
    let desktop = Desktop::new();
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "n" } });
    desktop.send("POST /api/v1/namespaces", &namespace).await;
    desktop
        .send("POST /api/v1/namespaces/n/pods", &pod("web"))
        .await;
    desktop
        .send("POST /api/v1/namespaces/n/configmaps", &map("a", "1"))
        .await;
    let (status, ending) = delete(&desktop, "/api/v1/namespaces/n", Value::Null).await;
    assert_eq!(
        (status, &ending["status"]["phase"]),
        (200, &json!("Terminating"))
    );
    let web = desktop.get("/api/v1/namespaces/n/pods/web").await.1;
    assert!(web["metadata"]["deletionTimestamp"].is_string());
    assert_eq!(
        desktop.get("/api/v1/namespaces/n/configmaps/a").await.0,
        200,
        "the Pod may need it still"
    );
    let (status, failure) = desktop
        .send("POST /api/v1/namespaces/n/configmaps", &map("b", "1"))
        .await;
    let message = failure["message"].as_str().unwrap();
    assert!(
        status == 403 && message.contains("because it is being terminated"),
        "{message}"
    );
    assert_eq!(
        failure["details"]["causes"][0]["reason"],
        "NamespaceTerminating"
    );
    // The node is done with the Pod; the front sees it and goes on.
    let store = desktop.0.store().clone();
    let mut watch = store.watch(Resource::Namespaces, 0).unwrap();
    let web = key(Resource::Pods, "n", "web");
    let gone = async {
        store
            .write(&web, |_| Ok::<_, StoreError>(Write::Remove))
            .unwrap();
        watch.next().await.unwrap()
    };
    let notice = tokio::select! {
        () = desktop.0.keep_house() => panic!("it never ends"),
        notice = gone => notice,
    };
    assert_eq!(
        (notice.change, notice.stored.key.name.as_str()),
        (crate::Change::Deleted, "n")
    );
    assert_eq!(store.list(Resource::ConfigMaps, Some("n")).items, []);
    assert_eq!(store.list(Resource::ServiceAccounts, Some("n")).items, []);
    let (status, failure) = delete(&desktop, "/api/v1/namespaces/default", Value::Null).await;
    let words = "namespaces \"default\" is forbidden: this namespace may not be deleted";
    assert_eq!((status, failure["message"].as_str()), (403, Some(words)));
}

#[tokio::test]
async fn a_forced_end_reaches_a_pod_that_is_ending_and_held() {
    let desktop = Desktop::new();
    let mut held = pod("web");
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    desktop.send(&format!("POST {PODS}"), &held).await;
    let path = format!("{PODS}/web");
    let (_, ending) = delete(&desktop, &path, Value::Null).await;
    let (_, forced) = delete(&desktop, &path, json!({ "gracePeriodSeconds": 0 })).await;
    let of = |object: &Value, name: &str| object["metadata"][name].clone();
    assert_eq!(of(&forced, "deletionGracePeriodSeconds"), 0);
    assert!(of(&forced, "deletionTimestamp").as_str() < of(&ending, "deletionTimestamp").as_str());
    assert_eq!(
        (of(&ending, "generation"), of(&forced, "generation")),
        (json!(2), json!(2))
    );
    let release = r#"{"metadata":{"finalizers":null}}"#;
    desktop
        .patch("application/merge-patch+json", &path, release)
        .await;
    assert_eq!(desktop.get(&path).await.0, 404);
}

#[tokio::test]
async fn nobody_else_can_say_that_an_object_comes_from_a_file() {
    let desktop = Desktop::new();
    let file = json!({ "kubernetes.io/config.source": "file" });
    let mut false_one = pod("web");
    false_one["metadata"]["annotations"] = file.clone();
    let (status, failure) = desktop.send(&format!("POST {PODS}"), &false_one).await;
    let field = &failure["details"]["causes"][0]["field"];
    assert_eq!(
        (status, field),
        (
            422,
            &json!("metadata.annotations[kubernetes.io/config.source]")
        )
    );
    desktop.send(&format!("POST {MAPS}"), &map("a", "1")).await;
    let patch = json!({ "metadata": { "annotations": file } }).to_string();
    for path in [format!("{MAPS}/a"), "/api/v1/namespaces/default".to_owned()] {
        let (status, _) = desktop
            .patch("application/merge-patch+json", &path, &patch)
            .await;
        assert_eq!(status, 422, "{path}");
    }
}

#[tokio::test]
async fn a_namespace_waits_for_all_finalizers_and_for_no_pod_to_notice() {
    let desktop = Desktop::new();
    let hold = json!(["example.com/hold"]);
    let namespace = json!({ "metadata": { "name": "n", "finalizers": hold } });
    desktop.send("POST /api/v1/namespaces", &namespace).await;
    let mut held = map("a", "1");
    held["metadata"]["finalizers"] = hold;
    desktop
        .send("POST /api/v1/namespaces/n/configmaps", &held)
        .await;
    delete(&desktop, "/api/v1/namespaces/n", Value::Null).await;
    let release = r#"{"metadata":{"finalizers":null}}"#;
    let kind = "application/merge-patch+json";
    desktop.patch(kind, "/api/v1/namespaces/n", release).await;
    assert_eq!(
        desktop.get("/api/v1/namespaces/n").await.0,
        200,
        "there is something in it"
    );
    desktop
        .patch(kind, "/api/v1/namespaces/n/configmaps/a", release)
        .await;
    assert_eq!(desktop.get("/api/v1/namespaces/n").await.0, 404);
}

#[tokio::test]
async fn a_namespace_with_something_of_a_file_in_it_is_not_even_begun_to_end() {
    let desktop = Desktop::new();
    desktop
        .send(
            "POST /api/v1/namespaces",
            &json!({ "metadata": { "name": "n" } }),
        )
        .await;
    let mut object = map("a", "1");
    object["metadata"]["annotations"] = json!({ "kubernetes.io/config.source": "file" });
    desktop.put(Resource::ConfigMaps, "n", "a", object);
    assert_eq!(
        delete(&desktop, "/api/v1/namespaces/n", Value::Null)
            .await
            .0,
        403
    );
    let left = desktop.get("/api/v1/namespaces/n").await.1;
    assert_eq!(left["status"]["phase"], "Active");
}
