//! Is nothing lost, changed or told twice, wherever the shim was cut off?

use super::*;

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
    let path =
        std::env::temp_dir().join(format!("outrigger-ledger-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&path).unwrap();
    Folder(path)
}

fn exited(code: i32) -> EventKind {
    EventKind::Exited {
        container: "c1".to_owned(),
        code,
        signal: None,
        oom_killed: false,
    }
}

fn code(event: &Event) -> i32 {
    match &event.kind {
        EventKind::Exited { code, .. } => *code,
        EventKind::Started { .. } => -1,
    }
}

const AT: Stamp = Stamp {
    boot_ns: 1,
    wall_ns: 2,
};

#[test]
fn a_reopened_ledger_goes_on_counting() {
    let folder = folder();
    let path = folder.join("ledger");
    for round in 0..3 {
        let mut ledger = Ledger::open(&path).unwrap();
        ledger.note(AT, exited(round));
        ledger.note(AT, exited(round + 10));
        assert!(ledger.is_behind());
        assert_eq!(ledger.commit().unwrap().len(), 2);
        assert!(!ledger.is_behind());
    }
    let events = Ledger::open(&path).unwrap().after(2).unwrap();
    assert_eq!(
        events.iter().map(|event| event.seq).collect::<Vec<_>>(),
        [3, 4, 5, 6]
    );
    assert_eq!(events.iter().map(code).collect::<Vec<_>>(), [1, 11, 2, 12]);
}

#[test]
fn wherever_the_last_write_was_cut_whole_lines_stay_and_the_rest_goes() {
    let folder = folder();
    let path = folder.join("ledger");
    let mut ledger = Ledger::open(&path).unwrap();
    (0..3).for_each(|number| ledger.note(AT, exited(number)));
    ledger.commit().unwrap();
    let bytes = std::fs::read(&path).unwrap();
    for cut in 0..=bytes.len() {
        std::fs::write(&path, &bytes[..cut]).unwrap();
        let mut ledger = Ledger::open(&path).unwrap();
        let whole = bytes[..cut].iter().filter(|&&byte| byte == b'\n').count();
        assert_eq!(ledger.after(0).unwrap().len(), whole);
        ledger.note(AT, exited(99));
        let told = ledger.commit().unwrap();
        assert_eq!(told[0].seq, whole as u64 + 1);
        assert_eq!(
            Ledger::open(&path).unwrap().after(whole as u64).unwrap(),
            told
        );
    }
}

#[test]
fn damage_in_the_middle_is_refused_and_not_guessed() {
    let folder = folder();
    let path = folder.join("ledger");
    let mut ledger = Ledger::open(&path).unwrap();
    (0..3).for_each(|number| ledger.note(AT, exited(number)));
    ledger.commit().unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let without_second: String = text
        .lines()
        .enumerate()
        .filter(|(at, _)| *at != 1)
        .map(|(_, l)| format!("{l}\n"))
        .collect();
    std::fs::write(&path, without_second).unwrap();
    assert!(matches!(
        Ledger::open(&path),
        Err(LedgerError::Damaged { line: 2, .. })
    ));
}
