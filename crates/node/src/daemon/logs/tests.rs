use std::fs::OpenOptions;
use std::io::Write as _;

use outrigger_api::{StoreError, Write};
use serde_json::json;
use tokio::io::AsyncReadExt;

use super::*;
use crate::scratch::Scratch;

struct Fixture {
    scratch: Scratch,
    logs: Logs,
}

impl Fixture {
    fn new() -> Fixture {
        let scratch = Scratch::new();
        let store = Store::in_memory();
        let logs = Logs::new(store, scratch.path.clone());
        let fixture = Fixture { scratch, logs };
        std::fs::create_dir_all(fixture.directory()).unwrap();
        fixture.state(json!({ "running": {} }), json!({}));
        fixture
    }

    fn directory(&self) -> PathBuf {
        self.scratch.path.join("default_web_u-1/main")
    }

    fn state(&self, state: Value, last: Value) {
        let status =
            json!({ "name": "main", "restartCount": 1, "state": state, "lastState": last });
        let object = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": { "name": "web", "namespace": "default", "uid": "u-1" },
            "spec": { "containers": [{ "name": "main" }] },
            "status": { "containerStatuses": [status] },
        });
        let key = Key {
            resource: Resource::Pods,
            namespace: "default".to_owned(),
            name: "web".to_owned(),
        };
        self.logs
            .store
            .write(&key, |_| Ok::<_, StoreError>(Write::Volatile(object)))
            .unwrap();
    }

    fn append(&self, name: &str, lines: &[&str]) {
        let path = self.directory().join(name);
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .unwrap();
        for line in lines {
            writeln!(file, "2026-01-01T00:00:01.000000000Z stdout {line}").unwrap();
        }
    }

    async fn read(&self, query: LogQuery) -> String {
        let mut text = String::new();
        let mut bytes = self.logs.read(&pod(), query).await.unwrap();
        bytes.read_to_string(&mut text).await.unwrap();
        text
    }

    async fn tail(&self, lines: u64) -> String {
        self.read(LogQuery {
            tail_lines: Some(lines),
            ..LogQuery::default()
        })
        .await
    }
}

fn pod() -> PodRef {
    PodRef {
        namespace: "default".to_owned(),
        name: "web".to_owned(),
        uid: "u-1".to_owned(),
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(future)
}

#[test]
fn rotated_files_are_read_oldest_first() {
    let fixture = Fixture::new();
    fixture.append("1.log.20260101-000000-10", &["F three"]);
    fixture.append("1.log.20260101-000000-2", &["F two"]);
    fixture.append("1.log.20260101-000000", &["F one"]);
    fixture.append("1.log", &["F four"]);
    fixture.append("0.log", &["F of another instance"]);
    let text = run(fixture.read(LogQuery::default()));
    assert_eq!(text, "one\ntwo\nthree\nfour\n");
}

#[test]
fn the_last_lines_are_found_across_files_parts_and_blocks() {
    let fixture = Fixture::new();
    let long = format!("F {}", "x".repeat(16_000));
    fixture.append(
        "1.log.20260101-000000",
        &["F zero", "P on", "F e", long.as_str()],
    );
    let many: Vec<&str> = std::iter::repeat_n(long.as_str(), 20).collect();
    fixture.append("1.log", &many);
    fixture.append("1.log", &["P tw", "F o", "F three"]);
    run(async {
        assert_eq!(fixture.tail(0).await, "");
        assert_eq!(fixture.tail(1).await, "three\n");
        assert_eq!(fixture.tail(2).await, "two\nthree\n");
        for (lines, start) in [(23, "xxx"), (24, "one\n"), (25, "zero\n"), (99, "zero\n")] {
            let text = fixture.tail(lines).await;
            assert!(text.starts_with(start), "{lines}: {}", &text[..10]);
            assert_eq!(text.lines().count() as u64, lines.min(25));
        }
    });
}

#[test]
fn the_log_before_is_that_of_the_newest_instance_before() {
    let fixture = Fixture::new();
    fixture.append("0.log", &["F before"]);
    fixture.append("1.log", &["F now"]);
    fixture.state(json!({ "running": {} }), json!({ "terminated": {} }));
    let query = LogQuery {
        previous: true,
        ..LogQuery::default()
    };
    assert_eq!(run(fixture.read(query.clone())), "before\n");
    std::fs::remove_file(fixture.directory().join("0.log")).unwrap();
    let refused = run(fixture.logs.read(&pod(), query)).err();
    let text = "previous terminated container \"main\" in pod \"web\" not found";
    assert_eq!(refused, Some(Refused::BadRequest(text.to_owned())));
}

#[test]
fn a_follower_reads_through_rotation_to_the_containers_end() {
    let fixture = Fixture::new();
    fixture.append("1.log", &["F one"]);
    run(async {
        let query = LogQuery {
            follow: true,
            ..LogQuery::default()
        };
        let mut bytes = fixture.logs.read(&pod(), query).await.unwrap();
        let mut text = vec![0; 4];
        bytes.read_exact(&mut text).await.unwrap();
        assert_eq!(text, b"one\n");
        fixture.append("1.log", &["F two"]);
        let (log, rotated) = ("1.log", "1.log.20260101-000000");
        std::fs::rename(
            fixture.directory().join(log),
            fixture.directory().join(rotated),
        )
        .unwrap();
        fixture.append("1.log", &["F three"]);
        fixture.state(json!({ "terminated": {} }), json!({}));
        let mut rest = String::new();
        bytes.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "two\nthree\n");
    });
}

#[test]
fn a_follower_hears_of_each_line_and_sleeps_in_between() {
    let fixture = Fixture::new();
    fixture.append("1.log", &["F one"]);
    run(async {
        let query = LogQuery {
            follow: true,
            ..LogQuery::default()
        };
        let mut first = fixture.logs.read(&pod(), query.clone()).await.unwrap();
        let mut second = fixture.logs.read(&pod(), query).await.unwrap();
        let mut text = vec![0; 4];
        for follower in [&mut first, &mut second] {
            follower.read_exact(&mut text).await.unwrap();
            assert_eq!(text, b"one\n");
        }
        // Both have come to the end; whoever polled then would wake the only thread.
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        let before = runtime_polls();
        tokio::time::sleep(std::time::Duration::from_millis(600)).await;
        // Two for the sleep itself; each look at a log is at least one.
        let woken = runtime_polls() - before;
        assert!(woken <= 3, "somebody polled: {woken}");
        // One of them goes; the other still hears.
        drop(second);
        fixture.append("1.log", &["F two"]);
        first.read_exact(&mut text).await.unwrap();
        assert_eq!(text, b"two\n");
        fixture.state(json!({ "terminated": {} }), json!({}));
        assert_eq!(first.read(&mut text).await.unwrap(), 0);
    });
}

/// How often the runtime's only thread has gone to sleep.
fn runtime_polls() -> u64 {
    tokio::runtime::Handle::current()
        .metrics()
        .worker_park_count(0)
}

#[test]
fn a_pod_of_another_uid_has_no_log() {
    let fixture = Fixture::new();
    let other = PodRef {
        uid: "u-2".to_owned(),
        ..pod()
    };
    let refused = run(fixture.logs.read(&other, LogQuery::default())).err();
    assert_eq!(
        refused,
        Some(Refused::NotFound("pods \"web\" not found".to_owned()))
    );
}
