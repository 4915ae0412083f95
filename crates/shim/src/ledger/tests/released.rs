//! Is the ledger of an earlier revision's shim still read, and goes on where it ended? A shim that was killed is followed
//! by one of the newest revision, which takes its ledger over.
//!
//! A folder here holds the ledger that one revision wrote; of b1e0b9e also that of a Pod that really ran. They are never changed. A
//! revision's is written by itself: `OUTRIGGER_KEEP_AS=0.2.0-… cargo test -p outrigger-shim --lib released -- --test-threads 1`.

use std::collections::BTreeSet;

use super::*;

const FIRST: u64 = 86_400_000_000_000;

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ledger/tests/released")
}

fn at(ms: u64) -> Stamp {
    Stamp {
        boot_ns: FIRST + ms * 1_000_000,
        wall_ns: 1_795_000_000_000_000_000 + ms * 1_000_000,
    }
}

/// What the lines mean. A field that is new is written out here with what an earlier revision's line says of it.
fn events() -> Vec<Event> {
    let container = || "0a1b2c3d4e5f6071".repeat(4);
    let ended = |code, signal, oom_killed| EventKind::Exited {
        container: container(),
        code,
        signal,
        oom_killed,
        message: None,
    };
    let kinds = vec![
        EventKind::Started {
            container: container(),
            pid: 4_711,
        },
        ended(0, None, false),
        ended(255, None, false),
        ended(143, Some(15), false),
        ended(137, Some(9), true),
    ];
    let numbered = kinds.into_iter().zip(0..);
    numbered
        .map(|(kind, number)| Event {
            seq: FIRST + number,
            at: at(number),
            kind,
        })
        .collect()
}

fn keep(path: &Path) {
    let mut ledger = Ledger::open(path, FIRST).unwrap();
    for event in events() {
        ledger.note(event.at, event.kind);
    }
    ledger.commit().unwrap();
}

/// The folders of all revisions; the one that is being written too, if one is.
fn revisions() -> Vec<PathBuf> {
    if let Ok(name) = std::env::var("OUTRIGGER_KEEP_AS") {
        let folder = here().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        keep(&folder.join("ledger"));
    }
    let folders: Vec<PathBuf> = std::fs::read_dir(here())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(!folders.is_empty(), "no revision's ledger is here");
    folders
}

/// The events of a copy of it, and the number that the next one would have.
fn read(kept: &Path) -> (Vec<Event>, u64) {
    let folder = folder();
    let path = folder.join("ledger");
    std::fs::copy(kept, &path).unwrap();
    let mut ledger = Ledger::open(&path, 1).unwrap();
    (ledger.after(0).unwrap(), ledger.next_seq)
}

/// The variant's name. One that is new does not compile until it stands here.
fn name(kind: &EventKind) -> &'static str {
    match kind {
        EventKind::Started { .. } => "Started",
        EventKind::Exited { .. } => "Exited",
    }
}

#[test]
fn every_line_of_an_earlier_shims_ledger_means_what_it_meant() {
    for folder in revisions() {
        let (told, next) = read(&folder.join("ledger"));
        // What an earlier revision did not know stands last.
        assert_eq!(told, events()[..told.len()], "{}", folder.display());
        assert_eq!(next, FIRST + told.len() as u64);
    }
}

#[test]
fn there_is_a_line_of_everything_that_b1e0b9e_could_write() {
    let (told, _) = read(&here().join("0.1.0-b1e0b9e/ledger"));
    let names: BTreeSet<&str> = told.iter().map(|event| name(&event.kind)).collect();
    assert_eq!(names, BTreeSet::from(["Exited", "Started"]));
    assert_eq!(told.len(), 5);
}

#[test]
fn the_ledger_of_a_pod_that_b1e0b9e_started_is_taken_over() {
    let (told, next) = read(&here().join("0.1.0-b1e0b9e/stays.ledger"));
    let names: Vec<&str> = told.iter().map(|event| name(&event.kind)).collect();
    assert_eq!(names, ["Started", "Exited", "Started", "Started"]);
    assert_eq!(next, 1_511_706_427_985);
}
