//! Is the store of an earlier revision opened, and all in it still there?
//!
//! A folder here holds, compressed, the file that one revision wrote; of b1e0b9e also that of a daemon that really ran and
//! was killed. They are never changed. A revision's is written by
//! itself: `OUTRIGGER_KEEP_AS=0.2.0-… cargo test -p outrigger-api --lib released -- --test-threads 1`.

use std::io::{Read, Write as _};
use std::path::Path;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use super::*;

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/tests/released")
}

/// One of each kind that b1e0b9e kept, as it stood on its disk.
fn objects() -> Vec<(Key, Value)> {
    let named = |resource: Resource, namespace: &str, name: &str, mut more: Value| {
        more["apiVersion"] = "v1".into();
        more["kind"] = resource.kind().into();
        more["metadata"] = json!({"name": name, "uid": format!("uid-of-{name}")});
        if !namespace.is_empty() {
            more["metadata"]["namespace"] = namespace.into();
        }
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        let key = Key {
            resource,
            namespace,
            name,
        };
        (key, more)
    };
    let text = "line\n\"ü\"\t\u{1f6f6}";
    let containers = json!([{"name": "web", "image": "host:/", "command": ["sh", "-c", text]}]);
    let pod = json!({"spec": {"containers": containers}, "status": {"phase": "Pending"}});
    let event = json!({"involvedObject": {"kind": "Pod", "name": "web-0"}, "reason": "Started", "count": 2});
    vec![
        named(
            Resource::ConfigMaps,
            "team",
            "c",
            json!({"data": {"k": text}}),
        ),
        named(Resource::Events, "team", "web-0.1a", event),
        named(
            Resource::Namespaces,
            "",
            "team",
            json!({"status": {"phase": "Active"}}),
        ),
        named(
            Resource::Nodes,
            "",
            "here",
            json!({"spec": {"unschedulable": true}}),
        ),
        named(Resource::Pods, "team", "web-0", pod),
        named(
            Resource::Secrets,
            "team",
            "s",
            json!({"data": {"k": "AAECA/8="}, "type": "Opaque"}),
        ),
        named(Resource::ServiceAccounts, "team", "default", json!({})),
    ]
}

fn keep(folder: &Path) {
    let scratch = Scratch::new();
    let store = scratch.open();
    for (key, object) in objects() {
        let write = |_: Option<&Stored>| Ok::<_, StoreError>(Write::Durable(object.clone()));
        store.write(&key, write).unwrap().unwrap();
    }
    drop(store);
    std::fs::create_dir_all(folder).unwrap();
    let file = std::fs::File::create(folder.join("objects.redb.gz")).unwrap();
    let mut packed = GzEncoder::new(file, Compression::best());
    let bytes = std::fs::read(scratch.0.join("objects.redb")).unwrap();
    packed.write_all(&bytes).unwrap();
    packed.finish().unwrap();
}

/// The folders of all revisions; the one that is being written too, if one is.
fn revisions() -> Vec<PathBuf> {
    if let Ok(name) = std::env::var("OUTRIGGER_KEEP_AS") {
        keep(&here().join(name));
    }
    let entries = std::fs::read_dir(here()).unwrap();
    let folders: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    assert!(!folders.is_empty(), "no revision's store is here");
    folders
}

/// A folder with a copy of the store.
fn unpacked(file: &Path) -> Scratch {
    let file = std::fs::File::open(file).unwrap();
    let mut bytes = Vec::new();
    GzDecoder::new(file).read_to_end(&mut bytes).unwrap();
    let scratch = Scratch::new();
    std::fs::write(scratch.0.join("objects.redb"), bytes).unwrap();
    scratch
}

/// Whether there is one in the store of b1e0b9e. A kind that is new does not compile until it stands here.
fn is_of_b1e0b9e(resource: Resource) -> bool {
    match resource {
        Resource::ConfigMaps
        | Resource::Events
        | Resource::Namespaces
        | Resource::Nodes
        | Resource::Pods
        | Resource::Secrets
        | Resource::ServiceAccounts => true,
    }
}

#[test]
fn every_object_of_an_earlier_revisions_store_is_there_and_versions_go_on() {
    for folder in revisions() {
        let scratch = unpacked(&folder.join("objects.redb.gz"));
        let store = scratch.open();
        let (mut found, mut newest) = (0, 0);
        for (key, mut object) in objects() {
            // A newer kind is not in it.
            let Some(stored) = store.get(&key) else {
                continue;
            };
            object["metadata"]["resourceVersion"] = stored.version.to_string().into();
            assert_eq!(*stored.object, object, "{key:?} of {}", folder.display());
            found += 1;
            newest = newest.max(stored.version);
        }
        let counts = Resource::ALL.map(|resource| store.list(resource, None).items.len());
        assert_eq!(counts.iter().sum::<usize>(), found);
        assert!(version(&put(&store, "new", "1")) > newest);
        drop(store);
        assert_eq!(data(&scratch.open(), "new").as_deref(), Some("1"));
    }
}

#[test]
fn there_is_an_object_of_every_kind_that_b1e0b9e_kept() {
    let scratch = unpacked(&here().join("0.1.0-b1e0b9e/objects.redb.gz"));
    let store = scratch.open();
    for resource in Resource::ALL {
        let count = store.list(resource, None).items.len();
        assert_eq!(count > 0, is_of_b1e0b9e(resource), "{resource:?}");
    }
}

#[test]
fn the_store_of_a_daemon_of_b1e0b9e_that_was_killed_is_opened() {
    let scratch = unpacked(&here().join("0.1.0-b1e0b9e/daemon.redb.gz"));
    let store = scratch.open();
    let names = |resource| {
        let items = store.list(resource, None).items.into_iter();
        items.map(|item| item.key.name).collect::<Vec<String>>()
    };
    assert_eq!(names(Resource::Pods), ["done", "stays"]);
    assert_eq!(names(Resource::ConfigMaps), ["settings"]);
    assert_eq!(names(Resource::Secrets), ["password"]);
    assert_eq!(names(Resource::Namespaces), ["default", "team"]);
    assert_eq!(names(Resource::ServiceAccounts), ["default", "default"]);
    assert_eq!(names(Resource::Nodes).len(), 1);
    let pods = store.list(Resource::Pods, Some("default")).items;
    assert_eq!(
        pods[1].object["metadata"]["uid"],
        "4ae375c6-8b41-4cfd-8feb-433ddbf1ad2e"
    );
    assert_eq!(
        pods[1].object["metadata"]["annotations"]["note"],
        "line\n\"ü\""
    );
}
