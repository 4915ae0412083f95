use std::time::{Duration, Instant};

use outrigger_api::{Key, StoreError, Write};
use serde_json::{Value, json};

use super::*;
use crate::scratch::Scratch;

struct Fixture {
    scratch: Scratch,
    store: Store,
    outbox: Arc<Outbox>,
    manifests: Manifests,
}

impl Fixture {
    fn new() -> Fixture {
        let scratch = Scratch::new();
        let folder = scratch.path.join("manifests");
        std::fs::create_dir(&folder).unwrap();
        let store = Store::open(&scratch.path.join("store")).unwrap();
        let outbox = Arc::new(Outbox::default());
        let manifests = Manifests::new(
            store.clone(),
            Arc::clone(&outbox),
            folder,
            "here".to_owned(),
        );
        Fixture {
            scratch,
            store,
            outbox,
            manifests,
        }
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder().join(name), text).unwrap();
    }

    fn folder(&self) -> PathBuf {
        self.scratch.path.join("manifests")
    }

    fn look(&mut self) {
        self.manifests.look();
    }

    fn pod(&self, name: &str) -> Option<Value> {
        Some((*self.store.get(&key(Resource::Pods, name))?.object).clone())
    }

    fn put(&self, resource: Resource, name: &str, object: Write) {
        self.store
            .write(&key(resource, name), |_| Ok::<_, StoreError>(object))
            .unwrap();
    }

    /// The reasons of what was told since the last time.
    fn told(&self) -> Vec<(String, String)> {
        self.outbox.told()
    }
}

fn key(resource: Resource, name: &str) -> Key {
    Key {
        resource,
        namespace: "default".to_owned(),
        name: name.to_owned(),
    }
}

fn manifest(name: &str, image: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec: {{containers: [{{name: main, image: '{image}'}}]}}\n"
    )
}

#[test]
fn a_file_that_appears_makes_its_pods_and_one_that_goes_deletes_them() {
    let mut fixture = Fixture::new();
    fixture.write("web.yaml", &manifest("web", "app:1"));
    fixture.write("web.yaml~", &manifest("backup", "app:1"));
    fixture.look();
    let web = fixture.pod("web").unwrap();
    assert_eq!(web["metadata"]["annotations"][SOURCE], "file");
    assert_eq!(web["metadata"]["annotations"][FILE], "web.yaml");
    assert_eq!(
        web["metadata"]["annotations"][MIRROR],
        web["metadata"]["annotations"][HASH]
    );
    assert_eq!(web["spec"]["nodeName"], "here");
    assert_eq!(fixture.pod("backup"), None);
    std::fs::remove_file(fixture.folder().join("web.yaml")).unwrap();
    fixture.look();
    let going = fixture.pod("web").unwrap();
    assert_eq!(going["metadata"]["deletionGracePeriodSeconds"], 30);
    assert_eq!(going["metadata"]["uid"], web["metadata"]["uid"]);
}

#[test]
fn a_changed_document_is_another_pod_once_the_old_one_is_gone() {
    let mut fixture = Fixture::new();
    fixture.write("web.yaml", &manifest("web", "app:1"));
    fixture.look();
    let first = fixture.pod("web").unwrap();
    fixture.write("web.yaml", &manifest("web", "app:two"));
    fixture.look();
    fixture.look();
    let going = fixture.pod("web").unwrap();
    assert!(going["metadata"]["deletionTimestamp"].is_string());
    assert_eq!(going["spec"], first["spec"]);
    fixture.put(Resource::Pods, "web", Write::Remove);
    fixture.look();
    let second = fixture.pod("web").unwrap();
    assert_eq!(second["spec"]["containers"][0]["image"], "app:two");
    assert_ne!(second["metadata"]["uid"], first["metadata"]["uid"]);
}

#[test]
fn nothing_of_a_bad_secret_is_told() {
    let mut fixture = Fixture::new();
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: pin}\nstringData: {pin: 4711}\n";
    fixture.write("pin.yaml", secret);
    fixture.look();
    let told = fixture.told();
    let [(reason, text)] = told.as_slice() else {
        panic!("{told:?}");
    };
    assert_eq!(reason, "FailedValidation");
    assert!(
        text.contains("pin.yaml") && text.contains("stringData.pin"),
        "{text}"
    );
    assert!(!text.contains("4711"), "{text}");
}

#[test]
fn a_grace_beyond_all_time_ends_with_time() {
    let mut fixture = Fixture::new();
    let text = manifest("web", "app:1").replace(
        "containers:",
        "terminationGracePeriodSeconds: 9223372036854775807, containers:",
    );
    fixture.write("web.yaml", &text);
    fixture.look();
    std::fs::remove_file(fixture.folder().join("web.yaml")).unwrap();
    fixture.look();
    let going = fixture.pod("web").unwrap();
    assert!(
        going["metadata"]["deletionTimestamp"]
            .as_str()
            .unwrap()
            .starts_with("9999-")
    );
}

#[test]
fn a_bad_file_is_told_once_and_changes_nothing() {
    let mut fixture = Fixture::new();
    fixture.write("web.yaml", &manifest("web", "app:1"));
    fixture.write("other.yaml", &manifest("other", "app:1"));
    fixture.look();
    let web = fixture.pod("web");
    fixture.write("web.yaml", "kind: Pod\nspec: [}");
    fixture.look();
    fixture.look();
    let told = fixture.told();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].0, "FailedValidation");
    assert!(told[0].1.contains("web.yaml"), "{told:?}");
    assert_eq!(fixture.pod("web"), web);
    assert!(fixture.pod("other").is_some());
    // Nor does it when the daemon starts anew and has never read it well.
    let folder = fixture.folder();
    let outbox = Arc::clone(&fixture.outbox);
    fixture.manifests = Manifests::new(fixture.store.clone(), outbox, folder, "here".to_owned());
    fixture.look();
    assert_eq!(fixture.pod("web"), web);
}

#[test]
fn an_emptied_file_and_a_link_that_leads_nowhere_end_nothing() {
    let mut fixture = Fixture::new();
    // Whoever has made a file and is about to write it is not told of it.
    fixture.write("web.yaml", "");
    fixture.look();
    assert_eq!(fixture.told(), []);
    fixture.write("web.yaml", &manifest("web", "app:1"));
    fixture.look();
    let web = fixture.pod("web");
    fixture.write("web.yaml", "\n");
    fixture.look();
    assert_eq!(fixture.pod("web"), web);
    let told = fixture.told();
    assert!(
        told.len() == 1 && told[0].1.contains("web.yaml: it is empty"),
        "{told:?}"
    );
    let file = fixture.folder().join("web.yaml");
    std::fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("nowhere", &file).unwrap();
    fixture.look();
    assert_eq!(fixture.pod("web"), web);
    let told = fixture.told();
    assert!(told.len() == 1 && told[0].1.contains("nowhere"), "{told:?}");
}

#[test]
fn a_folder_with_the_name_of_a_manifest_is_told_of() {
    let mut fixture = Fixture::new();
    std::fs::create_dir(fixture.folder().join("web.yaml")).unwrap();
    fixture.look();
    let told = fixture.told();
    assert!(
        told.len() == 1 && told[0].1.contains("web.yaml: it is a folder"),
        "{told:?}"
    );
}

#[test]
fn pods_whose_files_vanished_while_nobody_looked_are_deleted() {
    let mut fixture = Fixture::new();
    let annotations = json!({ SOURCE: "file", HASH: "0", FILE: "old.yaml" });
    let old = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": "old", "namespace": "default", "uid": "u", "annotations": annotations },
        "spec": { "terminationGracePeriodSeconds": 5 },
    });
    fixture.put(Resource::Pods, "old", Write::Durable(old));
    fixture.look();
    let old = fixture.pod("old").unwrap();
    assert_eq!(old["metadata"]["deletionGracePeriodSeconds"], 5);
}

#[test]
fn a_pod_of_the_api_keeps_its_name_until_it_is_gone() {
    let mut fixture = Fixture::new();
    let theirs = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "web", "namespace": "default", "uid": "u" }, "spec": {} });
    fixture.put(Resource::Pods, "web", Write::Durable(theirs));
    fixture.write("web.yaml", &manifest("web", "app:1"));
    fixture.look();
    assert_eq!(fixture.pod("web").unwrap()["metadata"]["uid"], "u");
    assert_eq!(fixture.told()[0].0, "NameConflict");
    fixture.put(Resource::Pods, "web", Write::Remove);
    fixture.look();
    assert_ne!(fixture.pod("web").unwrap()["metadata"]["uid"], "u");
}

#[test]
fn config_maps_are_put_replaced_and_removed() {
    let mut fixture = Fixture::new();
    let text = |value: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: settings}}\ndata: {{a: {value}}}\n"
        )
    };
    let stored = |fixture: &Fixture| fixture.store.get(&key(Resource::ConfigMaps, "settings"));
    fixture.write("settings.yaml", &text("one"));
    fixture.look();
    let first = stored(&fixture).unwrap();
    fixture.write("settings.yaml", &text("other"));
    fixture.look();
    let second = stored(&fixture).unwrap();
    assert_eq!(second.object["data"]["a"], "other");
    assert_eq!(
        second.object["metadata"]["uid"],
        first.object["metadata"]["uid"]
    );
    std::fs::remove_file(fixture.folder().join("settings.yaml")).unwrap();
    fixture.look();
    assert_eq!(stored(&fixture), None);
}

#[test]
fn the_same_name_in_two_files_is_the_first_files() {
    let mut fixture = Fixture::new();
    fixture.write("a.yaml", &manifest("web", "app:a"));
    fixture.write("b.yaml", &manifest("web", "app:b"));
    fixture.look();
    let web = fixture.pod("web").unwrap();
    assert_eq!(web["spec"]["containers"][0]["image"], "app:a");
    assert_eq!(fixture.told()[0].0, "NameConflict");
}

#[test]
fn a_change_of_the_folder_is_heard_long_before_the_next_look() {
    let fixture = Fixture::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut changes = Changes::of(&fixture.folder());
        if let Some(problem) = changes.problem() {
            println!("SKIP: {problem}");
            return;
        }
        let begun = Instant::now();
        fixture.write("web.yaml", "");
        changes.next().await;
        assert!(begun.elapsed() < Duration::from_secs(10));
    });
}

#[test]
fn a_folder_that_is_made_later_is_heard_of_without_looking_each_second() {
    let fixture = Fixture::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let folder = fixture.folder().join("made/later");
        let mut changes = Changes::of(&folder);
        if let Some(problem) = changes.problem() {
            println!("SKIP: {problem}");
            return;
        }
        let begun = Instant::now();
        std::fs::create_dir(folder.parent().unwrap()).unwrap();
        changes.next().await;
        std::fs::create_dir(&folder).unwrap();
        changes.next().await;
        std::fs::write(folder.join("web.yaml"), "").unwrap();
        changes.next().await;
        assert!(begun.elapsed() < Duration::from_secs(10));
    });
}
