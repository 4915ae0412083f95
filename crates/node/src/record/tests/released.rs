//! Is what an earlier revision wrote of a Pod's life still read, and means what it meant?
//!
//! A folder here holds what one revision itself wrote: `lines.txt`, a line each of a record behind its name and a tab;
//! `life.jsonl`, a whole record; and of b1e0b9e the records of two Pods that really ran. They are never changed. A revision's are written by
//! itself: `OUTRIGGER_KEEP_AS=0.2.0-… cargo test -p outrigger-node --lib released -- --test-threads 1`.

mod facts;
mod names;
mod snapshots;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::*;

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/record/tests/released")
}

/// The newest line of each kind, by names, and what they mean. What is wholly new stands last.
fn lines() -> Vec<(String, Line)> {
    let pod = || Box::new(snapshots::manifest());
    let others = [
        ("head", Line::Head(Box::new(snapshots::head()))),
        (
            "update",
            Line::Update {
                at: snapshots::at(20),
                pod: pod(),
            },
        ),
        ("instance", Line::Instance(snapshots::instance_line())),
        ("conditions", Line::Conditions(snapshots::conditions())),
        ("conditions-none", Line::Conditions(Vec::new())),
    ];
    let others = others.map(|(name, line)| (name.to_owned(), line));
    let snapshots = snapshots::all().into_iter().zip(1..);
    let snapshots = snapshots
        .map(|(one, number)| (format!("snapshot-{number}"), Line::Snapshot(Box::new(one))));
    let seq = |fact: &Fact| matches!(fact, Fact::Started { .. }).then_some(86_400_000_000_007);
    let facts = facts::all().into_iter().zip(1..).map(|(fact, number)| {
        let (at, seq) = (snapshots::at(number), seq(&fact));
        (format!("fact-{number}"), Line::Fact { at, seq, fact })
    });
    others.into_iter().chain(snapshots).chain(facts).collect()
}

/// The folders of all revisions; the one that is being written too, if one is.
fn revisions() -> Vec<PathBuf> {
    if let Ok(name) = std::env::var("OUTRIGGER_KEEP_AS") {
        keep(&here().join(name));
    }
    let entries = std::fs::read_dir(here()).unwrap();
    let folders: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    let folders: Vec<PathBuf> = folders.into_iter().filter(|path| path.is_dir()).collect();
    assert!(!folders.is_empty(), "no revision's lines are here");
    folders
}

fn keep(folder: &Path) {
    let text = |line: &Line| String::from_utf8(line.encode().unwrap()).unwrap();
    let named = |(name, line): &(String, Line)| format!("{name}\t{}", text(line));
    std::fs::create_dir_all(folder).unwrap();
    let named: String = lines().iter().map(named).collect();
    std::fs::write(folder.join("lines.txt"), named).unwrap();
    let life: String = snapshots::life().iter().map(text).collect();
    std::fs::write(folder.join("life.jsonl"), life).unwrap();
}

/// The lines of a revision by their names.
fn kept(folder: &Path) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(folder.join("lines.txt")).unwrap();
    let lines = text.lines().map(|line| line.split_once('\t').unwrap());
    lines
        .map(|(name, line)| (name.to_owned(), line.to_owned()))
        .collect()
}

fn decoded(line: &str) -> Line {
    serde_json::from_str(line).unwrap()
}

/// Whether everything that stands in `old` stands in `new`, with the same value. What `new` has beside it an older reader
/// passes over.
fn holds(new: &Value, old: &Value) -> bool {
    match (new, old) {
        (Value::Object(new), Value::Object(old)) => old
            .iter()
            .all(|(key, old)| new.get(key).is_some_and(|new| holds(new, old))),
        (Value::Array(new), Value::Array(old)) => {
            new.len() == old.len() && new.iter().zip(old).all(|(new, old)| holds(new, old))
        }
        (new, old) => new == old,
    }
}

#[test]
fn every_line_of_an_earlier_revisions_record_means_what_it_meant() {
    for folder in revisions() {
        let of = folder.display();
        let mut kept = kept(&folder);
        for (name, line) in lines() {
            // A newer one has no fixture of this revision.
            let Some(old) = kept.remove(&name) else {
                continue;
            };
            assert_eq!(decoded(&old), line, "{name} of {of}");
            let (old, new) = (
                serde_json::from_str::<Value>(&old).unwrap(),
                serde_json::to_value(&line).unwrap(),
            );
            assert!(holds(&new, &old), "{name}: {of} misses something in {new}");
        }
        assert!(kept.is_empty(), "nobody knows {:?} any more", kept.keys());
    }
}

#[test]
fn there_is_a_line_of_everything_that_b1e0b9e_could_write() {
    let kept = kept(&here().join("0.1.0-b1e0b9e"));
    let mut said = BTreeSet::new();
    for line in kept.values() {
        names::of(&decoded(line), &mut said);
    }
    let missing: Vec<&str> = names::of_b1e0b9e()
        .filter(|name| !said.contains(*name))
        .collect();
    assert!(missing.is_empty(), "no line of {missing:?}");
}

#[test]
fn a_whole_record_of_an_earlier_revision_is_taken_up_where_it_ended() {
    for folder in revisions() {
        let told = read(&folder.join("life.jsonl")).unwrap();
        let expected = snapshots::of_running();
        assert_eq!(told.pod.uid.0, "0f5a0b6c");
        assert_eq!(told.pod.containers.len(), 3);
        assert_eq!(
            (told.boot.as_str(), told.zero_ns),
            ("b007", 1_795_000_000_000_000_000)
        );
        assert_eq!(told.seen, expected.seen);
        assert_eq!(told.last_seq, expected.last_seq);
        assert_eq!(told.conditions, snapshots::conditions());
        let line = snapshots::instance_line();
        assert_eq!(
            told.instances.get(line.slot, line.attempt),
            Some(&line.instance())
        );
    }
}

/// A Pod that ran, with an init container, a proxy beside it, probes and hooks, when its daemon was started again.
#[test]
fn a_pod_that_b1e0b9e_started_is_known_as_running() {
    let told = read(&here().join("0.1.0-b1e0b9e/stays.jsonl")).unwrap();
    assert!(matches!(told.seen.sandbox, Sandbox::Ready { .. }));
    assert!(told.seen.deletion.is_none() && told.seen.teardown.is_none());
    let lives = told.seen.containers.iter();
    let lives: Vec<&Life> = lives.map(|it| &it.current.as_ref().unwrap().life).collect();
    let [
        Life::Exited { exit, .. },
        Life::Running { .. },
        Life::Running { .. },
    ] = lives[..]
    else {
        panic!("{lives:?}");
    };
    assert_eq!((exit.code, exit.reason), (0, ExitReason::Completed));
    assert_eq!(told.last_seq, 1_511_706_427_984);
    let web = told.instances.get(Slot(2), 0).unwrap();
    assert!(web.id.starts_with("d2d368c6"));
    let ready = ("Ready".to_owned(), true, Time(315_361_511_790_000_797));
    assert!(told.conditions.contains(&ready), "{:?}", told.conditions);
    let now = Time(315_361_511_850_000_000);
    assert_eq!(outrigger_lifecycle::open_steps(&told.pod, &told.seen), []);
    let plan = outrigger_lifecycle::plan(&told.pod, &told.seen, now);
    let starts = |(step, _): &&(Step, Because)| !matches!(step, Step::Probe { .. });
    assert_eq!(plan.steps.iter().find(starts), None, "nothing to be done");
}

/// One whose containers failed, and may not be restarted.
#[test]
fn a_pod_that_ended_under_b1e0b9e_is_known_as_ended_and_does_not_run_again() {
    let told = read(&here().join("0.1.0-b1e0b9e/done.jsonl")).unwrap();
    assert!(matches!(told.seen.sandbox, Sandbox::Released { .. }));
    let codes = |it: &outrigger_lifecycle::History| it.exit().unwrap().code;
    let codes: Vec<i32> = told.seen.containers.iter().map(codes).collect();
    assert_eq!(codes, [3, 2]);
    assert_eq!(told.seen.containers[0].exit().unwrap().message, "bye\n");
    let plan = outrigger_lifecycle::plan(&told.pod, &told.seen, Time(u64::MAX / 2));
    assert_eq!(plan.steps, []);
    assert_eq!(plan.status.phase, outrigger_lifecycle::Phase::Failed);
}
