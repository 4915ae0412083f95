use super::*;
use serde_json::json;

#[test]
fn a_status_replaces_the_old_one_but_not_what_others_say() {
    let object = json!({
        "metadata": { "name": "web", "labels": { "a": "b" } },
        "status": { "phase": "Pending", "conditions": [{ "type": "Ready", "status": "False" }, { "type": "shop/open" }] },
    });
    let status =
        json!({ "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] });
    let shown = with_status(&object, status);
    assert_eq!(shown["metadata"], object["metadata"]);
    assert_eq!(shown["status"]["phase"], "Running");
    let conditions = json!([{ "type": "Ready", "status": "True" }, { "type": "shop/open" }]);
    assert_eq!(shown["status"]["conditions"], conditions);
}

#[test]
fn the_object_of_a_pod_that_is_gone_waits_for_its_finalizers() {
    let store = Store::in_memory();
    let (key, uid) = (
        Key {
            resource: Resource::Pods,
            namespace: "shop".to_owned(),
            name: "web".to_owned(),
        },
        PodUid("u".to_owned()),
    );
    let put = |finalizers: Value, source: &str| {
        let object = json!({ "metadata": {
            "uid": "u", "finalizers": finalizers, "annotations": { "kubernetes.io/config.source": source },
            "deletionTimestamp": "2026-01-01T00:00:30Z", "deletionGracePeriodSeconds": 30,
        } });
        let write = |_: Option<&Stored>| Ok::<_, StoreError>(Write::Durable(object));
        store.write(&key, write).unwrap();
    };
    put(json!(["example.com/hold"]), "api");
    remove(&store, &key, &uid).unwrap();
    let left = store.get(&key).unwrap();
    assert_eq!(left.object["metadata"]["deletionGracePeriodSeconds"], 0);
    remove(&store, &key, &uid).unwrap();
    assert_eq!(store.get(&key).unwrap().version, left.version);
    for (finalizers, source) in [(json!([]), "api"), (json!(["example.com/hold"]), "file")] {
        put(finalizers, source);
        remove(&store, &key, &uid).unwrap();
        assert_eq!(store.get(&key), None, "{source}");
    }
}

#[test]
fn word_of_an_incident_wakes_the_writer_and_the_end_is_the_end() {
    let outbox = Outbox::default();
    let subject = Subject {
        kind: "Node",
        namespace: "default".to_owned(),
        name: "here".to_owned(),
        uid: String::new(),
    };
    outbox.tell(subject, Incident::normal("Starting", "Starting outrigger."));
    let word = outbox.take(Duration::from_secs(60)).unwrap();
    assert_eq!(word.incidents.len(), 1);
    outbox.close();
    assert!(outbox.take(Duration::from_secs(60)).is_none());
}

#[test]
fn what_is_held_waits_until_it_is_released() {
    let outbox = Outbox::default();
    let key = Key {
        resource: Resource::Pods,
        namespace: "shop".to_owned(),
        name: "web".to_owned(),
    };
    outbox.hold();
    outbox.bury(key, PodUid("u".to_owned()));
    assert!(outbox.take(Duration::ZERO).unwrap().is_empty());
    outbox.release();
    assert_eq!(outbox.take(Duration::from_secs(60)).unwrap().gone.len(), 1);
    // Whoever ends waits for nobody.
    outbox.hold();
    outbox.close();
    assert!(outbox.take(Duration::from_secs(60)).is_none());
}
