use std::sync::Mutex;

use outrigger_api::{StoreError, Write};
use serde_json::json;

use super::*;
use crate::scratch::Scratch;

#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    fn note(&self, text: String) {
        self.0.lock().unwrap().push(text);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Orders for Notes {
    fn accept(&self, pod: Pod) {
        self.note(format!("accept {}", pod.uid));
    }

    fn update(&self, pod: Pod) {
        let image = pod.containers[0].spec.image.clone().unwrap_or_default();
        self.note(format!("update {} to {image}", pod.uid));
    }

    fn delete(&self, uid: PodUid, grace_s: Option<u64>) {
        self.note(format!("delete {uid} within {grace_s:?}"));
    }

    fn retry(&self, uid: PodUid) {
        self.note(format!("retry {uid}"));
    }

    fn discard(&self, uid: PodUid, grace: Duration) {
        self.note(format!("discard {uid} within {grace:?}"));
    }

    fn set_objects(&self, objects: Objects) {
        if !objects.config_maps.is_empty() {
            self.note(format!("{} config maps", objects.config_maps.len()));
        }
    }
}

struct Fixture {
    _scratch: Scratch,
    store: Store,
    notes: Notes,
    source: Source<Notes>,
}

impl Fixture {
    fn new() -> Fixture {
        let scratch = Scratch::new();
        let store = Store::open(&scratch.path).unwrap();
        let notes = Notes::default();
        let (_, standings) = tokio::sync::mpsc::unbounded_channel();
        let outbox = Arc::new(Outbox::default());
        let source = Source::new(store.clone(), notes.clone(), outbox, standings);
        Fixture {
            _scratch: scratch,
            store,
            notes,
            source,
        }
    }

    fn put(&self, object: &Value) {
        let write = Write::Durable(object.clone());
        self.store
            .write(&key("web"), |_| Ok::<_, StoreError>(write))
            .unwrap();
    }

    /// What the source does when it sees the object as it is now.
    fn see(&mut self) -> Vec<String> {
        let stored = self.store.get(&key("web")).unwrap();
        self.source.see(stored);
        self.notes.take()
    }
}

fn key(name: &str) -> Key {
    Key {
        resource: Resource::Pods,
        namespace: "default".to_owned(),
        name: name.to_owned(),
    }
}

fn object(image: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": "web", "namespace": "default", "uid": "u-1" },
        "spec": { "nodeName": "here", "containers": [{ "name": "main", "image": image }] },
    })
}

#[test]
fn a_pod_is_accepted_once_and_updated_when_its_spec_changes() {
    let mut fixture = Fixture::new();
    let mut web = object("app:1");
    fixture.put(&web);
    assert_eq!(fixture.see(), ["accept u-1"]);
    assert_eq!(fixture.see(), [""; 0]);
    web["status"] = json!({ "phase": "Running" });
    fixture.put(&web);
    assert_eq!(fixture.see(), [""; 0], "a status is not a wish");
    web["spec"]["containers"][0]["image"] = json!("app:2");
    fixture.put(&web);
    assert_eq!(fixture.see(), ["update u-1 to app:2"]);
}

#[test]
fn a_deletion_is_handed_on_once_for_each_grace_period() {
    let mut fixture = Fixture::new();
    let mut web = object("app:1");
    fixture.put(&web);
    fixture.see();
    let far = crate::daemon::words::today() + k8s_openapi::jiff::SignedDuration::from_secs(30);
    web["metadata"]["deletionTimestamp"] = json!(crate::daemon::words::seconds(far));
    web["metadata"]["deletionGracePeriodSeconds"] = json!(30);
    fixture.put(&web);
    assert_eq!(fixture.see(), ["delete u-1 within Some(30)"]);
    assert_eq!(fixture.see(), [""; 0]);
    web["metadata"]["deletionGracePeriodSeconds"] = json!(1);
    fixture.put(&web);
    assert_eq!(fixture.see(), ["delete u-1 within Some(1)"]);
}

#[test]
fn an_object_that_was_to_go_and_has_no_life_goes() {
    let mut fixture = Fixture::new();
    let mut web = object("app:1");
    web["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    fixture.put(&web);
    assert_eq!(fixture.see(), [""; 0]);
    // The loop only leaves word of it; the thread that writes removes it.
    let outbox = Arc::clone(&fixture.source.outbox);
    let store = fixture.store.clone();
    let writer = crate::daemon::publish::start(Arc::clone(&outbox), store, "host".to_owned());
    outbox.close();
    writer.unwrap().join().unwrap();
    assert_eq!(fixture.store.get(&key("web")), None);
}

#[test]
fn an_adopted_pod_without_an_object_is_put_back_unless_somebody_deleted_it() {
    let mut fixture = Fixture::new();
    let pod = Arc::new(objects::pod(&object("app:1")).unwrap());
    fixture
        .source
        .adopted(&[Arc::clone(&pod)], &BTreeMap::new());
    fixture.source.catch_up().unwrap();
    assert_eq!(fixture.notes.take(), [""; 0]);
    let stored = fixture.store.get(&key("web")).unwrap();
    assert_eq!(uid(&stored), Some(pod.uid.clone()));
    assert_eq!(fixture.source.outbox.told()[0].0, "PutBackFromRecord");

    let gone = fixture
        .store
        .write(&key("web"), |_| Ok::<_, StoreError>(Write::Remove));
    gone.unwrap();
    fixture
        .source
        .adopted(&[Arc::clone(&pod)], &BTreeMap::new());
    fixture.source.catch_up().unwrap();
    assert_eq!(fixture.notes.take(), ["delete u-1 within Some(0)"]);
    // Its name was given to another.
    let mut other = object("app:1");
    other["metadata"]["uid"] = json!("u-2");
    fixture.put(&other);
    fixture.store.forget_deleted("u-1");
    fixture.source.adopted(&[pod], &BTreeMap::new());
    fixture.source.catch_up().unwrap();
    let told = fixture.notes.take();
    assert_eq!(told, ["delete u-1 within Some(0)", "accept u-2"]);
}

#[test]
fn a_pod_that_somebody_deleted_is_looked_for_without_its_record() {
    let mut fixture = Fixture::new();
    fixture.put(&object("app:1"));
    let gone = fixture
        .store
        .write(&key("web"), |_| Ok::<_, StoreError>(Write::Remove));
    gone.unwrap();
    let uid = PodUid("u-1".to_owned());
    let expected = BTreeMap::from([(uid.clone(), crate::adopt::Lived::Unknown)]);
    assert_eq!(fixture.source.lived(), expected);
    // Its shim was found.
    let left = BTreeMap::from([(uid, "its record is missing".to_owned())]);
    fixture.source.adopted(&[], &left);
    assert_eq!(fixture.notes.take(), ["discard u-1 within 0ns"]);
}

#[test]
fn an_adopted_pod_whose_object_has_not_changed_is_left_alone() {
    let mut fixture = Fixture::new();
    let pod = Arc::new(objects::pod(&object("app:1")).unwrap());
    fixture.put(&serde_json::to_value(&pod.manifest).unwrap());
    fixture.source.adopted(&[pod], &BTreeMap::new());
    fixture.source.catch_up().unwrap();
    assert_eq!(fixture.notes.take(), [""; 0]);
}

#[test]
fn a_pod_that_may_run_and_was_not_taken_up_is_neither_begun_again_nor_buried() {
    let mut fixture = Fixture::new();
    let left = BTreeMap::from([(PodUid("u-1".to_owned()), "it is locked".to_owned())]);
    let mut web = object("app:1");
    fixture.put(&web);
    fixture.source.adopted(&[], &left);
    assert_eq!(fixture.see(), [""; 0]);
    let shown = fixture.store.get(&key("web")).unwrap().object;
    assert_eq!(shown["status"]["phase"], "Unknown");
    let told = fixture.source.outbox.told();
    let [(reason, text)] = told.as_slice() else {
        panic!("{told:?}");
    };
    assert_eq!(shown["status"]["reason"], reason.as_str());
    let message = shown["status"]["message"].as_str().unwrap();
    assert!(message.starts_with(text.as_str()), "{message}");
    assert!(text.ends_with(": it is locked"), "{text}");
    web["metadata"]["annotations"] = json!({ "outrigger.run/retry": "now" });
    fixture.put(&web);
    assert_eq!(fixture.see(), ["retry u-1"]);
    assert_eq!(fixture.see(), [""; 0]);
    web["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    web["metadata"]["deletionGracePeriodSeconds"] = json!(30);
    fixture.put(&web);
    assert_eq!(fixture.see(), ["discard u-1 within 1s"]);
    assert_eq!(fixture.see(), [""; 0]);
    assert!(fixture.store.get(&key("web")).is_some());
}

#[test]
fn how_a_pod_ended_stays_shown_when_its_record_is_lost() {
    let mut fixture = Fixture::new();
    let mut web = object("app:1");
    web["status"] = json!({ "phase": "Succeeded", "startTime": "2026-01-01T00:00:00Z" });
    fixture.put(&web);
    let uid = PodUid("u-1".to_owned());
    assert_eq!(
        fixture.source.lived(),
        BTreeMap::from([(uid.clone(), crate::adopt::Lived::Over)])
    );
    let left = BTreeMap::from([(uid.clone(), "its record is missing".to_owned())]);
    fixture.source.adopted(&[], &left);
    assert_eq!(fixture.see(), [""; 0]);
    let shown = fixture.store.get(&key("web")).unwrap().object;
    assert_eq!(shown["status"]["phase"], "Succeeded");
    // It goes as all that have finished: at once.
    let gone = fixture
        .store
        .write(&key("web"), |_| Ok::<_, StoreError>(Write::Remove));
    gone.unwrap();
    fixture.source.catch_up();
    fixture.source.forget(&uid);
    assert_eq!(fixture.notes.take(), ["discard u-1 within 0ns"]);
    fixture.source.stands(Standing::Discarded(uid));
    assert!(fixture.source.left.is_empty());
}

#[tokio::test]
async fn a_config_map_is_taken_over_when_it_comes_changes_and_goes() {
    let fixture = Fixture::new();
    let mut objects = Objects::default();
    let mut watch = fixture.store.watch(Resource::ConfigMaps, 0).unwrap();
    let map = Key {
        resource: Resource::ConfigMaps,
        ..key("settings")
    };
    let state = |value: &str| {
        Write::Durable(json!({
            "apiVersion": "v1", "kind": "ConfigMap", "data": { "k": value },
            "metadata": { "name": "settings", "namespace": "default" },
        }))
    };
    for (write, wanted) in [(state("1"), 1), (state("2"), 1), (Write::Remove, 0)] {
        fixture
            .store
            .write(&map, |_| Ok::<_, StoreError>(write))
            .unwrap();
        objects::take(&mut objects, &watch.next().await.unwrap());
        assert_eq!(objects, objects::of(&fixture.store));
        assert_eq!(objects.config_maps.len(), wanted);
    }
}

#[test]
fn what_is_left_of_a_grace_period_is_never_more_than_all_of_it() {
    let now: Timestamp = "2026-01-01T00:00:10.5Z".parse().unwrap();
    let end = |text: &str| Some(text.parse::<Timestamp>().unwrap());
    assert_eq!(left((end("2026-01-01T00:00:40Z"), Some(30)), now), Some(30));
    assert_eq!(left((end("2026-01-01T00:00:20Z"), Some(30)), now), Some(11));
    assert_eq!(left((end("2026-01-01T00:00:00Z"), Some(30)), now), Some(1));
    assert_eq!(left((end("2026-01-01T00:00:00Z"), Some(0)), now), Some(0));
    assert_eq!(left((None, None), now), None);
}
