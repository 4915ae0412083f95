//! What if the file is in use, damaged, or the disk is full?

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::{Database, StorageBackend};

use super::*;

#[test]
fn a_second_daemon_on_the_same_root_is_refused() {
    let scratch = Scratch::new();
    let _first = scratch.open();
    let message = Store::open(&scratch.0).unwrap_err().to_string();
    assert!(
        message.contains("only one daemon can use a root directory"),
        "{message}"
    );
}

#[test]
fn only_root_may_read_the_file_in_which_secrets_stand() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = Scratch::new();
    let _store = scratch.open();
    let mode = std::fs::metadata(scratch.0.join("objects.redb"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_damaged_file_is_refused_with_what_to_do_and_left_alone() {
    let scratch = Scratch::new();
    let store = scratch.open();
    for number in 0..200 {
        put(&store, &format!("a{number}"), &"x".repeat(500));
    }
    drop(store);
    let path = scratch.0.join("objects.redb");
    let whole = std::fs::read(&path).unwrap();
    let mut refused = 0;
    for page in (0..whole.len()).step_by(whole.len() / 16) {
        let mut damaged = whole.clone();
        let end = (page + 3000).min(damaged.len());
        damaged[page..end].fill(0xa5);
        std::fs::write(&path, &damaged).unwrap();
        // Where nothing stands, or an older state, nothing is lost.
        match Store::open(&scratch.0) {
            Ok(store) => assert_eq!(store.count(Resource::ConfigMaps), 200),
            Err(error) => {
                let message = error.to_string();
                assert!(
                    message.contains("objects.redb") && message.contains("damaged"),
                    "{message}"
                );
                assert!(message.contains("--accept-empty-store"), "{message}");
                refused += 1;
            }
        }
    }
    assert!(refused > 0);
    std::fs::write(&path, b"this is no database, whatever it is called").unwrap();
    assert!(
        Store::open(&scratch.0)
            .unwrap_err()
            .to_string()
            .contains("damaged")
    );
    assert_eq!(
        std::fs::read(&path).unwrap(),
        b"this is no database, whatever it is called"
    );
}

/// A file in memory that can be full, and that is the same one after it was closed.
#[derive(Debug, Clone, Default)]
struct Fragile {
    bytes: Arc<Mutex<Vec<u8>>>,
    is_full: Arc<AtomicBool>,
    is_read_only: Arc<AtomicBool>,
}

type Io<T> = Result<T, std::io::Error>;

impl Fragile {
    fn check(&self) -> Io<()> {
        if self.is_full.load(Ordering::Relaxed) {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        if self.is_read_only.load(Ordering::Relaxed) {
            return Err(std::io::ErrorKind::ReadOnlyFilesystem.into());
        }
        Ok(())
    }

    fn open(&self) -> Store {
        let file = self.clone();
        let opener = Box::new(move || {
            Database::builder()
                .set_check_integrity_on_open(true)
                .create_with_backend(file.clone())
        });
        let (disk, loaded) = Disk::with(opener).unwrap();
        Store::of(Some(disk), loaded, None)
    }
}

impl StorageBackend for Fragile {
    fn len(&self) -> Io<u64> {
        Ok(self.bytes.lock().unwrap().len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Io<()> {
        let start = offset as usize;
        out.copy_from_slice(&self.bytes.lock().unwrap()[start..start + out.len()]);
        Ok(())
    }

    fn set_len(&self, len: u64) -> Io<()> {
        self.check()?;
        self.bytes.lock().unwrap().resize(len as usize, 0);
        Ok(())
    }

    fn sync_data(&self) -> Io<()> {
        self.check()
    }

    fn write(&self, offset: u64, data: &[u8]) -> Io<()> {
        self.check()?;
        let start = offset as usize;
        self.bytes.lock().unwrap()[start..start + data.len()].copy_from_slice(data);
        Ok(())
    }
}

#[test]
fn a_disk_that_is_full_fails_the_write_and_nothing_else_and_is_used_again_when_it_has_room() {
    let file = Fragile::default();
    let store = file.open();
    let first = put(&store, "a", "1");
    file.is_full.store(true, Ordering::Relaxed);
    for _ in 0..3 {
        let refused = store.write(&key("a"), |_| {
            Ok::<_, StoreError>(Write::Durable(object("a", "2")))
        });
        assert!(
            refused
                .unwrap_err()
                .to_string()
                .starts_with("writing the store of API objects")
        );
        let refused = store.write(&key("a"), |_| Ok::<_, StoreError>(Write::Remove));
        assert!(refused.is_err());
        assert_eq!(store.get(&key("a")).unwrap(), first);
    }
    // What the node observes still gets through.
    assert!(put_volatile(&store, "b", "1").version > first.version);
    file.is_full.store(false, Ordering::Relaxed);
    put(&store, "c", "1");
    drop(store);
    let store = file.open();
    assert_eq!(data(&store, "a").as_deref(), Some("1"));
    assert_eq!(data(&store, "c").as_deref(), Some("1"));
}

#[test]
fn a_disk_that_is_read_only_or_full_is_told_as_that_and_used_again_afterwards() {
    let file = Fragile::default();
    let store = file.open();
    put(&store, "a", "1");
    for (lack, trouble, code, remedy) in [
        (&file.is_full, Trouble::Full, 507, "make room"),
        (
            &file.is_read_only,
            Trouble::ReadOnly,
            503,
            "mount it read-write",
        ),
    ] {
        lack.store(true, Ordering::Relaxed);
        // The second time it is the opening that fails.
        for _ in 0..2 {
            let refused = store.write(&key("a"), |_| {
                Ok::<_, StoreError>(Write::Durable(object("a", "2")))
            });
            let error = refused.unwrap_err();
            assert_eq!(error.trouble, trouble, "{error}");
            let failure = Failure::from(error);
            assert_eq!(failure.reason.code(), code);
            assert!(failure.message.contains(remedy), "{}", failure.message);
            assert_eq!(data(&store, "a").as_deref(), Some("1"));
        }
        lack.store(false, Ordering::Relaxed);
        put(&store, "b", code.to_string().as_str());
    }
}
