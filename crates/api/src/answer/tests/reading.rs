//! Lists, tables and watches.

use super::*;
use crate::route::Request;

async fn fill(desktop: &Desktop, names: &[&str]) {
    for name in names {
        let (status, _) = desktop.send(&format!("POST {MAPS}"), &map(name, "1")).await;
        assert_eq!(status, 201);
    }
}

fn names(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().unwrap();
    items
        .iter()
        .map(|item| item["metadata"]["name"].as_str().unwrap())
        .collect()
}

async fn lines(desktop: &Desktop, query: &str, accept: &str) -> Lines {
    let request = route(&Ask {
        method: "GET",
        path: MAPS,
        query,
        accept,
        ..Ask::default()
    })
    .unwrap();
    let Request::Watch { listed, form } = request else {
        panic!("no watch");
    };
    match desktop.0.desk.watch(listed, form).unwrap() {
        Answer::Watching { lines, .. } => lines,
        other => panic!("{other:?}"),
    }
}

/// The next lines as word and name.
async fn next(lines: &mut Lines, count: usize) -> Vec<String> {
    let mut said = Vec::new();
    for _ in 0..count {
        let line = lines.next().await.unwrap().to_value();
        let name = line["object"]["metadata"]["name"].as_str().unwrap_or("-");
        said.push(format!("{} {name}", line["type"].as_str().unwrap()));
    }
    said
}

#[tokio::test]
async fn a_list_comes_in_parts_that_leave_nothing_out() {
    let desktop = Desktop::new();
    fill(&desktop, &["a", "b", "c", "d", "e"]).await;
    let (_, first) = desktop.get(&format!("{MAPS}?limit=2")).await;
    assert_eq!(
        (first["kind"].as_str(), names(&first)),
        (Some("ConfigMapList"), vec!["a", "b"])
    );
    assert_eq!(first["metadata"]["remainingItemCount"], 3);
    // What changes meanwhile is seen by a watch from the version of the first part.
    fill(&desktop, &["aa", "cc"]).await;
    let after = first["metadata"]["continue"].as_str().unwrap();
    let (_, second) = desktop
        .get(&format!("{MAPS}?limit=3&continue={after}"))
        .await;
    assert_eq!(names(&second), ["c", "cc", "d"]);
    assert_eq!(
        second["metadata"]["resourceVersion"],
        first["metadata"]["resourceVersion"]
    );
    let after = second["metadata"]["continue"].as_str().unwrap();
    let (_, third) = desktop
        .get(&format!("{MAPS}?limit=3&continue={after}"))
        .await;
    assert_eq!(
        (names(&third), &third["metadata"]["continue"]),
        (vec!["e"], &Value::Null)
    );
    let version = first["metadata"]["resourceVersion"].as_str().unwrap();
    let mut watch = lines(&desktop, &format!("watch=1&resourceVersion={version}"), "").await;
    assert_eq!(next(&mut watch, 2).await, ["ADDED aa", "ADDED cc"]);
    assert_eq!(
        desktop.get(&format!("{MAPS}?continue=nonsense")).await.0,
        400
    );
}

#[tokio::test]
async fn a_list_is_as_new_as_it_is_asked_to_be() {
    let desktop = Desktop::new();
    fill(&desktop, &["a"]).await;
    let version: u64 = desktop.get(MAPS).await.1["metadata"]["resourceVersion"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let at = |version: u64, kind: &str| {
        format!("{MAPS}?resourceVersion={version}&resourceVersionMatch={kind}")
    };
    assert_eq!(desktop.get(&at(version, "Exact")).await.0, 200);
    assert_eq!(desktop.get(&at(0, "NotOlderThan")).await.0, 200);
    let (status, failure) = desktop.get(&at(version + 9, "NotOlderThan")).await;
    assert_eq!(
        (status, &failure["details"]["causes"][0]["reason"]),
        (504, &json!("ResourceVersionTooLarge"))
    );
    fill(&desktop, &["b"]).await;
    assert_eq!(desktop.get(&at(version, "Exact")).await.0, 410);
    assert_eq!(desktop.get(&at(version, "NotOlderThan")).await.0, 200);
}

#[tokio::test]
async fn objects_are_chosen_by_labels_fields_and_namespace() {
    let desktop = Desktop::new();
    for name in ["web", "db"] {
        desktop.send(&format!("POST {PODS}"), &pod(name)).await;
    }
    desktop.set_phase("web", "Running");
    for (query, wanted) in [
        ("labelSelector=app%3Dweb", vec!["web"]),
        ("labelSelector=app+in+(web,db)", vec!["db", "web"]),
        ("fieldSelector=status.phase%3DRunning", vec!["web"]),
        (
            "fieldSelector=metadata.name!%3Dweb,spec.nodeName%3Dhost",
            vec!["db"],
        ),
    ] {
        let (status, list) = desktop.get(&format!("/api/v1/pods?{query}")).await;
        assert_eq!((status, names(&list)), (200, wanted), "{query}");
    }
    assert_eq!(
        desktop.get("/api/v1/namespaces/none/pods").await.1["items"],
        json!([])
    );
}

#[tokio::test]
async fn a_watch_begins_with_what_is_there_and_says_what_comes_and_goes() {
    let desktop = Desktop::new();
    fill(&desktop, &["a", "b"]).await;
    let mut watch = lines(&desktop, "watch=1", "").await;
    assert_eq!(next(&mut watch, 2).await, ["ADDED a", "ADDED b"]);
    desktop.send(&format!("PUT {MAPS}/b"), &map("b", "2")).await;
    desktop
        .send(&format!("DELETE {MAPS}/a"), &Value::Null)
        .await;
    // Another namespace is another matter.
    desktop.put(Resource::ConfigMaps, "other", "z", map("z", "1"));
    fill(&desktop, &["c"]).await;
    assert_eq!(
        next(&mut watch, 3).await,
        ["MODIFIED b", "DELETED a", "ADDED c"]
    );
}

#[tokio::test]
async fn for_one_who_chooses_an_object_comes_and_goes_with_its_labels() {
    let desktop = Desktop::new();
    fill(&desktop, &["a"]).await;
    let mut watch = lines(&desktop, "watch=1&labelSelector=x%3D1", "").await;
    let merge = "application/merge-patch+json";
    let path = format!("{MAPS}/a");
    desktop.patch(merge, &path, r#"{"data":{"k":"2"}}"#).await;
    desktop
        .patch(merge, &path, r#"{"metadata":{"labels":{"x":"1"}}}"#)
        .await;
    desktop.patch(merge, &path, r#"{"data":{"k":"3"}}"#).await;
    desktop
        .patch(merge, &path, r#"{"metadata":{"labels":{"x":"2"}}}"#)
        .await;
    desktop.patch(merge, &path, r#"{"data":{"k":"4"}}"#).await;
    desktop
        .patch(merge, &path, r#"{"metadata":{"labels":{"x":"1"}}}"#)
        .await;
    assert_eq!(
        next(&mut watch, 4).await,
        ["ADDED a", "MODIFIED a", "DELETED a", "ADDED a"]
    );
}

#[tokio::test]
async fn initial_events_end_with_a_bookmark() {
    let desktop = Desktop::new();
    fill(&desktop, &["a"]).await;
    let query =
        "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let mut watch = lines(&desktop, query, "").await;
    assert_eq!(next(&mut watch, 1).await, ["ADDED a"]);
    let bookmark = watch.next().await.unwrap().to_value();
    assert_eq!(
        (&bookmark["type"], &bookmark["object"]["kind"]),
        (&json!("BOOKMARK"), &json!("ConfigMap"))
    );
    let metadata = &bookmark["object"]["metadata"];
    assert_eq!(metadata["annotations"]["k8s.io/initial-events-end"], "true");
    assert_eq!(
        metadata["resourceVersion"],
        desktop.get(MAPS).await.1["metadata"]["resourceVersion"]
    );
}

#[tokio::test]
async fn who_wants_bookmarks_hears_from_time_to_time_how_far_things_are() {
    let desktop = Desktop::new();
    fill(&desktop, &["a"]).await;
    let version = desktop.0.store().list(Resource::ConfigMaps, None).version;
    let watch = desktop
        .0
        .store()
        .watch(Resource::ConfigMaps, version)
        .unwrap();
    let every = std::time::Duration::from_millis(1);
    let mut lines =
        Lines::new(watch, Box::new(|_| None)).with_bookmarks(("v1", "ConfigMap"), every);
    for _ in 0..2 {
        let bookmark = lines.next().await.unwrap().to_value();
        assert_eq!(bookmark["type"], "BOOKMARK");
        let metadata = &bookmark["object"]["metadata"];
        assert_eq!(metadata["resourceVersion"], version.to_string());
        assert_eq!(metadata["annotations"], Value::Null);
    }
    // What this reader does not want to see counts as seen.
    fill(&desktop, &["b"]).await;
    let now = desktop
        .0
        .store()
        .list(Resource::ConfigMaps, None)
        .version
        .to_string();
    while lines.next().await.unwrap().to_value()["object"]["metadata"]["resourceVersion"] != now {}
}

#[tokio::test]
async fn a_reader_who_is_too_slow_hears_so_in_the_last_line() {
    let desktop = Desktop::new();
    fill(&desktop, &["a"]).await;
    let version = desktop.0.store().list(Resource::ConfigMaps, None).version;
    let mut watch = lines(&desktop, &format!("watch=1&resourceVersion={version}"), "").await;
    for number in 0..5000 {
        desktop.put(
            Resource::ConfigMaps,
            "default",
            "a",
            map("a", &number.to_string()),
        );
    }
    let last = watch.next().await.unwrap().to_value();
    assert_eq!(
        (&last["type"], &last["object"]["code"]),
        (&json!("ERROR"), &json!(410))
    );
    assert_eq!(watch.next().await, None);
}

#[tokio::test]
async fn a_watch_from_a_version_that_nobody_remembers_says_so_in_its_only_line() {
    let desktop = Desktop::new();
    for number in 0..5000 {
        let object = map("a", &number.to_string());
        desktop.put(Resource::ConfigMaps, "default", "a", object);
    }
    for version in ["1", "999999"] {
        let mut watch = lines(&desktop, &format!("watch=1&resourceVersion={version}"), "").await;
        let only = watch.next().await.unwrap().to_value();
        let said = (
            &only["type"],
            &only["object"]["code"],
            &only["object"]["reason"],
        );
        assert_eq!(
            said,
            (&json!("ERROR"), &json!(410), &json!("Expired")),
            "{version}"
        );
        assert_eq!(watch.next().await, None);
    }
}

#[tokio::test]
async fn rows_of_a_watched_table_have_headers_once() {
    let desktop = Desktop::new();
    fill(&desktop, &["a", "b"]).await;
    let table = "application/json;as=Table;v=v1;g=meta.k8s.io";
    let mut watch = lines(&desktop, "watch=1", table).await;
    let first = watch.next().await.unwrap().to_value();
    assert_eq!(first["object"]["kind"], "Table");
    assert_eq!(first["object"]["columnDefinitions"][0]["name"], "Name");
    assert_eq!(first["object"]["rows"][0]["cells"][0], "a");
    let second = watch.next().await.unwrap().to_value();
    assert_eq!(second["object"]["columnDefinitions"], json!([]));
    assert_eq!(second["object"]["rows"][0]["cells"][0], "b");
}

#[tokio::test]
async fn events_are_shown_in_both_forms() {
    let desktop = Desktop::new();
    let event = json!({
        "apiVersion": "v1", "kind": "Event", "metadata": { "name": "e", "namespace": "default" },
        "involvedObject": { "kind": "Pod", "namespace": "default", "name": "web" },
        "reason": "Started", "message": "Started container main", "type": "Normal", "count": 2,
    });
    let (status, made) = desktop
        .send("POST /api/v1/namespaces/default/events", &event)
        .await;
    assert_eq!(status, 201, "{made}");
    let (_, list) = desktop
        .get("/apis/events.k8s.io/v1/namespaces/default/events")
        .await;
    assert_eq!(list["apiVersion"], "events.k8s.io/v1");
    let other = &list["items"][0];
    assert_eq!(
        (&other["note"], &other["regarding"]["name"]),
        (&event["message"], &json!("web"))
    );
    assert_eq!(
        (&other["deprecatedCount"], &other["message"]),
        (&json!(2), &Value::Null)
    );
}
