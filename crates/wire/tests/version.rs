//! Does everyone who is not compiled with this crate speak the protocol's version too? The specification says which one it
//! is, and the benchmark, which could not start any more when it had a number of its own, reads it from the source.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot read the repository has failed"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use outrigger_wire::VERSION;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn the_specification_names_the_version() {
    let text = std::fs::read_to_string(repository().join("crates/shim/README.md")).unwrap();
    let words = format!("carries the protocol's version ({VERSION})");
    assert!(text.contains(&words), "no {words:?} in it");
}

#[test]
fn the_benchmark_speaks_the_version() {
    let output = Command::new("python3")
        .args(["-B", "-c", "import shim; print(shim.version())"])
        .current_dir(repository().join("scripts/bench.d"))
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let wrong = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said.trim(), VERSION.to_string(), "{wrong}");
}

#[test]
fn no_script_has_a_version_of_its_own() {
    let folder = repository().join("scripts/bench.d");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "py") {
            let text = std::fs::read_to_string(&path).unwrap();
            let mut after = text.match_indices("\"version\":");
            let digit = after.find(|(at, word)| {
                let rest = text[at + word.len()..].trim_start();
                rest.starts_with(|first: char| first.is_ascii_digit())
            });
            assert_eq!(digit, None, "{}", path.display());
        }
    }
}
