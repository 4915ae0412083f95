//! A container that crashes for weeks leaves a record that is short and tells all that counts.

use std::sync::Arc;

use outrigger_lifecycle::{Because, Exit, ExitReason};
use outrigger_pod::manifest::{SourceFile, read};
use outrigger_pod::{Objects, Signal};
use outrigger_wire::Lease;
use tokio::sync::mpsc::unbounded_channel;

use super::*;
use crate::directories::Directories;
use crate::hands::Surroundings;
use crate::instances::Instance;
use crate::record::{self, Record};
use crate::scratch::Scratch;
use crate::settings::Settings;
use crate::shim::Program;

const MANIFEST: &str = "
apiVersion: v1
kind: Pod
metadata: {name: p, uid: u}
spec:
  containers: [{name: a, image: 'host:/'}]
";

struct Deaf;

impl Observer for Deaf {
    fn on_accepted(&mut self, _: &Pod, _: Time) {}
    fn on_fact(&mut self, _: &Telling<'_>) {}
    fn on_status(&mut self, _: &Pod, _: Time, _: Option<&Status>, _: &Status) {}
    fn on_remark(&mut self, _: &Pod, _: Time, _: &Remark) {}
    fn on_end(&mut self, _: &Finished, _: Time) {}
}

/// A life with a record.
fn life(scratch: &Scratch) -> Life {
    let file = SourceFile {
        name: "pod.yaml".into(),
        text: MANIFEST.into(),
    };
    let pod = read(&[file], &mut || "u".to_owned())
        .unwrap()
        .pods
        .remove(0);
    let settings = Settings {
        directories: Directories {
            root: scratch.path.join("root"),
            state: scratch.path.join("state"),
            logs: scratch.path.join("logs"),
        },
        cgroup: "/none".to_owned(),
        shim: Program::this(),
        lease: Lease::Forever,
        objects: Objects::default(),
        note_crashes: None,
    };
    let (accepted, wall) = (now(), WallClock::read());
    let path = record::path(&settings.directories.root, "u");
    let record = Record::begin(path, head(&pod, accepted, wall), Box::new(|_| {}));
    let seen = Seen::new(&pod, accepted);
    let around = Arc::new(Surroundings::new(settings, None).unwrap());
    let (sender, _) = unbounded_channel();
    let hands = Hands::new(Arc::new(pod), around, sender, Some(record));
    Life::new(Arc::new(hands), seen, Transitions::default(), wall)
}

#[tokio::test]
async fn ten_thousand_restarts_leave_a_short_record_that_tells_the_last_ones() {
    let scratch = Scratch::new();
    let mut life = life(&scratch);
    let path = record::path(&scratch.path.join("root"), "u");
    let mut longest = 0;
    life.observe(&mut Deaf, (now(), None), &Fact::SandboxReady);
    for attempt in 0..10_000 {
        let slot = Slot(0);
        let start = Step::Start { slot, attempt };
        let began = Fact::Began(start, Because::RetryStart);
        life.observe(&mut Deaf, (now(), None), &began);
        let instance = Instance {
            id: format!("{attempt:064}"),
            image_id: "sha256:1".to_owned(),
            stop_signal: Signal::TERM,
            runs: false,
        };
        life.hands.take_up_instance(slot, attempt, instance).await;
        let seq = u64::from(attempt) * 2;
        let started = Fact::Started { slot, attempt };
        life.observe(&mut Deaf, (now(), Some(seq)), &started);
        let exit = Exit {
            at: now(),
            code: 1,
            reason: ExitReason::Error,
            message: "no such thing".to_owned(),
        };
        let exited = Fact::Exited {
            slot,
            attempt,
            exit,
        };
        life.observe(&mut Deaf, (now(), Some(seq + 1)), &exited);
        let mut known = life.hands.instances.lock().unwrap();
        known.forget_before(slot, attempt.saturating_sub(2));
        drop(known);
        life.mend_record();
        longest = longest.max(std::fs::metadata(&path).unwrap().len());
    }
    life.hands.settled().await;
    assert!(longest < 600 << 10, "the record grew to {longest} bytes");
    let old = std::fs::metadata(path.with_extension("jsonl.1")).unwrap();
    assert!(old.len() < 600 << 10, "the one before has {}", old.len());
    let told = record::read(&path).unwrap();
    assert_eq!(told.seen, life.seen);
    assert_eq!(told.last_seq, 19_999);
    assert!(told.instances.entries().count() <= 3);
}
