//! How does a write happen: one writer an object at a time, first the disk, then everybody's eyes?

use std::sync::{MutexGuard, PoisonError};

use serde_json::Value;

use super::disk::{self, Put};
use super::memory::{Entry, Memory};
use super::problem::Problem;
use super::{Inner, Key, StoreError, Stored};

/// So many versions are reserved on the disk at once.
const RESERVE: u64 = 100_000;

impl Inner {
    pub(super) fn memory(&self) -> MutexGuard<'_, Memory> {
        // Nothing that is done under this lock can stop half-way.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn put_in_memory(
        &self,
        key: &Key,
        before: Option<Entry>,
        object: Value,
    ) -> Result<Stored, StoreError> {
        if let Some(same) = before.filter(|entry| is_same(&entry.stored.object, &object)) {
            return Ok(same.stored);
        }
        self.reserve()?;
        let stored = self.memory().put(key.clone(), object, None);
        self.announce();
        Ok(stored)
    }

    pub(super) fn put_on_disk(
        &self,
        key: &Key,
        before: Option<Entry>,
        object: Value,
    ) -> Result<Stored, StoreError> {
        // What is deleted ends, and then there is more room.
        let ends = object["metadata"]["deletionTimestamp"].is_string();
        let same = before.filter(|entry| is_same(&entry.stored.object, &object));
        match same {
            Some(entry) if entry.is_on_disk => Ok(entry.stored),
            Some(entry) => {
                let bytes = disk::encode(entry.stored.version, &object);
                self.write_disk(&[Put::object(key, Some(bytes))], None, ends)?;
                self.memory().mark_on_disk(key);
                Ok(entry.stored)
            }
            None => {
                let (version, reserve) = self.begin();
                let bytes = disk::encode(version, &object);
                self.write_disk(&[Put::object(key, Some(bytes))], reserve, ends)?;
                let stored = self.memory().put(key.clone(), object, Some(version));
                self.announce();
                Ok(stored)
            }
        }
    }

    /// Removes an object, and writes a note beside it.
    pub(super) fn remove(&self, key: &Key, note: Option<Put>) -> Result<(), StoreError> {
        let (version, reserve) = self.begin();
        let mut puts = vec![Put::object(key, None)];
        puts.extend(note);
        self.write_disk(&puts, reserve, true)?;
        self.memory().remove(key, version);
        self.announce();
        Ok(())
    }

    fn write_disk(&self, puts: &[Put], reserve: Option<u64>, ends: bool) -> Result<(), StoreError> {
        if let Some(disk) = &self.disk {
            let mut disk = disk.lock().unwrap_or_else(PoisonError::into_inner);
            disk.write(puts, reserve, ends)
                .map_err(|problem| self.failed(&problem))?;
        }
        self.reserved(reserve);
        Ok(())
    }

    /// A version for a durable write, and what must be reserved together with it.
    fn begin(&self) -> (u64, Option<u64>) {
        let mut memory = self.memory();
        memory.allocated += 1;
        let version = memory.allocated;
        // Another version may be needed when it is done, and others write meanwhile.
        let is_short = version + RESERVE / 2 > memory.reserved;
        (version, is_short.then_some(version + RESERVE))
    }

    /// Sees to it that a version can be given that outlives a crash.
    fn reserve(&self) -> Result<(), StoreError> {
        let until = {
            let memory = self.memory();
            // Leave some for durable writes that are on their way and need a second one.
            if memory.allocated + RESERVE / 10 < memory.reserved {
                return Ok(());
            }
            memory.allocated + RESERVE
        };
        if let Some(disk) = &self.disk {
            let mut disk = disk.lock().unwrap_or_else(PoisonError::into_inner);
            // Nothing could be shown any more without it.
            disk.write(&[], Some(until), true)
                .map_err(|problem| self.failed(&problem))?;
        }
        self.reserved(Some(until));
        Ok(())
    }

    fn reserved(&self, until: Option<u64>) {
        let mut memory = self.memory();
        memory.reserved = memory.reserved.max(until.unwrap_or(0));
    }

    pub(super) fn failed(&self, problem: &Problem) -> StoreError {
        StoreError {
            operation: "writing",
            path: self.path.clone(),
            problem: problem.to_string(),
            trouble: problem.trouble(),
        }
    }

    fn announce(&self) {
        let published = self.memory().published;
        self.news.send_modify(|last| *last = published.max(*last));
    }
}

/// The right to write one object.
pub(super) struct Turn<'a> {
    inner: &'a Inner,
    key: &'a Key,
}

impl<'a> Turn<'a> {
    pub(super) fn take(inner: &'a Inner, key: &'a Key) -> Turn<'a> {
        let mut memory = inner.memory();
        while memory.busy.contains(key) {
            memory = inner
                .freed
                .wait(memory)
                .unwrap_or_else(PoisonError::into_inner);
        }
        memory.busy.insert(key.clone());
        Turn { inner, key }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.inner.memory().busy.remove(self.key);
        self.inner.freed.notify_all();
    }
}

/// Whether two objects differ in nothing but their version.
fn is_same(old: &Value, new: &Value) -> bool {
    let (Some(old), Some(new)) = (old.as_object(), new.as_object()) else {
        return old == new;
    };
    let without_version = |value: Option<&Value>| {
        let mut fields = value
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default();
        fields.remove("resourceVersion");
        fields
    };
    old.len() == new.len()
        && old
            .iter()
            .all(|(name, value)| name == "metadata" || new.get(name) == Some(value))
        && without_version(old.get("metadata")) == without_version(new.get("metadata"))
}
