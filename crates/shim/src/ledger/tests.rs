//! Is nothing lost, changed or told twice, wherever the shim was cut off, and does it stay small?

use super::*;

mod damaged;
mod released;

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
        message: None,
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
        let mut ledger = Ledger::open(&path, 1).unwrap();
        ledger.note(AT, exited(round));
        ledger.note(AT, exited(round + 10));
        assert!(ledger.is_behind());
        assert_eq!(ledger.commit().unwrap().len(), 2);
        assert!(!ledger.is_behind());
    }
    let events = Ledger::open(&path, 1).unwrap().after(2).unwrap();
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
    let mut ledger = Ledger::open(&path, 1).unwrap();
    (0..3).for_each(|number| ledger.note(AT, exited(number)));
    ledger.commit().unwrap();
    drop(ledger);
    let bytes = std::fs::read(&path).unwrap();
    for cut in 0..=bytes.len() {
        std::fs::write(&path, &bytes[..cut]).unwrap();
        let mut ledger = Ledger::open(&path, 1).unwrap();
        let whole = bytes[..cut].iter().filter(|&&byte| byte == b'\n').count();
        assert_eq!(ledger.after(0).unwrap().len(), whole);
        ledger.note(AT, exited(99));
        let told = ledger.commit().unwrap();
        assert_eq!(told[0].seq, whole as u64 + 1);
        drop(ledger);
        assert_eq!(
            Ledger::open(&path, 1).unwrap().after(whole as u64).unwrap(),
            told
        );
    }
}

#[test]
fn damage_in_the_middle_is_refused_and_not_guessed() {
    let folder = folder();
    let path = folder.join("ledger");
    let mut ledger = Ledger::open(&path, 1).unwrap();
    (0..3).for_each(|number| ledger.note(AT, exited(number)));
    ledger.commit().unwrap();
    drop(ledger);
    let text = std::fs::read_to_string(&path).unwrap();
    let without_second: String = text
        .lines()
        .enumerate()
        .filter(|(at, _)| *at != 1)
        .map(|(_, l)| format!("{l}\n"))
        .collect();
    std::fs::write(&path, without_second).unwrap();
    assert!(matches!(
        Ledger::open(&path, 1),
        Err(LedgerError::Damaged { line: 2, .. })
    ));
}

#[test]
fn a_container_that_crashes_ten_thousand_times_leaves_a_short_ledger() {
    let folder = folder();
    let path = folder.join("ledger");
    let mut ledger = Ledger::open(&path, 1_000).unwrap();
    let (mut longest, mut recorded) = (0, 0);
    for round in 0..10_000 {
        let started = EventKind::Started {
            container: "c".repeat(64),
            pid: 1,
        };
        ledger.note(AT, started);
        ledger.note(AT, exited(round));
        if round % 8 != 7 {
            continue;
        }
        // The node is always one exit behind.
        ledger.forget(recorded).unwrap();
        recorded = ledger.commit().unwrap()[15].seq - 2;
        longest = longest.max(std::fs::metadata(&path).unwrap().len());
    }
    assert!(longest < 2 * LIMIT_BYTES, "it grew to {longest} bytes");
    let newest = ledger.after(recorded).unwrap();
    assert_eq!(newest.iter().map(code).collect::<Vec<_>>(), [-1, 9_999]);
    assert_eq!(newest[1].seq, 1_000 + 20_000 - 1);
    drop(ledger);
    let mut again = Ledger::open(&path, 1).unwrap();
    assert_eq!(again.after(recorded).unwrap(), newest);
    assert!(!folder.join("ledger.new").exists());
}

#[test]
fn what_the_node_does_not_have_is_never_forgotten() {
    let folder = folder();
    let path = folder.join("ledger");
    let mut ledger = Ledger::open(&path, 1).unwrap();
    for round in 0..2_000 {
        ledger.note(AT, exited(round));
        ledger.forget(7).unwrap();
        if round % 50 == 49 {
            ledger.commit().unwrap();
        }
    }
    let events = ledger.after(7).unwrap();
    assert_eq!(events.len(), 1_993);
    assert!(ledger.after(0).unwrap().len() < 2_000);
}

#[test]
fn a_shim_that_waited_for_a_ledger_gets_the_one_that_has_replaced_it() {
    let folder = folder();
    let path = folder.join("ledger");
    let mut ledger = Ledger::open(&path, 1).unwrap();
    let waiting = std::thread::spawn({
        let path = path.clone();
        move || Ledger::open(&path, 1).unwrap().after(0).unwrap()
    });
    while ledger.limit == LIMIT_BYTES {
        (0..9).for_each(|_| ledger.note(AT, exited(1)));
        ledger.commit().unwrap();
        let newest = ledger.next_seq - 1;
        ledger.forget(newest).unwrap();
        if ledger.length == 0 {
            break;
        }
    }
    ledger.note(AT, exited(2));
    let told = ledger.commit().unwrap();
    drop(ledger);
    assert_eq!(waiting.join().unwrap(), told);
}

#[test]
fn a_new_ledger_has_no_number_of_an_earlier_one() {
    let folder = folder();
    let (old, new) = (folder.join("old"), folder.join("new"));
    let before = outrigger_sys::clock::boot_ns();
    let mut ledger = Ledger::open(&old, outrigger_sys::clock::boot_ns()).unwrap();
    (0..100).for_each(|number| ledger.note(AT, exited(number)));
    let last = ledger.commit().unwrap()[99].seq;
    assert!(last > before);
    let mut ledger = Ledger::open(&new, outrigger_sys::clock::boot_ns()).unwrap();
    ledger.note(AT, exited(1));
    let first = ledger.commit().unwrap()[0].seq;
    assert!(first > last);
    assert_eq!(ledger.after(last).unwrap().len(), 1);
}
