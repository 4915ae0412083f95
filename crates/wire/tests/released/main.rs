//! Is what an earlier revision says still understood, and does it find in what we say all that it knows?
//!
//! A folder here holds the frames of one revision, as that revision itself wrote them: a line each, a name and the JSON
//! behind a tab. Shims outlive the daemon that started them, so these frames come in for as long as their Pods live.
//! Fixtures are never changed. A revision's are written by itself:
//! `OUTRIGGER_KEEP_AS=0.2.0-… cargo test -p outrigger-wire --test released -- --test-threads 1`.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot read its fixtures has failed"
)]

mod answers;
mod names;
mod values;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use outrigger_wire::frame::{Decoder, encode};
use outrigger_wire::{Call, Message, VERSION};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/released")
}

/// The folders of all revisions; the one that is being written first, if one is.
fn revisions() -> Vec<PathBuf> {
    if let Ok(name) = std::env::var("OUTRIGGER_KEEP_AS") {
        let folder = here().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        keep(&folder.join("calls.txt"), &values::calls());
        keep(&folder.join("messages.txt"), &answers::messages());
    }
    let entries = std::fs::read_dir(here()).unwrap();
    let folders: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    let folders: Vec<PathBuf> = folders.into_iter().filter(|path| path.is_dir()).collect();
    assert!(!folders.is_empty(), "no revision's frames are here");
    folders
}

fn keep<M: Serialize>(file: &Path, values: &[(&'static str, M)]) {
    let line = |(name, value): &(&str, M)| {
        let frame = encode(value).unwrap();
        format!("{name}\t{}\n", String::from_utf8_lossy(&frame[4..]))
    };
    std::fs::write(file, values.iter().map(line).collect::<String>()).unwrap();
}

/// The frames of a revision by their names.
fn frames(folder: &Path, file: &str) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(folder.join(file)).unwrap();
    let lines = text.lines().map(|line| line.split_once('\t').unwrap());
    lines
        .map(|(name, frame)| (name.to_owned(), frame.to_owned()))
        .collect()
}

/// As it came: the length is made by hand, so that a change of the framing is seen too.
fn decoded<M: DeserializeOwned>(json: &str) -> M {
    let mut decoder = Decoder::default();
    decoder.push(&u32::try_from(json.len()).unwrap().to_le_bytes());
    decoder.push(json.as_bytes());
    let message = decoder.message().unwrap().unwrap();
    assert!(decoder.message::<Value>().unwrap().is_none(), "all of it");
    message
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

fn check<M>(file: &str, values: &[(&'static str, M)])
where
    M: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
{
    for folder in revisions() {
        let mut frames = frames(&folder, file);
        for (name, value) in values {
            // A newer one has no fixture of this revision.
            let Some(frame) = frames.remove(*name) else {
                continue;
            };
            let (of, then) = (folder.display(), decoded::<M>(&frame));
            assert_eq!(
                &then, value,
                "{name} means something else than it did in {of}"
            );
            let (old, new) = (
                serde_json::from_str::<Value>(&frame).unwrap(),
                serde_json::to_value(value).unwrap(),
            );
            assert!(holds(&new, &old), "{name}: {of} misses something in {new}");
        }
        assert!(
            frames.is_empty(),
            "nobody knows {:?} any more",
            frames.keys()
        );
    }
}

#[test]
fn every_call_of_an_earlier_node_is_understood_and_ours_are_by_an_earlier_shim() {
    check("calls.txt", &values::calls());
}

#[test]
fn every_message_of_an_earlier_shim_is_understood_and_ours_are_by_an_earlier_node() {
    check("messages.txt", &answers::messages());
}

#[test]
fn there_is_a_frame_of_everything_that_b1e0b9e_could_say() {
    let folder = here().join("0.1.0-b1e0b9e");
    let calls = frames(&folder, "calls.txt");
    let messages = frames(&folder, "messages.txt");
    let said = names::said(
        calls.values().map(|frame| decoded::<Call>(frame)),
        messages.values().map(|frame| decoded::<Message>(frame)),
    );
    let missing: Vec<&str> = names::of_b1e0b9e()
        .filter(|name| !said.contains(*name))
        .collect();
    assert!(missing.is_empty(), "no frame of {missing:?}");
}

#[test]
fn the_version_is_that_of_b1e0b9e() {
    // Its shims refuse every other one, and a Pod whose shim refuses its node cannot be taken up.
    assert_eq!(VERSION, 2);
}

#[test]
fn what_was_said_is_compared_with_its_nested_parts() {
    let old = serde_json::json!({"a": {"b": [1, {"c": null}]}});
    for (new, expected) in [
        (
            serde_json::json!({"a": {"b": [1, {"c": null, "d": 1}]}, "e": 2}),
            true,
        ),
        (serde_json::json!({"a": {"b": [1, {"d": 1}]}}), false),
        (serde_json::json!({"a": {"b": [1, {"c": 0}]}}), false),
        (serde_json::json!({"a": {"b": [1, {"c": null}, 2]}}), false),
    ] {
        assert_eq!(holds(&new, &old), expected, "{new}");
    }
}
