//! A Pod's directories are given up once, and its instances are asked to end until they do.

use std::sync::atomic::AtomicU32;
use std::sync::mpsc;

use outrigger_lifecycle::{Seen, Step, Time};
use outrigger_pod::Signal;
use outrigger_pod::manifest::{SourceFile, read};
use outrigger_wire::frame::{Decoder, encode};
use outrigger_wire::{Call, Message, Refusal, Reply, Request, Stage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;
use crate::directories::Directories;
use crate::scratch::Scratch;
use crate::shim::Program;

const MANIFEST: &str = "
apiVersion: v1
kind: Pod
metadata: {name: p, uid: u}
spec:
  containers: [{name: a, image: 'host:/'}]
";

fn hands(scratch: &Scratch) -> (Arc<Hands>, UnboundedReceiver<Event>) {
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
    let around = Surroundings::new(settings, None).unwrap();
    let (sender, events) = unbounded_channel();
    let hands = Hands::new(Arc::new(pod), Arc::new(around), sender, None);
    (Arc::new(hands), events)
}

#[test]
fn directories_are_given_up_when_nobody_writes_there_and_nobody_does_afterwards() {
    let scratch = Scratch::new();
    let (hands, _events) = hands(&scratch);
    assert_eq!(hands.while_ours(|| ()), None);
    assert_eq!(hands.take_up_lock(), Ok(true));
    let (begun, has_begun) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let here = Arc::clone(&hands);
    let writer = std::thread::spawn(move || {
        here.while_ours(|| {
            begun.send(()).unwrap();
            may_go_on.recv().unwrap();
            std::time::Instant::now()
        })
    });
    has_begun.recv().unwrap();
    let here = Arc::clone(&hands);
    let releaser = std::thread::spawn(move || {
        assert!(here.take_lock().is_some());
        std::time::Instant::now()
    });
    // It gets the chance to be wrong.
    std::thread::sleep(std::time::Duration::from_millis(50));
    assert!(!releaser.is_finished());
    go_on.send(()).unwrap();
    let written = writer.join().unwrap().unwrap();
    assert!(releaser.join().unwrap() >= written);
    assert_eq!(hands.while_ours(|| ()), None);
}

/// Answers calls; a shim as far as signals and kills go. It refuses the first `refusals` of these.
async fn answer(listener: UnixListener, refusals: u32, asked: Arc<AtomicU32>) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let (mut decoder, mut buffer) = (Decoder::default(), vec![0; 4096]);
    loop {
        let count = stream.read(&mut buffer).await.unwrap_or(0);
        if count == 0 {
            return;
        }
        decoder.push(&buffer[..count]);
        while let Some(Call { id, request }) = decoder.message().unwrap() {
            let done = Ok(Reply::Done {
                warnings: Vec::new(),
            });
            let result = match request {
                Request::Hello { .. } => Ok(Reply::Hello {
                    pid: 1,
                    prepared: true,
                    containers: Vec::new(),
                    seccomp: true,
                }),
                Request::Signal { .. } | Request::Kill { .. } => {
                    let refused = asked.fetch_add(1, Ordering::SeqCst) < refusals;
                    let refusal = Refusal {
                        message: "not now".to_owned(),
                        stage: Stage::Protocol,
                    };
                    if refused { Err(refusal) } else { done }
                }
                _ => done,
            };
            let bytes = encode(&Message::Reply { id, result }).unwrap();
            stream.write_all(&bytes).await.unwrap();
        }
    }
}

#[tokio::test]
async fn an_instance_that_could_not_be_killed_is_killed_again_while_it_runs() {
    for (runs, times) in [(true, 2), (false, 1)] {
        let scratch = Scratch::new();
        let (hands, mut events) = hands(&scratch);
        let socket = scratch.path.join("shim.sock");
        let asked = Arc::<AtomicU32>::default();
        let listener = UnixListener::bind(&socket).unwrap();
        let shim = tokio::spawn(answer(listener, 1, Arc::clone(&asked)));
        let greeted = Shim::connect(&socket, 0).await.unwrap();
        hands.set_shim(Some(Arc::new(greeted.shim)));
        let instance = Instance {
            id: "id".to_owned(),
            image_id: String::new(),
            stop_signal: Signal::TERM,
            runs,
        };
        hands.take_up_instance(Slot(0), 0, instance).await;
        let step = Step::Kill {
            slot: Slot(0),
            attempt: 0,
        };
        let done = Arc::downgrade(&hands);
        hands.perform(&step, &Seen::new(&hands.pod(), Time(0)));
        let told = events.recv().await;
        assert!(matches!(told, Some(Event::Remark { .. })));
        // The task that asks has hands of its own until it has done so.
        let ended = async {
            while done.strong_count() > 1 {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        };
        let in_time = tokio::time::timeout(std::time::Duration::from_secs(10), ended);
        assert!(in_time.await.is_ok());
        assert_eq!(asked.load(Ordering::SeqCst), times);
        drop(hands);
        shim.await.unwrap();
    }
}
