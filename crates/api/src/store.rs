//! Which objects are there, in which version, and what has happened to them lately?
//!
//! What people write is on the disk before it is acknowledged; what the node observes is kept in
//! memory, because the node can always tell it again.

mod behind;
mod disk;
mod memory;
mod problem;
mod reserve;
#[cfg(test)]
mod tests;
mod writing;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};

use serde_json::Value;
use tokio::sync::watch;

use crate::{Failure, Reason, Resource};
use behind::Behind;
use disk::Disk;
pub(crate) use memory::weight;
use memory::{Memory, Next};
use writing::Turn;

/// The name of an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Its kind.
    pub resource: Resource,
    /// Its namespace; empty for what lives in none.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// An object as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// Its name.
    pub key: Key,
    /// Its version, which also stands in `metadata.resourceVersion`.
    pub version: u64,
    /// The object, with `apiVersion` and `kind`.
    pub object: Arc<Value>,
}

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is new.
    Added,
    /// It is another.
    Modified,
    /// It is gone; the notice has its last state, with the version of the deletion.
    Deleted,
}

/// Something that happened to an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// What.
    pub change: Change,
    /// The object after it.
    pub stored: Stored,
    /// The object before it, by which a reader that chooses knows what came and went.
    pub previous: Option<Arc<Value>>,
}

/// All objects of a kind at one version.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing {
    /// In the order of namespace and name.
    pub items: Vec<Stored>,
    /// The store's version.
    pub version: u64,
}

/// What becomes of an object.
#[derive(Debug, Clone, PartialEq)]
pub enum Write {
    /// It is put on the disk, and then counts.
    Durable(Value),
    /// It is kept in memory only; after a restart the last durable state is back.
    Volatile(Value),
    /// It counts at once, and comes to the disk with the next [`Store::flush`].
    Behind(Value),
    /// It is removed, on the disk too. That a Pod was deleted is remembered until nothing is left of it.
    Remove,
    /// It is removed, on the disk too, and nothing is left of what it stood for.
    Gone,
    /// It stays as it is.
    Keep,
}

/// The store could not be opened or written.
#[derive(Debug, thiserror::Error)]
#[error("{operation} the store of API objects{}: {problem}", .path.as_ref().map(|path| format!(" {}", path.display())).unwrap_or_default())]
pub struct StoreError {
    /// What was tried.
    pub operation: &'static str,
    /// The file.
    pub path: Option<std::path::PathBuf>,
    /// What went wrong.
    pub problem: String,
    /// What the disk lacks, if that is it.
    pub trouble: Trouble,
}

/// What a disk lacks that cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Room.
    Full,
    /// The right to be written: its file system is read-only.
    ReadOnly,
    /// Something else.
    Other,
}

impl Trouble {
    fn of(error: &std::io::Error) -> Trouble {
        use std::io::ErrorKind;
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Trouble::Full,
            ErrorKind::ReadOnlyFilesystem => Trouble::ReadOnly,
            _ => Trouble::Other,
        }
    }
}

/// The objects. Clones are the same store.
///
/// Writers of one object wait for each other; nobody else waits for them, and readers wait for nobody.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    memory: Mutex<Memory>,
    /// Told when an object is not busy any more.
    freed: Condvar,
    /// `None` for a store that is in memory only.
    disk: Option<Mutex<Disk>>,
    /// What is owed to it.
    behind: Mutex<Behind>,
    /// The uids of Pods that were deleted and of which something may be left.
    deleted: Mutex<BTreeSet<String>>,
    path: Option<std::path::PathBuf>,
    /// The last version that can be seen, for readers that wait.
    news: watch::Sender<u64>,
}

/// Notices, one after the other. It costs nothing while it is not read: it is only a place in what the
/// store remembers.
#[derive(Debug)]
pub struct Watch {
    store: Arc<Inner>,
    news: watch::Receiver<u64>,
    resource: Resource,
    position: u64,
}

impl Store {
    /// Opens or makes the store below this directory.
    ///
    /// # Errors
    /// If that cannot be done, it is damaged, or another process has it open.
    pub fn open(directory: &Path) -> Result<Store, StoreError> {
        let (disk, loaded) = Disk::open(directory)?;
        Ok(Store::of(Some(disk), loaded, Some(directory)))
    }

    /// A store without a disk: nothing of it outlives the process. For tests.
    #[must_use]
    pub fn in_memory() -> Store {
        let loaded = disk::Loaded {
            objects: Vec::new(),
            deleted: BTreeSet::new(),
            reserved: 0,
        };
        Store::of(None, loaded, None)
    }

    fn of(disk: Option<Disk>, loaded: disk::Loaded, directory: Option<&Path>) -> Store {
        let memory = Memory::new(loaded.objects, loaded.reserved);
        let inner = Inner {
            news: watch::Sender::new(memory.published),
            memory: Mutex::new(memory),
            freed: Condvar::new(),
            disk: disk.map(Mutex::new),
            behind: Mutex::default(),
            deleted: Mutex::new(loaded.deleted),
            path: directory.map(|directory| directory.join("objects.redb")),
        };
        Store {
            inner: Arc::new(inner),
        }
    }

    /// An object as it is now.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<Stored> {
        let memory = self.inner.memory();
        memory.get(key).map(|entry| entry.stored.clone())
    }

    /// All objects of a kind, of one namespace or of all.
    #[must_use]
    pub fn list(&self, resource: Resource, namespace: Option<&str>) -> Listing {
        self.inner.memory().list(resource, namespace)
    }

    /// How many objects of a kind there are.
    #[must_use]
    pub fn count(&self, resource: Resource) -> usize {
        self.inner.memory().count(resource)
    }

    /// About how many bytes of memory all objects take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.inner.memory().bytes
    }

    /// Looks at an object and writes what comes of that, with nobody in between. `metadata.resourceVersion`
    /// is set by the store. A durable write and a removal block until they are on the disk: in
    /// asynchronous code call this from a thread that may wait. A write that changes nothing is none.
    ///
    /// Gives the object as it is afterwards.
    ///
    /// # Errors
    /// What `decide` says, or that the disk cannot be written; then everything is as it was.
    pub fn write<E: From<StoreError>>(
        &self,
        key: &Key,
        decide: impl FnOnce(Option<&Stored>) -> Result<Write, E>,
    ) -> Result<Option<Stored>, E> {
        let turn = Turn::take(&self.inner, key);
        let before = self.inner.memory().get(key).cloned();
        let stored = before.as_ref().map(|entry| &entry.stored);
        let written = match decide(stored)? {
            Write::Keep => before.map(|entry| entry.stored),
            Write::Volatile(object) => Some(self.inner.put_in_memory(key, before, object)?),
            Write::Durable(object) => Some(self.inner.put_on_disk(key, before, object)?),
            Write::Behind(object) => Some(self.inner.put_behind(key, before, object)?),
            Write::Remove => {
                if let Some(entry) = before {
                    let note = self.inner.note_deleted(key, &entry.stored.object);
                    self.inner.remove(key, note)?;
                }
                None
            }
            Write::Gone => {
                if let Some(entry) = before {
                    let note = self.inner.note_gone(&entry.stored.object);
                    self.inner.remove(key, note)?;
                }
                None
            }
        };
        drop(turn);
        Ok(written)
    }

    /// What happens to a kind after `version`; from now on if that is 0.
    ///
    /// # Errors
    /// If that version is too long ago (or was never): the reader must list again.
    pub fn watch(&self, resource: Resource, version: u64) -> Result<Watch, Failure> {
        let memory = self.inner.memory();
        let position = match version {
            0 => memory.published,
            version => version,
        };
        let oldest = memory.known_since(resource);
        if position < oldest || position > memory.published {
            return Err(Failure::new(
                Reason::Expired,
                format!("too old resource version: {position} ({oldest})"),
            ));
        }
        Ok(Watch {
            store: self.inner.clone(),
            news: self.inner.news.subscribe(),
            resource,
            position,
        })
    }

    /// Whether anything happened to a kind after this version; `None` if that is not known any more.
    #[must_use]
    pub fn changed_since(&self, resource: Resource, version: u64) -> Option<bool> {
        match self.inner.memory().after(resource, version) {
            Next::Notice(_) => Some(true),
            Next::NothingYet => Some(false),
            Next::TooSlow => None,
        }
    }
}

impl Watch {
    /// The next notice. `None` if this reader was too slow and must list again.
    ///
    /// Cancelling it loses nothing.
    pub async fn next(&mut self) -> Option<Notice> {
        loop {
            // What is seen is marked before it is looked at, so that news in between wake again.
            self.news.borrow_and_update();
            match self.store.memory().after(self.resource, self.position) {
                Next::Notice(notice) => {
                    self.position = notice.stored.version;
                    return Some(notice);
                }
                Next::TooSlow => return None,
                Next::NothingYet => {}
            }
            // The sender lives in the store that this watch holds.
            self.news.changed().await.ok()?;
        }
    }

    /// The version up to which this reader has seen everything.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }
}
