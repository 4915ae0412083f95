//! How do objects get onto the disk, and what if that fails?

use std::collections::BTreeSet;
use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use rustix::fs::OFlags;
use serde_json::Value;

use super::problem::{FORMAT_NOW, Problem, advice};
use super::reserve::Reserve;
use super::{Key, StoreError, Stored, Trouble};
use crate::Resource;

/// Objects by `plural/namespace/name`: eight bytes of version, then JSON.
const OBJECTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("objects");
/// The uids of Pods that were deleted and of which something may be left on the machine.
const DELETED: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("deleted-pods");
/// Numbers about the store itself.
const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("numbers");
/// In [`NUMBERS`]: the layout of this file.
const FORMAT: &str = "format";
/// In [`NUMBERS`]: no version beyond this one was ever given away.
const RESERVED: &str = "versions-reserved-until";
/// Everything is kept in memory as it is; the database needs only the pages that it is changing.
const CACHE_BYTES: usize = 256 * 1024;

/// One change to the database.
#[derive(Debug, Clone)]
pub(super) struct Put {
    table: Table,
    key: String,
    /// `None` removes it.
    bytes: Option<Vec<u8>>,
}

/// Where a change is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Table {
    Objects,
    Deleted,
}

impl Put {
    /// Puts an object in its place, or removes it.
    pub(super) fn object(key: &Key, bytes: Option<Vec<u8>>) -> Put {
        Put {
            table: Table::Objects,
            key: row(key),
            bytes,
        }
    }

    /// Notes that a Pod was deleted, or that nothing is left of it.
    pub(super) fn deleted(uid: &str, is_left: bool) -> Put {
        Put {
            table: Table::Deleted,
            key: uid.to_owned(),
            bytes: is_left.then(Vec::new),
        }
    }

    fn is_same_place(&self, other: &Put) -> bool {
        (self.table, &self.key) == (other.table, &other.key)
    }
}

/// How long the database may be held by a process that is on its way to `execve`.
const PATIENCE: Duration = Duration::from_secs(1);
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(5);

/// How the database is opened, now and again after it has failed.
type Opener = Box<dyn Fn() -> Result<Database, redb::DatabaseError> + Send>;

/// The database. After a failed write it is opened anew, because it takes no more writes then.
pub(super) struct Disk {
    opener: Opener,
    database: Option<Database>,
    /// What stood where a failed write may have left something else: written back before anything new is.
    doubtful: Vec<Put>,
    /// Room for what ends objects, and the file that it is for.
    spare: Option<(Reserve, PathBuf)>,
}

impl std::fmt::Debug for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Disk")
            .field("is_open", &self.database.is_some())
            .field("doubtful", &self.doubtful.len())
            .finish_non_exhaustive()
    }
}

/// What the database held when it was opened.
pub(super) struct Loaded {
    pub(super) objects: Vec<Stored>,
    pub(super) deleted: BTreeSet<String>,
    pub(super) reserved: u64,
}

impl Disk {
    /// Opens or makes `objects.redb` in this directory.
    pub(super) fn open(directory: &Path) -> Result<(Disk, Loaded), StoreError> {
        let path = directory.join("objects.redb");
        let failed = |operation, trouble, problem: String| StoreError {
            operation,
            path: Some(path.clone()),
            problem,
            trouble,
        };
        prepare(directory, &path)
            .map_err(|error| failed("opening", Trouble::of(&error), error.to_string()))?;
        let mut spare = Reserve::open(directory);
        let opened = loop {
            match begin(&path).and_then(|()| Disk::with(opener(&path))) {
                Err(Problem::Full(_)) if spare.release(&path) => {}
                opened => break opened,
            }
        };
        let (mut disk, loaded) =
            opened.map_err(|problem| failed("opening", problem.trouble(), advice(problem)))?;
        disk.spare = Some((spare, path));
        Ok((disk, loaded))
    }

    /// Opens a database that is opened like that.
    pub(super) fn with(opener: Opener) -> Result<(Disk, Loaded), Problem> {
        let database = open_alone(&opener)?;
        let loaded = load(&database)?;
        let disk = Disk {
            opener,
            database: Some(database),
            doubtful: Vec::new(),
            spare: None,
        };
        Ok((disk, loaded))
    }

    /// Puts changes on the disk, all or none. When this returns `Ok` they outlive everything. On a full disk what `ends`
    /// an object is written where room was kept for it.
    pub(super) fn write(
        &mut self,
        puts: &[Put],
        reserve: Option<u64>,
        ends: bool,
    ) -> Result<(), Problem> {
        loop {
            let written = self.try_write(puts, reserve);
            let Some((spare, path)) = &mut self.spare else {
                return written;
            };
            let is_full = matches!(written, Err(Problem::Full(_)));
            if written.is_ok() {
                spare.mend();
            }
            if !(is_full && ends && spare.release(path)) {
                return written;
            }
        }
    }

    fn try_write(&mut self, puts: &[Put], reserve: Option<u64>) -> Result<(), Problem> {
        let database = match self.database.take() {
            Some(database) => database,
            None => (self.opener)()?,
        };
        let mut before = Vec::new();
        match commit(&database, &self.doubtful, puts, reserve, &mut before) {
            Ok(()) => {
                self.doubtful.clear();
                self.database = Some(database);
                Ok(())
            }
            Err(problem) => {
                // Whether the last commit is on the disk is unknown now. Nobody was told that it is, so
                // it must not come back after the next start.
                for put in before {
                    if !self.doubtful.iter().any(|known| known.is_same_place(&put)) {
                        self.doubtful.push(put);
                    }
                }
                Err(problem)
            }
        }
    }
}

/// Makes a database where there is none, beside its place: what is left half-made of one when the disk fails would be
/// taken for one that is damaged.
fn begin(path: &Path) -> Result<(), Problem> {
    let failed = |error: std::io::Error| Problem::from(redb::StorageError::Io(error));
    if path.metadata().map_err(failed)?.len() > 0 {
        return Ok(());
    }
    let fresh = path.with_extension("redb.new");
    match std::fs::remove_file(&fresh) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let mut options = OpenOptions::new();
    let made = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&fresh);
    made.map_err(failed)?;
    drop(Disk::with(opener(&fresh))?);
    std::fs::rename(&fresh, path).map_err(failed)?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(failed)
}

fn opener(file: &Path) -> Opener {
    let file = file.to_owned();
    Box::new(move || {
        let mut builder = Database::builder();
        builder
            .set_cache_size(CACHE_BYTES)
            .set_check_integrity_on_open(true);
        builder.create(&file)
    })
}

/// A process that was killed while it started another one has left the database's lock to that one for
/// the moment until it calls `execve`, so that it is in use is believed only after a while.
fn open_alone(opener: &Opener) -> Result<Database, redb::DatabaseError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match opener() {
            Err(redb::DatabaseError::DatabaseAlreadyOpen) if Instant::now() < deadline => {
                std::thread::sleep(ASK_AGAIN_AFTER);
            }
            result => return result,
        }
    }
}

/// Makes the file if there is none: Secrets stand in it, so that only root may read it. What is no file of ours is
/// not touched, and opening it waits for nobody.
fn prepare(directory: &Path, path: &Path) -> std::io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)?;
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    let (found, us) = (file.metadata()?, rustix::process::geteuid().as_raw());
    if !found.is_file() {
        return Err(std::io::Error::other("it is no regular file"));
    }
    if found.uid() != us {
        let owner = found.uid();
        let problem = format!("it belongs to user {owner}, not to {us}");
        return Err(std::io::Error::other(problem));
    }
    File::open(directory)?.sync_all()
}

fn commit(
    database: &Database,
    doubtful: &[Put],
    puts: &[Put],
    reserve: Option<u64>,
    before: &mut Vec<Put>,
) -> Result<(), Problem> {
    let transaction = database.begin_write()?;
    {
        let mut objects = transaction.open_table(OBJECTS)?;
        let mut deleted = transaction.open_table(DELETED)?;
        let mut put_in = |put: &Put| {
            let table = match put.table {
                Table::Objects => &mut objects,
                Table::Deleted => &mut deleted,
            };
            let bytes = table.get(put.key.as_str())?.map(|old| old.value().to_vec());
            replace(table, put)?;
            Ok::<_, Problem>(Put {
                bytes,
                ..put.clone()
            })
        };
        for put in doubtful {
            put_in(put)?;
        }
        for put in puts {
            before.push(put_in(put)?);
        }
        if let Some(until) = reserve {
            transaction.open_table(NUMBERS)?.insert(RESERVED, until)?;
        }
    }
    Ok(transaction.commit()?)
}

fn replace(table: &mut redb::Table<'_, &str, &[u8]>, put: &Put) -> Result<(), Problem> {
    match &put.bytes {
        Some(bytes) => table.insert(put.key.as_str(), bytes.as_slice())?,
        None => table.remove(put.key.as_str())?,
    };
    Ok(())
}

fn load(database: &Database) -> Result<Loaded, Problem> {
    let transaction = database.begin_write()?;
    {
        let mut numbers = transaction.open_table(NUMBERS)?;
        let format = numbers.get(FORMAT)?.map(|format| format.value());
        match format {
            None => {
                numbers.insert(FORMAT, FORMAT_NOW)?;
            }
            Some(FORMAT_NOW) => {}
            Some(newer) => return Err(Problem::Newer(newer)),
        }
        transaction.open_table(OBJECTS)?;
        transaction.open_table(DELETED)?;
    }
    transaction.commit()?;
    let transaction = database.begin_read()?;
    let reserved = transaction
        .open_table(NUMBERS)?
        .get(RESERVED)?
        .map_or(0, |until| until.value());
    let mut objects = Vec::new();
    for row in transaction.open_table(OBJECTS)?.iter()? {
        let (key, bytes) = row?;
        objects.push(decode(key.value(), bytes.value())?);
    }
    let mut deleted = BTreeSet::new();
    for row in transaction.open_table(DELETED)?.iter()? {
        deleted.insert(row?.0.value().to_owned());
    }
    Ok(Loaded {
        objects,
        deleted,
        reserved,
    })
}

/// The name of a row.
fn row(key: &Key) -> String {
    format!("{}/{}/{}", key.resource.plural(), key.namespace, key.name)
}

/// The bytes of a row.
pub(super) fn encode(version: u64, object: &Value) -> Vec<u8> {
    let mut bytes = version.to_le_bytes().to_vec();
    // The only thing that JSON cannot hold is a map whose keys are no texts, and a `Value` has none.
    bytes.extend(object.to_string().into_bytes());
    bytes
}

fn decode(row: &str, bytes: &[u8]) -> Result<Stored, Problem> {
    let damaged = |what: &str| Problem::Damaged(format!("the object {row} {what}"));
    let mut parts = row.splitn(3, '/');
    let (Some(plural), Some(namespace), Some(name)) = (parts.next(), parts.next(), parts.next())
    else {
        return Err(damaged("has no proper name"));
    };
    let resource = Resource::ALL
        .into_iter()
        .find(|resource| resource.plural() == plural)
        .ok_or_else(|| damaged("is of an unknown kind"))?;
    let (version, json) = bytes
        .split_first_chunk()
        .ok_or_else(|| damaged("is too short"))?;
    let object: Value =
        serde_json::from_slice(json).map_err(|error| damaged(&error.to_string()))?;
    Ok(Stored {
        key: Key {
            resource,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        },
        version: u64::from_le_bytes(*version),
        object: std::sync::Arc::new(object),
    })
}
