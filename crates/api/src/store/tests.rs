use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::json;

use super::*;

mod failing;
mod later;
mod released;

/// A folder that goes with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Scratch {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("outrigger-store-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Scratch(path)
    }

    fn open(&self) -> Store {
        Store::open(&self.0).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        for file in ["objects.redb", "reserve"] {
            drop(std::fs::remove_file(self.0.join(file)));
        }
        drop(std::fs::remove_dir(&self.0));
    }
}

fn key(name: &str) -> Key {
    Key {
        resource: Resource::ConfigMaps,
        namespace: "default".to_owned(),
        name: name.to_owned(),
    }
}

fn object(name: &str, data: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": { "k": data } })
}

fn put(store: &Store, name: &str, data: &str) -> Stored {
    let write = |_: Option<&Stored>| Ok::<_, StoreError>(Write::Durable(object(name, data)));
    store.write(&key(name), write).unwrap().unwrap()
}

fn put_volatile(store: &Store, name: &str, data: &str) -> Stored {
    let write = |_: Option<&Stored>| Ok::<_, StoreError>(Write::Volatile(object(name, data)));
    store.write(&key(name), write).unwrap().unwrap()
}

fn remove(store: &Store, name: &str) {
    let gone = store.write(&key(name), |_| Ok::<_, StoreError>(Write::Remove));
    assert_eq!(gone.unwrap(), None);
}

fn data(store: &Store, name: &str) -> Option<String> {
    let stored = store.get(&key(name))?;
    Some(stored.object["data"]["k"].as_str().unwrap().to_owned())
}

fn version(stored: &Stored) -> u64 {
    let said = stored.object["metadata"]["resourceVersion"]
        .as_str()
        .unwrap();
    assert_eq!(said, stored.version.to_string());
    stored.version
}

#[test]
fn what_is_written_durably_is_there_after_the_next_start_and_what_is_not_is_not() {
    let scratch = Scratch::new();
    let store = scratch.open();
    put(&store, "kept", "1");
    put(&store, "both", "durable");
    put_volatile(&store, "both", "volatile");
    put_volatile(&store, "lost", "1");
    put(&store, "removed", "1");
    remove(&store, "removed");
    drop(store);
    let store = scratch.open();
    assert_eq!(data(&store, "kept").as_deref(), Some("1"));
    assert_eq!(data(&store, "both").as_deref(), Some("durable"));
    assert_eq!(data(&store, "lost"), None);
    assert_eq!(data(&store, "removed"), None);
    let listing = store.list(Resource::ConfigMaps, Some("default"));
    assert!(
        listing
            .items
            .iter()
            .all(|item| version(item) <= listing.version)
    );
}

#[test]
fn versions_rise_over_starts_even_those_that_never_saw_the_disk() {
    let scratch = Scratch::new();
    let mut last = 0;
    for round in 0..4 {
        let store = scratch.open();
        assert!(store.list(Resource::Pods, None).version >= last);
        for step in 0..5 {
            let stored = if round % 2 == 0 {
                put_volatile(&store, "a", &format!("{round}-{step}"))
            } else {
                put(&store, "a", &format!("{round}-{step}"))
            };
            assert!(version(&stored) > last, "{} after {last}", stored.version);
            last = stored.version;
        }
    }
}

#[test]
fn a_write_that_changes_nothing_is_none() {
    let store = Store::in_memory();
    let first = put(&store, "a", "1");
    let second = put(&store, "a", "1");
    assert_eq!(first, second);
    let mut same = object("a", "1");
    same["metadata"]["resourceVersion"] = "77".into();
    let third = store.write(&key("a"), |_| Ok::<_, StoreError>(Write::Volatile(same)));
    assert_eq!(third.unwrap().unwrap(), first);
    assert_eq!(
        store.list(Resource::ConfigMaps, None).version,
        first.version
    );
}

#[test]
fn what_was_volatile_reaches_the_disk_when_the_same_is_written_durably() {
    let scratch = Scratch::new();
    let store = scratch.open();
    let first = put_volatile(&store, "a", "1");
    assert_eq!(put(&store, "a", "1"), first);
    drop(store);
    assert_eq!(data(&scratch.open(), "a").as_deref(), Some("1"));
}

#[tokio::test]
async fn a_list_and_a_watch_from_its_version_leave_no_gap_and_say_nothing_twice() {
    let store = Store::in_memory();
    for number in 0..50 {
        put(&store, &format!("before-{number}"), "1");
    }
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let store = store.clone();
            std::thread::spawn(move || {
                for number in 0..200 {
                    put(
                        &store,
                        &format!("w{writer}-{}", number % 7),
                        &number.to_string(),
                    );
                    if number % 5 == 0 {
                        put_volatile(&store, &format!("w{writer}-v"), &number.to_string());
                    }
                    if number % 11 == 0 {
                        remove(&store, &format!("w{writer}-{}", number % 7));
                    }
                }
            })
        })
        .collect();
    let listing = store.list(Resource::ConfigMaps, None);
    let mut watch = store.watch(Resource::ConfigMaps, listing.version).unwrap();
    let mut seen: std::collections::BTreeMap<Key, Stored> = listing
        .items
        .into_iter()
        .map(|item| (item.key.clone(), item))
        .collect();
    for writer in writers {
        writer.join().unwrap();
    }
    let end = store.list(Resource::ConfigMaps, None);
    let mut last = listing.version;
    while last < end.version {
        let notice = watch.next().await.unwrap();
        assert!(version(&notice.stored) > last);
        last = notice.stored.version;
        let before = match notice.change {
            Change::Deleted => seen.remove(&notice.stored.key),
            Change::Added | Change::Modified => {
                seen.insert(notice.stored.key.clone(), notice.stored.clone())
            }
        };
        assert_eq!(before.is_some(), notice.change != Change::Added);
        assert_eq!(before.map(|before| before.object), notice.previous);
    }
    assert_eq!(seen.into_values().collect::<Vec<_>>(), end.items);
}

#[tokio::test]
async fn a_reader_that_is_too_slow_is_told_to_list_again() {
    let store = Store::in_memory();
    let start = put(&store, "a", "start").version;
    let mut slow = store.watch(Resource::ConfigMaps, start).unwrap();
    for number in 0..5000 {
        put_volatile(&store, "a", &number.to_string());
    }
    assert_eq!(slow.next().await, None);
    let failure = store.watch(Resource::ConfigMaps, start).unwrap_err();
    assert_eq!(failure.reason, Reason::Expired);
    assert!(
        failure
            .message
            .starts_with(&format!("too old resource version: {start} ("))
    );
    // Another kind of object is not concerned.
    assert!(store.watch(Resource::Pods, start).is_ok());
}

#[test]
fn big_objects_are_not_remembered_for_long() {
    let store = Store::in_memory();
    let start = put(&store, "a", "start").version;
    for number in 0..8 {
        put_volatile(&store, "a", &format!("{number}{}", "x".repeat(1024 * 1024)));
    }
    assert!(store.watch(Resource::ConfigMaps, start).is_err());
    let now = store.list(Resource::ConfigMaps, None).version;
    assert!(store.watch(Resource::ConfigMaps, now).is_ok());
}

#[test]
fn a_watch_from_before_this_start_or_from_the_future_must_list_again() {
    let scratch = Scratch::new();
    let old = put(&scratch.open(), "a", "1").version;
    let store = scratch.open();
    assert!(store.watch(Resource::ConfigMaps, old).is_err());
    let now = store.list(Resource::ConfigMaps, None).version;
    assert!(store.watch(Resource::ConfigMaps, now).is_ok());
    assert!(store.watch(Resource::ConfigMaps, now + 1).is_err());
}

#[test]
fn what_a_writer_decides_is_decided_with_nobody_in_between() {
    let store = Store::in_memory();
    put(&store, "a", "0");
    let writers: Vec<_> = (0..8)
        .map(|_| {
            let store = store.clone();
            std::thread::spawn(move || {
                for _ in 0..100 {
                    let added = store.write(&key("a"), |old| {
                        let number: u32 = old.unwrap().object["data"]["k"]
                            .as_str()
                            .unwrap()
                            .parse()
                            .unwrap();
                        Ok::<_, StoreError>(Write::Volatile(object("a", &(number + 1).to_string())))
                    });
                    added.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.join().unwrap();
    }
    assert_eq!(data(&store, "a").as_deref(), Some("800"));
}
