//! What nobody could release is known by its ledger to whoever comes next.

use std::path::Path;

use outrigger_pod::manifest::{SourceFile, read};
use outrigger_pod::{Objects, PodUid};
use outrigger_wire::Lease;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;
use crate::directories::Directories;
use crate::hands::Surroundings;
use crate::node::Event;
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

/// Hands whose shims write down that they were started, and do nothing else.
fn hands(folder: &Path) -> (Arc<Hands>, UnboundedReceiver<Event>) {
    let file = SourceFile {
        name: "pod.yaml".into(),
        text: MANIFEST.into(),
    };
    let mut pods = read(&[file], &mut || "u".to_owned()).unwrap().pods;
    let script = format!("echo started >>{}; exit 1", folder.join("starts").display());
    let settings = Settings {
        directories: Directories {
            root: folder.join("root"),
            state: folder.join("state"),
            logs: folder.join("logs"),
        },
        cgroup: "/none".to_owned(),
        shim: Program {
            path: "/bin/sh".into(),
            args: vec!["-c".into(), script.into()],
            home: None,
        },
        lease: Lease::Forever,
        objects: Objects::default(),
        note_crashes: None,
    };
    let around = Surroundings::new(settings, None).unwrap();
    let (sender, events) = unbounded_channel();
    let hands = Hands::new(Arc::new(pods.remove(0)), Arc::new(around), sender, None);
    (Arc::new(hands), events)
}

fn starts(folder: &Path) -> usize {
    let text = std::fs::read_to_string(folder.join("starts")).unwrap_or_default();
    text.lines().count()
}

#[tokio::test]
async fn a_ledger_without_a_shim_is_taken_over_and_stays_until_all_is_released() {
    let scratch = Scratch::new();
    let (hands, mut events) = hands(&scratch.path);
    hands.take_up_lock().unwrap();
    std::fs::create_dir_all(&hands.dirs.state).unwrap();
    std::fs::write(hands.dirs.ledger(), "").unwrap();
    release(Arc::clone(&hands)).await;
    assert_eq!(starts(&scratch.path), 1);
    assert!(hands.dirs.ledger().exists() && hands.dirs.lock().exists());
    let mut told = Vec::new();
    while let Ok(event) = events.try_recv() {
        told.push(event);
    }
    let released = |event: &Event| matches!(event, Event::Fact { pod, fact: Fact::SandboxReleased, .. } if *pod == PodUid("u".to_owned()));
    assert!(matches!(told[0], Event::Remark { .. }) && told.iter().any(released));
    // Another node knows nothing of it but what stands there.
    drop(hands);
    let (hands, _events) = self::hands(&scratch.path);
    release_again(&hands).await;
    assert_eq!(starts(&scratch.path), 2);
    assert!(hands.dirs.ledger().exists());
}

#[tokio::test]
async fn without_a_ledger_no_shim_is_started_for_a_release() {
    let scratch = Scratch::new();
    let (hands, _events) = hands(&scratch.path);
    hands.take_up_lock().unwrap();
    std::fs::create_dir_all(&hands.dirs.state).unwrap();
    release(Arc::clone(&hands)).await;
    assert_eq!(starts(&scratch.path), 0);
    assert!(!hands.dirs.state.exists() && !hands.dirs.lock().exists());
}
