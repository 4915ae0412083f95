//! A record tells all that was written whole, whatever became of its end.

use outrigger_lifecycle::{
    Because, Exit, ExitReason, Fact, HookKind, Life, Outcome, Sandbox, Seen, Step, StopCause, Time,
};
use outrigger_pod::manifest::{SourceFile, read as read_manifest};
use outrigger_pod::{Pod, ProbeKind, Signal, Slot};

use super::*;
use crate::clock::WallClock;
use crate::instances::{Instance, Instances};
use crate::scratch::Scratch;

mod damaged;
mod released;

const MANIFEST: &str = "
apiVersion: v1
kind: Pod
metadata: {name: p, uid: u, annotations: {a: \"b\\nc\"}}
spec:
  terminationGracePeriodSeconds: 7
  initContainers:
  - {name: i, image: 'host:/'}
  containers:
  - name: a
    image: 'host:/'
    livenessProbe: {tcpSocket: {port: 80}}
    lifecycle: {postStart: {exec: {command: ['true']}}}
";

fn pod() -> Pod {
    let file = SourceFile {
        name: "pod.yaml".into(),
        text: MANIFEST.into(),
    };
    let mut read = read_manifest(&[file], &mut || "u".to_owned()).unwrap();
    read.pods.remove(0)
}

fn start(slot: usize) -> Fact {
    let step = Step::Start {
        slot: Slot(slot),
        attempt: 0,
    };
    Fact::Began(step, Because::SandboxReady)
}

fn exit(at: Time, code: i32) -> Exit {
    Exit {
        at,
        code,
        reason: ExitReason::Completed,
        message: "bye".to_owned(),
    }
}

/// A life in which every kind of time comes up.
fn facts() -> Vec<(Time, Option<u64>, Fact)> {
    let at = |ms: u64| Time(10_000_000_000).plus_ms(ms);
    let (slot, attempt) = (Slot(1), 0);
    let probe = Step::Probe {
        slot,
        attempt,
        kind: ProbeKind::Liveness,
    };
    let hook = Step::RunHook {
        slot,
        attempt,
        hook: HookKind::PostStart,
    };
    let stop = Step::Stop {
        slot,
        attempt,
        cause: StopCause::Probe(ProbeKind::Liveness),
        grace_ms: 7_000,
    };
    let probed = Fact::Probed {
        slot,
        attempt,
        kind: ProbeKind::Liveness,
        outcome: Outcome::Failure("no".to_owned()),
    };
    let exited = Fact::Exited {
        slot: Slot(0),
        attempt: 0,
        exit: exit(at(4), 0),
    };
    let started = |slot| Fact::Started { slot, attempt: 0 };
    let because = Because::ProbeDue(ProbeKind::Liveness);
    let stopping = Because::Stopping(StopCause::Probe(ProbeKind::Liveness));
    vec![
        (
            at(0),
            None,
            Fact::Began(Step::PrepareSandbox, Because::PodAccepted),
        ),
        (at(1), None, Fact::SandboxReady),
        (at(2), None, start(0)),
        (at(3), Some(1), started(Slot(0))),
        (at(4), Some(2), exited),
        (at(5), None, start(1)),
        (at(6), Some(3), started(slot)),
        (at(7), None, Fact::Began(hook, Because::HookDeclared)),
        (at(8), None, Fact::Began(probe, because)),
        (at(9), None, probed),
        (at(10), None, Fact::Began(stop, stopping)),
        (at(11), None, Fact::DeleteRequested { grace_s: Some(3) }),
    ]
}

fn folded(pod: &Pod, count: usize) -> Seen {
    let mut seen = Seen::new(pod, Time(9_000_000_000));
    for (at, _, fact) in &facts()[..count] {
        seen.observe(pod, *at, fact);
    }
    seen
}

fn head(pod: &Pod) -> Head {
    Head {
        version: VERSION,
        boot: "this".to_owned(),
        zero_ns: WallClock::read().zero_ns(),
        accepted: Time(9_000_000_000),
        pod: pod.manifest.clone(),
    }
}

fn instance() -> Instance {
    Instance {
        id: "abc".to_owned(),
        image_id: "sha256:1".to_owned(),
        stop_signal: Signal::TERM,
        runs: false,
    }
}

fn complain() -> Complain {
    Box::new(|_| {})
}

/// Writes the whole life, and gives its file.
async fn written(scratch: &Scratch) -> PathBuf {
    let file = path(&scratch.path, "u");
    let record = Record::begin(file.clone(), head(&pod()), complain());
    for (at, seq, fact) in facts() {
        record.append(&Line::Fact { at, seq, fact }, seq.is_some());
    }
    let line = InstanceLine::of(Slot(1), 0, &instance());
    record.append(&Line::Instance(line), false);
    record.settled().await;
    file
}

#[tokio::test]
async fn what_was_written_is_told_again() {
    let scratch = Scratch::new();
    let file = written(&scratch).await;
    let told = read(&file).unwrap();
    assert_eq!(told.pod, pod());
    assert_eq!(told.seen, folded(&pod(), facts().len()));
    assert_eq!((told.last_seq, told.boot.as_str()), (3, "this"));
    assert_eq!(told.instances.get(Slot(1), 0), Some(&instance()));
    assert_eq!(told.length, std::fs::metadata(&file).unwrap().len());
}

#[tokio::test]
async fn a_record_that_is_cut_anywhere_tells_all_lines_before_the_cut_and_can_be_gone_on_with() {
    let scratch = Scratch::new();
    let file = written(&scratch).await;
    let whole = std::fs::read(&file).unwrap();
    let ends: Vec<usize> = (0..whole.len()).filter(|at| whole[*at] == b'\n').collect();
    let cut_file = scratch.path.join("cut.jsonl");
    assert_eq!(ends.len(), facts().len() + 2);
    for cut in ends[0] - 3..=whole.len() {
        std::fs::write(&cut_file, &whole[..cut]).unwrap();
        let lines = ends.iter().filter(|end| **end < cut).count();
        let told = read(&cut_file);
        if lines == 0 {
            assert!(matches!(told, Err(ReadError::Damaged { .. })));
            continue;
        }
        let told = told.unwrap();
        assert_eq!(told.seen, folded(&pod(), (lines - 1).min(facts().len())));
        assert_eq!(told.length as usize, ends[lines - 1] + 1);
    }
    std::fs::write(&cut_file, &whole[..whole.len() - 5]).unwrap();
    let told = read(&cut_file).unwrap();
    let record = Record::resume(cut_file.clone(), told.length, complain());
    let fact = Fact::NodeRestarted;
    let at = Time(11_000_000_000);
    record.append(
        &Line::Fact {
            at,
            seq: Some(4),
            fact,
        },
        true,
    );
    record.settled().await;
    assert_eq!(read(&cut_file).unwrap().last_seq, 4);
}

#[tokio::test]
async fn zeros_at_the_end_are_cut_and_garbage_in_the_middle_is_damage() {
    let scratch = Scratch::new();
    let file = written(&scratch).await;
    let whole = std::fs::read(&file).unwrap();
    let mut zeros = whole.clone();
    zeros.extend([0; 512]);
    std::fs::write(&file, &zeros).unwrap();
    assert_eq!(read(&file).unwrap().length as usize, whole.len());
    for (at, byte) in whole.iter().enumerate() {
        // The last line is another matter, and a text may hold any letter.
        let structural = matches!(byte, b'{' | b'}' | b':');
        if structural && whole[at..whole.len() - 1].contains(&b'\n') && at % 7 == 0 {
            let mut broken = whole.clone();
            broken[at] = 0;
            std::fs::write(&file, &broken).unwrap();
            assert!(
                matches!(read(&file), Err(ReadError::Damaged { .. })),
                "byte {at}"
            );
        }
    }
}

#[tokio::test]
async fn what_cannot_be_of_this_pod_is_damage() {
    let scratch = Scratch::new();
    for line in [
        Line::Head(Box::new(head(&pod()))),
        Line::Fact {
            at: Time(1),
            seq: None,
            fact: Fact::Started {
                slot: Slot(2),
                attempt: 0,
            },
        },
    ] {
        let file = written(&scratch).await;
        let length = std::fs::metadata(&file).unwrap().len();
        let record = Record::resume(file.clone(), length, complain());
        record.append(&line, false);
        record.settled().await;
        assert!(
            matches!(read(&file), Err(ReadError::Damaged { .. })),
            "{line:?}"
        );
    }
    let newer = Head {
        version: VERSION + 1,
        ..head(&pod())
    };
    let file = path(&scratch.path, "newer");
    Record::begin(file.clone(), newer, complain())
        .settled()
        .await;
    assert!(matches!(read(&file), Err(ReadError::Newer { line: 1, .. })));
}

#[tokio::test]
async fn a_line_that_a_newer_version_wrote_is_not_taken_for_damage() {
    let scratch = Scratch::new();
    let file = written(&scratch).await;
    let mut bytes = std::fs::read(&file).unwrap();
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
    let mut line = br#"{"invention":{"at":7}}"#.to_vec();
    outrigger_wire::checked_line::seal(&mut line);
    bytes.extend(line);
    std::fs::write(&file, &bytes).unwrap();
    let read = read(&file).unwrap_err();
    assert!(
        matches!(read, ReadError::Newer { line, .. } if line == lines + 1),
        "{read}"
    );
}

#[tokio::test]
async fn no_flipped_bit_of_a_record_goes_unseen() {
    let scratch = Scratch::new();
    let file = written(&scratch).await;
    let whole = std::fs::read(&file).unwrap();
    let told = read(&file).unwrap();
    for bit in (0..whole.len() * 8).step_by(11) {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(&file, &flipped).unwrap();
        // What is not told as damaged is what was written, but for an end that may never have been.
        if let Ok(again) = read(&file) {
            let last_newline = bit / 8 == whole.len() - 1;
            assert!(again.seen == told.seen || last_newline, "bit {bit}");
        }
    }
}

#[tokio::test]
async fn a_snapshot_stands_for_all_lines_before_it_and_the_old_file_is_kept() {
    let scratch = Scratch::new();
    let file = written(&scratch).await;
    let told = read(&file).unwrap();
    let record = Record::resume(file.clone(), told.length, complain());
    let conditions = vec![("Ready".to_owned(), true, Time(5))];
    let snapshot = Snapshot {
        seen: told.seen.clone(),
        last_seq: told.last_seq,
        conditions: conditions.clone(),
        instances: vec![InstanceLine::of(Slot(1), 0, &instance())],
    };
    record.replace(&[
        Line::Head(Box::new(head(&told.pod))),
        Line::Snapshot(Box::new(snapshot)),
    ]);
    let fact = Fact::SandboxLost;
    let at = Time(12_000_000_000);
    record.append(
        &Line::Fact {
            at,
            seq: None,
            fact,
        },
        false,
    );
    record.settled().await;
    let again = read(&file).unwrap();
    assert!(matches!(again.seen.sandbox, Sandbox::Absent { .. }));
    assert_eq!((again.last_seq, again.conditions), (3, conditions));
    let mut instances = Instances::default();
    instances.insert(Slot(1), 0, instance());
    assert_eq!(again.instances, instances);
    assert_eq!(
        read(&file.with_extension("jsonl.1")).unwrap().seen,
        told.seen
    );
    record.remove().await.unwrap();
    record.replace(&[Line::Head(Box::new(head(&told.pod)))]);
    record.settled().await;
    assert_eq!(std::fs::read_dir(folder(&scratch.path)).unwrap().count(), 0);
}

#[tokio::test]
async fn a_record_that_cannot_be_written_is_told_of_and_holds_nobody_up() {
    let scratch = Scratch::new();
    let told = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let here = std::sync::Arc::clone(&told);
    let complain = Box::new(move |text| here.lock().unwrap().push(text));
    // A directory in the place of the file.
    let file = path(&scratch.path, "u");
    std::fs::create_dir_all(&file).unwrap();
    let record = Record::begin(file.clone(), head(&pod()), complain);
    let line = Line::Conditions(Vec::new());
    record.append(&line, true);
    record.settled().await;
    assert_eq!(told.lock().unwrap().len(), 1, "once, not for each line");
    assert!(record.retry_after().is_some());
    std::fs::remove_dir(&file).unwrap();
    record.replace(&[Line::Head(Box::new(head(&pod())))]);
    record.append(&line, true);
    record.settled().await;
    assert_eq!(read(&file).unwrap().pod, pod());
    assert_eq!(record.retry_after(), None);
}

/// All numbers that are times: those that are large.
fn times(value: &serde_json::Value, found: &mut Vec<u64>) {
    match value {
        serde_json::Value::Number(number) => {
            found.extend(number.as_u64().filter(|number| *number > 1_000_000_000));
        }
        serde_json::Value::Array(values) => values.iter().for_each(|value| times(value, found)),
        serde_json::Value::Object(map) => map.values().for_each(|value| times(value, found)),
        _ => {}
    }
}

#[test]
fn every_time_is_moved_when_the_boot_is_another_one() {
    let pod = pod();
    for count in 0..=facts().len() {
        let seen = folded(&pod, count);
        let mut moved = seen.clone();
        shift(&mut moved, -1_000_000_000);
        let (mut before, mut after) = (Vec::new(), Vec::new());
        times(&serde_json::to_value(&seen).unwrap(), &mut before);
        times(&serde_json::to_value(&moved).unwrap(), &mut after);
        let expected: Vec<u64> = before.iter().map(|time| time - 1_000_000_000).collect();
        assert_eq!(after, expected);
    }
    let all = folded(&pod, facts().len());
    let current = all.history(Slot(1)).current.as_ref().unwrap();
    assert!(matches!(current.life, Life::Running { .. }));
}
