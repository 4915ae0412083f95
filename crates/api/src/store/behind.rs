//! What comes to the disk a little later, together and with nobody waiting? That a Pod's life began and how it
//! ended; and that nothing is left of a Pod that was deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{MutexGuard, PoisonError};

use serde_json::Value;

use super::disk::{self, Put};
use super::memory::Entry;
use super::writing::Turn;
use super::{Inner, Key, Resource, Store, StoreError, Stored};

/// What is owed to the disk.
#[derive(Debug, Default)]
pub(super) struct Behind {
    objects: BTreeSet<Key>,
    /// Pods that were deleted and of which nothing is left.
    gone: BTreeSet<String>,
}

impl Store {
    /// Brings everything to the disk that was written [`super::Write::Behind`], at once. It blocks; without anything
    /// to write it does nothing.
    ///
    /// # Errors
    /// If the disk cannot be written; it is tried again at the next call.
    pub fn flush(&self) -> Result<(), StoreError> {
        self.inner.flush()
    }

    /// Whether something waits for [`Store::flush`].
    #[must_use]
    pub fn is_behind(&self) -> bool {
        let behind = self.inner.behind();
        !behind.objects.is_empty() || !behind.gone.is_empty()
    }

    /// The uids of Pods that somebody deleted and of which something may be left on this machine.
    #[must_use]
    pub fn deleted(&self) -> BTreeSet<String> {
        self.inner.deleted().clone()
    }

    /// Nothing is left of the Pod with this uid. It comes to the disk with the next [`Store::flush`].
    pub fn forget_deleted(&self, uid: &str) {
        if self.inner.deleted().remove(uid) {
            self.inner.behind().gone.insert(uid.to_owned());
        }
    }
}

impl Inner {
    fn behind(&self) -> MutexGuard<'_, Behind> {
        self.behind.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn deleted(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.deleted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes an object known that comes to the disk later.
    pub(super) fn put_behind(
        &self,
        key: &Key,
        before: Option<Entry>,
        object: Value,
    ) -> Result<Stored, StoreError> {
        let stored = self.put_in_memory(key, before, object)?;
        if self.disk.is_some() {
            self.behind().objects.insert(key.clone());
        }
        Ok(stored)
    }

    /// What is written beside the removal of an object: somebody who deletes a Pod has its object removed at once,
    /// and the node, which ends the Pod, may be killed before it has begun.
    pub(super) fn note_deleted(&self, key: &Key, object: &Value) -> Option<Put> {
        let uid = object["metadata"]["uid"].as_str()?;
        let has_a_node = !object["spec"]["nodeName"].is_null();
        (key.resource == Resource::Pods && has_a_node).then(|| {
            self.deleted().insert(uid.to_owned());
            Put::deleted(uid, true)
        })
    }

    /// What is written beside the removal of the object of a Pod of which nothing is left.
    pub(super) fn note_gone(&self, object: &Value) -> Option<Put> {
        let uid = object["metadata"]["uid"].as_str()?;
        self.deleted().remove(uid).then(|| Put::deleted(uid, false))
    }

    fn flush(&self) -> Result<(), StoreError> {
        let Some(disk) = &self.disk else {
            return Ok(());
        };
        let (keys, gone) = {
            let mut behind = self.behind();
            let objects = std::mem::take(&mut behind.objects);
            (Vec::from_iter(objects), std::mem::take(&mut behind.gone))
        };
        if keys.is_empty() && gone.is_empty() {
            return Ok(());
        }
        // Everybody else holds one turn at most, so nobody waits in a circle.
        let turns: Vec<Turn<'_>> = keys.iter().map(|key| Turn::take(self, key)).collect();
        let written = self.unwritten(&keys);
        let mut puts: Vec<Put> = gone.iter().map(|uid| Put::deleted(uid, false)).collect();
        puts.extend(written.iter().map(|(key, stored)| {
            Put::object(key, Some(disk::encode(stored.version, &stored.object)))
        }));
        let done = {
            let mut disk = disk.lock().unwrap_or_else(PoisonError::into_inner);
            // Notes of what has ended need no other room than what was kept for that.
            disk.write(&puts, None, written.is_empty())
        };
        match done {
            Ok(()) => written
                .keys()
                .for_each(|key| self.memory().mark_on_disk(key)),
            Err(problem) => {
                let mut behind = self.behind();
                behind.objects.extend(keys.iter().cloned());
                behind.gone.extend(gone);
                return Err(self.failed(&problem));
            }
        }
        drop(turns);
        Ok(())
    }

    /// Those of the objects that are there and that the disk has not.
    fn unwritten(&self, keys: &[Key]) -> BTreeMap<Key, Stored> {
        let memory = self.memory();
        let entries = keys.iter().filter_map(|key| memory.get(key));
        entries
            .filter(|entry| !entry.is_on_disk)
            .map(|entry| (entry.stored.key.clone(), entry.stored.clone()))
            .collect()
    }
}
