//! Patches, server-side apply, ephemeral containers and resizing.

use super::*;

const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const APPLY: &str = "application/apply-patch+yaml";

#[tokio::test]
async fn each_kind_of_patch_changes_what_it_says() {
    let desktop = Desktop::new();
    desktop.send(&format!("POST {PODS}"), &pod("web")).await;
    let path = format!("{PODS}/web");
    let image = r#"{"spec":{"containers":[{"name":"main","image":"host:/2"}]}}"#;
    let (status, changed) = desktop.patch(STRATEGIC, &path, image).await;
    assert_eq!(
        (status, &changed["spec"]["containers"][0]["image"]),
        (200, &json!("host:/2"))
    );
    assert_eq!(
        changed["spec"]["containers"][0]["command"][0], "sleep",
        "the rest stays"
    );
    let (_, changed) = desktop
        .patch(
            MERGE,
            &path,
            r#"{"metadata":{"labels":{"app":null,"x":"y"}}}"#,
        )
        .await;
    assert_eq!(changed["metadata"]["labels"], json!({ "x": "y" }));
    let steps = r#"[{"op":"test","path":"/metadata/labels/x","value":"y"},{"op":"remove","path":"/metadata/labels/x"}]"#;
    let (status, _) = desktop
        .patch("application/json-patch+json", &path, steps)
        .await;
    assert_eq!(status, 200);
    assert_eq!(
        desktop
            .patch("application/json-patch+json", &path, steps)
            .await
            .0,
        422
    );
    assert_eq!(desktop.patch(MERGE, &path, "{").await.0, 400);
    assert_eq!(
        desktop.patch(MERGE, &format!("{PODS}/other"), "{}").await.0,
        404
    );
    let stale = r#"{"metadata":{"resourceVersion":"1","labels":{"late":"1"}}}"#;
    assert_eq!(desktop.patch(MERGE, &path, stale).await.0, 409);
}

#[tokio::test]
async fn a_patch_that_changes_nothing_makes_no_new_version() {
    let desktop = Desktop::new();
    let (_, made) = desktop.send(&format!("POST {PODS}"), &pod("web")).await;
    let (_, same) = desktop
        .patch(
            STRATEGIC,
            &format!("{PODS}/web"),
            r#"{"metadata":{"labels":{"app":"web"}}}"#,
        )
        .await;
    assert_eq!(same, made);
}

#[tokio::test]
async fn a_dry_run_shows_what_would_be_and_changes_nothing() {
    let desktop = Desktop::new();
    desktop.send(&format!("POST {MAPS}"), &map("a", "1")).await;
    let (status, shown) = desktop
        .patch(
            MERGE,
            &format!("{MAPS}/a?dryRun=All"),
            r#"{"data":{"k":"2"}}"#,
        )
        .await;
    assert_eq!((status, &shown["data"]["k"]), (200, &json!("2")));
    assert_eq!(desktop.get(&format!("{MAPS}/a")).await.1["data"]["k"], "1");
    let (status, _) = desktop
        .send(&format!("DELETE {MAPS}/a?dryRun=All"), &Value::Null)
        .await;
    assert_eq!(status, 200);
    assert_eq!(desktop.get(&format!("{MAPS}/a")).await.0, 200);
}

#[tokio::test]
async fn an_apply_makes_the_object_or_changes_it() {
    let desktop = Desktop::new();
    let path = format!("{MAPS}/a?fieldManager=me&force=true");
    let yaml = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  k: '1'\n";
    let (status, made) = desktop.patch(APPLY, &path, yaml).await;
    assert_eq!((status, &made["data"]["k"]), (201, &json!("1")), "{made}");
    let (status, changed) = desktop
        .patch(APPLY, &path, &map("a", "2").to_string())
        .await;
    assert_eq!((status, &changed["data"]["k"]), (200, &json!("2")));
    assert_eq!(changed["metadata"]["uid"], made["metadata"]["uid"]);
    let (status, failure) = desktop.patch(APPLY, &format!("{MAPS}/a"), yaml).await;
    let message = failure["message"].as_str().unwrap();
    assert!(
        status == 422 && message.contains("is required for apply patch"),
        "{message}"
    );
    let (status, _) = desktop
        .patch(APPLY, &format!("{MAPS}/b?fieldManager=me"), yaml)
        .await;
    assert_eq!(status, 400, "the name is another one");
}

#[tokio::test]
async fn an_ephemeral_container_is_added_and_stays() {
    let desktop = Desktop::new();
    desktop.send(&format!("POST {PODS}"), &pod("web")).await;
    let path = format!("{PODS}/web/ephemeralcontainers");
    let add = r#"{"spec":{"ephemeralContainers":[{"name":"debug","image":"host:/","targetContainerName":"main"}]}}"#;
    let (status, changed) = desktop.patch(STRATEGIC, &path, add).await;
    assert_eq!(status, 200, "{changed}");
    assert_eq!(changed["spec"]["ephemeralContainers"][0]["name"], "debug");
    let (status, _) = desktop
        .patch(MERGE, &path, r#"{"spec":{"ephemeralContainers":[]}}"#)
        .await;
    assert_eq!(status, 422);
    assert_eq!(desktop.get(&path).await.1, changed);
}

#[tokio::test]
async fn a_resize_changes_processor_and_memory_and_nothing_else() {
    let desktop = Desktop::new();
    let mut sized = pod("web");
    sized["spec"]["containers"][0]["resources"] = json!({ "requests": { "cpu": "100m" } });
    desktop.send(&format!("POST {PODS}"), &sized).await;
    let path = format!("{PODS}/web/resize");
    let more =
        r#"{"spec":{"containers":[{"name":"main","resources":{"requests":{"cpu":"200m"}}}]}}"#;
    let (status, changed) = desktop.patch(STRATEGIC, &path, more).await;
    assert_eq!(status, 200, "{changed}");
    assert_eq!(
        changed["spec"]["containers"][0]["resources"]["requests"]["cpu"],
        "200m"
    );
    // Without the subresource it may not.
    let (status, _) = desktop
        .patch(
            STRATEGIC,
            &format!("{PODS}/web"),
            &more.replace("200m", "300m"),
        )
        .await;
    assert_eq!(status, 422);
}
