//! Does a log stay below its limits and lose nothing unsaid?

use std::path::Path;

use super::*;

const NOON: u64 = 1_795_435_200_000_000_000;

/// A directory that goes with the test.
struct Folder(PathBuf);

impl std::ops::Deref for Folder {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

fn folder() -> Folder {
    static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("outrigger-log-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&path).unwrap();
    Folder(path)
}

fn settings(folder: &Path, max_bytes: u64, max_files: u32) -> Settings {
    Settings {
        path: folder.join("0.log"),
        max_bytes,
        max_files,
    }
}

fn names(folder: &Path) -> Vec<String> {
    let name =
        |entry: io::Result<std::fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<_> = std::fs::read_dir(folder).unwrap().map(name).collect();
    names.sort_by_key(|name| age("0.log", name).unwrap_or(("~".to_owned(), 0)));
    names
}

#[test]
fn rotation_keeps_every_entry_in_order_between_whole_entries() {
    let folder = folder();
    let mut log = LogFile::open(settings(&folder, 100, 1000)).unwrap();
    let mut sent = String::new();
    for number in 0..200 {
        let entry = format!("entry {number} {}\n", "x".repeat(number % 60));
        let two = format!("{entry}{entry}");
        log.write(
            two.as_bytes(),
            &TimeText::new(NOON + number as u64 * 100_000_000),
        );
        sent.push_str(&two);
    }
    let mut got = String::new();
    for name in names(&folder) {
        let text = std::fs::read_to_string(folder.join(&name)).unwrap();
        assert!(
            text.ends_with('\n') && text.len() <= 100,
            "{name}: {}",
            text.len()
        );
        got.push_str(&text);
    }
    assert_eq!(got, sent);
    assert!(
        names(&folder).contains(&"0.log.20261123-120000".to_owned()),
        "{:?}",
        names(&folder)
    );
    assert!(names(&folder).contains(&"0.log.20261123-120000-1".to_owned()));
}

#[test]
fn only_so_many_files_are_kept_also_by_the_next_shim_and_strangers_stay() {
    let folder = folder();
    std::fs::write(folder.join("0.log.20261123-120000.gz"), "").unwrap();
    std::fs::write(folder.join("1.log.20261123-120000"), "").unwrap();
    for _ in 0..2 {
        let mut log = LogFile::open(settings(&folder, 20, 3)).unwrap();
        (0..30).for_each(|number| {
            log.write(format!("entry {number}\n").as_bytes(), &TimeText::new(NOON))
        });
    }
    let kept = names(&folder);
    assert_eq!(
        kept.iter()
            .filter(|name| age("0.log", name).is_some())
            .count(),
        2,
        "{kept:?}"
    );
    assert_eq!(kept.len(), 5);
    assert_eq!(
        std::fs::read_to_string(folder.join("0.log")).unwrap(),
        "entry 28\nentry 29\n"
    );
}

#[test]
fn an_entry_above_the_limit_is_written_all_the_same() {
    let folder = folder();
    let mut log = LogFile::open(settings(&folder, 10, 5)).unwrap();
    let entry = format!("{}\n", "y".repeat(50));
    log.write(entry.as_bytes(), &TimeText::new(NOON));
    log.write(b"short\n", &TimeText::new(NOON));
    let text = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    assert_eq!(text("0.log.20261123-120000"), entry);
    assert_eq!(text("0.log"), "short\n");
}

#[test]
fn a_link_or_fifo_in_the_place_of_the_log_is_refused() {
    let folder = folder();
    let secret = folder.join("secret");
    std::fs::write(&secret, "s").unwrap();
    std::os::unix::fs::symlink(&secret, folder.join("0.log")).unwrap();
    assert!(LogFile::open(settings(&folder, 10, 5)).is_err());
    std::fs::remove_file(folder.join("0.log")).unwrap();
    std::fs::hard_link(&secret, folder.join("0.log")).unwrap();
    assert!(LogFile::open(settings(&folder, 10, 5)).is_err());
    std::fs::remove_file(folder.join("0.log")).unwrap();
    rustix::fs::mkfifoat(
        rustix::fs::CWD,
        folder.join("0.log"),
        Mode::from_raw_mode(0o600),
    )
    .unwrap();
    assert!(LogFile::open(settings(&folder, 10, 5)).is_err());
}

#[test]
fn what_a_full_disk_swallowed_is_counted_and_told() {
    let folder = folder();
    let mut log = LogFile::open(settings(&folder, 1000, 5)).unwrap();
    log.write(b"first\n", &TimeText::new(NOON));
    let good = std::mem::replace(
        &mut log.file,
        File::options().write(true).open("/dev/full").unwrap(),
    );
    log.write(b"second\n", &TimeText::new(NOON));
    log.write(b"third\n", &TimeText::new(NOON));
    log.file = good;
    log.write(b"fourth\n", &TimeText::new(NOON));
    let text = std::fs::read_to_string(folder.join("0.log")).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(
        (lines[0], lines[2], lines.len()),
        ("first", "fourth", 3),
        "{text}"
    );
    assert!(
        lines[1]
            .contains("stderr F outrigger: 13 bytes of this log were lost: write: No space left"),
        "{text}"
    );
    assert!(outrigger_wire::cri_log::parse(lines[1].as_bytes()).is_some());
}
