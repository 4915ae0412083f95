//! Do people get at what runs in a container: with commands on streams of their own, at its first
//! process' streams, and by what it uses?
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test's failure is a panic, and other tests use more of the shared files"
)]

mod attached;
#[path = "../life/client.rs"]
mod client;
mod interactive;
mod limits;
#[path = "../life/pod.rs"]
mod pod;
mod tokens;

use std::fs::File;
use std::io::Read;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Waits for what the kernel does in its own time.
fn soon(what: &str, mut is_so: impl FnMut() -> bool) {
    let scale = std::env::var("OUTRIGGER_TIME_SCALE");
    let scale: u64 = scale.map_or(1, |scale| scale.parse().unwrap());
    let (begin, most) = (Instant::now(), Duration::from_secs(10 * scale));
    while !is_so() {
        assert!(begin.elapsed() < most, "not within {most:?}: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Reads to the end of a pipe, or of a terminal.
fn all(file: &mut Option<File>) -> String {
    let mut bytes = Vec::new();
    let file = file.as_mut().unwrap();
    let mut part = [0; 4096];
    while let Ok(count @ 1..) = file.read(&mut part) {
        bytes.extend_from_slice(&part[..count]);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads until these words have come.
fn until(file: &mut Option<File>, words: &str) -> String {
    let mut text = String::new();
    let mut part = [0; 4096];
    while !text.contains(words) {
        let count = file.as_mut().unwrap().read(&mut part).unwrap_or(0);
        assert!(count > 0, "{words:?} did not come: {text:?}");
        text.push_str(&String::from_utf8_lossy(&part[..count]));
    }
    text
}

/// Adds a devpts to a container's configuration.
fn with_terminals(config: &mut Value) {
    let options = [
        "nosuid",
        "noexec",
        "newinstance",
        "ptmxmode=0666",
        "mode=0620",
        "gid=5",
    ];
    let mount = json!({"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": options});
    config["mounts"].as_array_mut().unwrap().push(mount);
}

/// The text of a container's log without times.
fn logged(log: &str) -> Vec<(String, String)> {
    // Not `lines`, which takes a terminal's carriage returns away.
    let entries = log
        .split_terminator('\n')
        .map(|line| outrigger_wire::cri_log::parse(line.as_bytes()).unwrap());
    entries
        .map(|entry| {
            let text = String::from_utf8_lossy(entry.text).into_owned();
            (entry.stream.word().to_owned(), text)
        })
        .collect()
}
