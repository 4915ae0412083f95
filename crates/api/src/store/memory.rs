//! What is known at this moment: the objects, the versions, and the last things that happened.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use serde_json::Value;

use super::{Change, Key, Listing, Notice, Stored};
use crate::Resource;

/// How many notices of a kind are kept for readers that are behind.
const NOTICES: usize = 4096;
/// How many bytes of objects (estimated) they may hold.
const NOTICE_BYTES: usize = 2 * 1024 * 1024;

/// Everything, under one lock that is never held while the disk is written.
#[derive(Debug)]
pub(super) struct Memory {
    kinds: BTreeMap<Resource, Kept>,
    /// About how many bytes of memory all objects take.
    pub(super) bytes: usize,
    /// The last version that was given to anything.
    pub(super) allocated: u64,
    /// The last version that anybody can have seen.
    pub(super) published: u64,
    /// Versions up to here may be given without asking the disk.
    pub(super) reserved: u64,
    /// Objects that somebody is writing right now.
    pub(super) busy: BTreeSet<Key>,
}

/// The objects of a kind.
#[derive(Debug)]
struct Kept {
    objects: BTreeMap<(String, String), Entry>,
    ring: VecDeque<(Notice, usize)>,
    ring_bytes: usize,
    /// What happened up to this version is not in the ring any more.
    forgotten: u64,
}

/// An object.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) stored: Stored,
    /// Whether the disk has the same.
    pub(super) is_on_disk: bool,
}

/// What a reader finds that is at some version.
pub(super) enum Next {
    Notice(Notice),
    NothingYet,
    TooSlow,
}

impl Memory {
    pub(super) fn new(objects: Vec<Stored>, reserved: u64) -> Memory {
        let start = objects
            .iter()
            .map(|stored| stored.version)
            .fold(reserved.max(1), u64::max);
        let mut kinds: BTreeMap<Resource, Kept> = Resource::ALL
            .into_iter()
            .map(|resource| (resource, Kept::new(start)))
            .collect();
        let mut bytes = 0;
        for stored in objects {
            let name = (stored.key.namespace.clone(), stored.key.name.clone());
            let stored = numbered(
                stored.key,
                stored.version,
                Arc::unwrap_or_clone(stored.object),
            );
            if let Some(kept) = kinds.get_mut(&stored.key.resource) {
                bytes += weight(&stored.object);
                let is_on_disk = true;
                kept.objects.insert(name, Entry { stored, is_on_disk });
            }
        }
        Memory {
            kinds,
            bytes,
            allocated: start,
            published: start,
            reserved: start,
            busy: BTreeSet::new(),
        }
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Entry> {
        let name = (key.namespace.clone(), key.name.clone());
        self.kinds.get(&key.resource)?.objects.get(&name)
    }

    pub(super) fn count(&self, resource: Resource) -> usize {
        self.kinds
            .get(&resource)
            .map_or(0, |kept| kept.objects.len())
    }

    pub(super) fn list(&self, resource: Resource, namespace: Option<&str>) -> Listing {
        let mut items = Vec::new();
        if let Some(kept) = self.kinds.get(&resource) {
            let stored = |entry: &Entry| entry.stored.clone();
            match namespace {
                None => items.extend(kept.objects.values().map(stored)),
                Some(namespace) => items.extend(
                    kept.objects
                        .range((namespace.to_owned(), String::new())..)
                        .take_while(|((of, _), _)| of == namespace)
                        .map(|(_, entry)| stored(entry)),
                ),
            }
        }
        Listing {
            items,
            version: self.published,
        }
    }

    /// Makes an object known. `begun` is a version that was given to this write before.
    pub(super) fn put(&mut self, key: Key, object: Value, begun: Option<u64>) -> Stored {
        let version = self.publish(begun);
        let stored = numbered(key, version, object);
        let previous = self.remember(&stored, begun.is_some());
        let change = match previous {
            Some(_) => Change::Modified,
            None => Change::Added,
        };
        self.tell(change, stored.clone(), previous);
        stored
    }

    /// Makes it known that an object is gone.
    pub(super) fn remove(&mut self, key: &Key, begun: u64) {
        let name = (key.namespace.clone(), key.name.clone());
        let kept = self.kinds.get_mut(&key.resource);
        let Some(gone) = kept.and_then(|kept| kept.objects.remove(&name)) else {
            return;
        };
        self.bytes -= weight(&gone.stored.object);
        let version = self.publish(Some(begun));
        let previous = gone.stored.object;
        let last = numbered(gone.stored.key, version, Value::clone(&previous));
        self.tell(Change::Deleted, last, Some(previous));
    }

    /// The same object has come to the disk.
    pub(super) fn mark_on_disk(&mut self, key: &Key) {
        let name = (key.namespace.clone(), key.name.clone());
        let kept = self.kinds.get_mut(&key.resource);
        if let Some(entry) = kept.and_then(|kept| kept.objects.get_mut(&name)) {
            entry.is_on_disk = true;
        }
    }

    /// What a reader that is at `version` sees next.
    pub(super) fn after(&self, resource: Resource, version: u64) -> Next {
        let Some(kept) = self.kinds.get(&resource) else {
            return Next::TooSlow;
        };
        if version < kept.forgotten {
            return Next::TooSlow;
        }
        let next = kept
            .ring
            .partition_point(|(notice, _)| notice.stored.version <= version);
        match kept.ring.get(next) {
            Some((notice, _)) => Next::Notice(notice.clone()),
            None => Next::NothingYet,
        }
    }

    /// Since which version everything is known that happened to a kind.
    pub(super) fn known_since(&self, resource: Resource) -> u64 {
        self.kinds
            .get(&resource)
            .map_or(self.published, |kept| kept.forgotten)
    }

    /// The next version to see. Whoever writes two objects at once gives the one that is done first the
    /// smaller number, so that readers see versions rise.
    fn publish(&mut self, begun: Option<u64>) -> u64 {
        let version = match begun {
            Some(begun) if begun > self.published => begun,
            _ => {
                self.allocated += 1;
                self.allocated
            }
        };
        self.published = version;
        version
    }

    fn remember(&mut self, stored: &Stored, is_on_disk: bool) -> Option<Arc<Value>> {
        let kept = self.kinds.get_mut(&stored.key.resource)?;
        let name = (stored.key.namespace.clone(), stored.key.name.clone());
        let entry = Entry {
            stored: stored.clone(),
            is_on_disk,
        };
        let before = kept.objects.insert(name, entry);
        let before = before.map(|before| before.stored.object);
        self.bytes += weight(&stored.object);
        self.bytes -= before.as_deref().map_or(0, weight);
        before
    }

    fn tell(&mut self, change: Change, stored: Stored, previous: Option<Arc<Value>>) {
        if let Some(kept) = self.kinds.get_mut(&stored.key.resource) {
            kept.push(Notice {
                change,
                stored,
                previous,
            });
        }
    }
}

impl Kept {
    fn new(start: u64) -> Kept {
        Kept {
            objects: BTreeMap::new(),
            ring: VecDeque::new(),
            ring_bytes: 0,
            forgotten: start,
        }
    }

    fn push(&mut self, notice: Notice) {
        let bytes = weight(&notice.stored.object);
        self.ring.push_back((notice, bytes));
        self.ring_bytes += bytes;
        // The newest one stays whatever its size, or else nobody could ever see it.
        while self.ring.len() > NOTICES || (self.ring_bytes > NOTICE_BYTES && self.ring.len() > 1) {
            let Some((oldest, bytes)) = self.ring.pop_front() else {
                break;
            };
            self.ring_bytes -= bytes;
            self.forgotten = oldest.stored.version;
        }
    }
}

/// The object with its version in it.
fn numbered(key: Key, version: u64, mut object: Value) -> Stored {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("resourceVersion".to_owned(), version.to_string().into());
    }
    Stored {
        key,
        version,
        object: Arc::new(object),
    }
}

/// About how many bytes of memory a value takes.
pub(crate) fn weight(value: &Value) -> usize {
    32 + match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(weight).sum(),
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| 56 + key.len() + weight(value))
            .sum(),
    }
}
