//! What comes to the disk later, and what is remembered of a Pod that was deleted?

use super::*;

fn pod_key() -> Key {
    Key {
        resource: Resource::Pods,
        namespace: "default".to_owned(),
        name: "web".to_owned(),
    }
}

fn pod(phase: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "web", "uid": "u1" }, "spec": { "nodeName": "here" }, "status": { "phase": phase } })
}

fn write(store: &Store, write: Write) {
    let written = store.write(&pod_key(), |_| Ok::<_, StoreError>(write));
    written.unwrap();
}

fn phase(store: &Store) -> Value {
    let stored = store.get(&pod_key()).unwrap();
    stored.object["status"]["phase"].clone()
}

#[test]
fn what_is_written_behind_counts_at_once_and_outlives_the_process_after_a_flush() {
    let scratch = Scratch::new();
    let store = scratch.open();
    write(&store, Write::Durable(pod("Pending")));
    write(&store, Write::Behind(pod("Running")));
    assert_eq!(phase(&store), "Running");
    assert!(store.is_behind());
    drop(store);
    let store = scratch.open();
    assert_eq!(phase(&store), "Pending");
    write(&store, Write::Behind(pod("Running")));
    write(&store, Write::Volatile(pod("Unknown")));
    store.flush().unwrap();
    assert!(!store.is_behind());
    drop(store);
    // The newest state that there was.
    assert_eq!(phase(&scratch.open()), "Unknown");
}

#[test]
fn what_was_removed_meanwhile_is_not_written_again() {
    let scratch = Scratch::new();
    let store = scratch.open();
    write(&store, Write::Durable(pod("Pending")));
    write(&store, Write::Behind(pod("Running")));
    write(&store, Write::Remove);
    store.flush().unwrap();
    drop(store);
    assert_eq!(scratch.open().get(&pod_key()), None);
}

#[test]
fn that_a_pod_was_deleted_is_known_until_nothing_is_left_of_it() {
    let scratch = Scratch::new();
    let store = scratch.open();
    write(&store, Write::Durable(pod("Running")));
    write(&store, Write::Remove);
    drop(store);
    let store = scratch.open();
    assert_eq!(store.deleted(), BTreeSet::from(["u1".to_owned()]));
    store.forget_deleted("u1");
    store.flush().unwrap();
    drop(store);
    let store = scratch.open();
    assert_eq!(store.deleted(), BTreeSet::new());
    // Whoever ends it in its own time leaves nothing to be remembered.
    write(&store, Write::Durable(pod("Running")));
    write(&store, Write::Gone);
    drop(store);
    assert_eq!(scratch.open().deleted(), BTreeSet::new());
}

#[test]
fn what_stands_in_the_place_of_the_file_is_refused_by_name_and_left_alone() {
    let scratch = Scratch::new();
    let path = scratch.0.join("objects.redb");
    let refused = || Store::open(&scratch.0).unwrap_err().to_string();
    std::fs::create_dir(&path).unwrap();
    assert!(refused().contains("objects.redb"), "{}", refused());
    assert!(path.is_dir());
    std::fs::remove_dir(&path).unwrap();
    let target = scratch.0.join("elsewhere");
    std::os::unix::fs::symlink(&target, &path).unwrap();
    assert!(refused().contains("objects.redb"), "{}", refused());
    assert!(path.is_symlink() && !target.exists());
    std::fs::remove_file(&path).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, 0o600.into()).unwrap();
    assert!(refused().contains("no regular file"), "{}", refused());
}
