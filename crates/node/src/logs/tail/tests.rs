//! Following a log through partial lines, restarts and rotations.

use std::io::Write;
use std::path::Path;

use super::*;
use crate::scratch::Scratch;

fn append(path: &Path, text: &str) {
    let mut file = std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn entry(tag: char, text: &str) -> String {
    format!("2026-01-01T00:00:00.000000000Z stdout {tag} {text}\n")
}

fn pumped(tail: &mut Tail) -> Vec<String> {
    let mut lines = Vec::new();
    tail.pump(&mut |_, text| lines.push(String::from_utf8_lossy(text).into_owned()));
    lines
}

#[test]
fn whole_lines_come_once_and_a_torn_one_when_its_rest_is_there() {
    let scratch = Scratch::new();
    let log = scratch.path.join("0.log");
    let mut tail = Tail::new(scratch.path.clone());
    tail.begin(0);
    assert_eq!(pumped(&mut tail), [""; 0]);
    let two = entry('F', "two");
    append(&log, &(entry('F', "one") + &two[..two.len() - 3]));
    assert_eq!(pumped(&mut tail), ["one"]);
    append(&log, &two[two.len() - 3..]);
    append(&log, &entry('P', "thr"));
    assert_eq!(pumped(&mut tail), ["two"]);
    append(&log, &entry('F', "ee"));
    assert_eq!(pumped(&mut tail), ["three"]);
}

#[test]
fn the_next_instance_follows_when_the_one_before_has_ended() {
    let scratch = Scratch::new();
    let mut tail = Tail::new(scratch.path.clone());
    tail.begin(0);
    append(&scratch.path.join("0.log"), &entry('P', "no newline"));
    append(&scratch.path.join("1.log"), &entry('F', "second"));
    tail.begin(1);
    assert_eq!(pumped(&mut tail), [""; 0]);
    tail.end(0);
    assert_eq!(pumped(&mut tail), ["no newline", "second"]);
}

#[test]
fn nothing_is_lost_over_several_rotations() {
    let scratch = Scratch::new();
    let log = scratch.path.join("0.log");
    let mut tail = Tail::new(scratch.path.clone());
    tail.begin(0);
    append(&log, &entry('F', "1"));
    assert_eq!(pumped(&mut tail), ["1"]);
    append(&log, &entry('F', "2"));
    for (suffix, text) in [
        ("20260101-120000", "3"),
        ("20260101-120000-1", "4"),
        ("20260101-120001", "5"),
    ] {
        std::fs::rename(&log, scratch.path.join(format!("0.log.{suffix}"))).unwrap();
        append(&log, &entry('F', text));
    }
    assert_eq!(pumped(&mut tail), ["2", "3", "4", "5"]);
    std::fs::remove_file(scratch.path.join("0.log.20260101-120000")).unwrap();
    append(&log, &entry('F', "6"));
    tail.end(u32::MAX);
    assert_eq!(pumped(&mut tail), ["6"]);
    assert_eq!(pumped(&mut tail), [""; 0]);
}
