//! Is the house in order? What ARCHITECTURE.md says must never be, and the habits that no compiler
//! checks: arrows between crates, lengths, names, heads of files, words that belong elsewhere.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot read the sources has failed"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

#[path = "tidy/source.rs"]
mod source;

use source::{code_of, long_functions, words};

const LINES_PER_FILE: usize = 400;
const LINES_PER_FUNCTION: usize = 70;

/// Which crates of ours a crate may use.
const ARROWS: [(&str, &[&str]); 13] = [
    ("outrigger-pod", &[]),
    ("outrigger-lifecycle", &["outrigger-pod"]),
    ("outrigger-bundle", &["outrigger-pod"]),
    ("outrigger-wire", &["outrigger-pod"]),
    ("outrigger-sys", &[]),
    ("outrigger-runtime", &["outrigger-sys"]),
    (
        "outrigger-shim",
        &["outrigger-runtime", "outrigger-sys", "outrigger-wire"],
    ),
    ("outrigger-image", &[]),
    ("outrigger-api", &["outrigger-pod"]),
    (
        "outrigger-node",
        &[
            "outrigger-api",
            "outrigger-bundle",
            "outrigger-image",
            "outrigger-lifecycle",
            "outrigger-pod",
            "outrigger-wire",
        ],
    ),
    (
        "outrigger-cli",
        &[
            "outrigger-api",
            "outrigger-image",
            "outrigger-node",
            "outrigger-pod",
            "outrigger-shim",
        ],
    ),
    (
        "outrigger-simulator",
        &["outrigger-lifecycle", "outrigger-pod"],
    ),
    // Records are replayed through the planner.
    (
        "runtime-tests",
        &["outrigger-lifecycle", "outrigger-pod", "outrigger-wire"],
    ),
];

/// Crates of others that would break what a crate of ours promises.
const STRANGERS: [(&str, &[&str]); 4] = [
    ("outrigger-pod", &["tokio", "libc", "nix", "rustix"]),
    (
        "outrigger-lifecycle",
        &[
            "tokio", "libc", "nix", "rustix", "rand", "chrono", "tracing",
        ],
    ),
    ("outrigger-shim", &["tokio", "hyper", "tracing"]),
    ("outrigger-node", &["libc", "nix", "libcgroups"]),
];

/// Names that say nothing about what is in a file.
const EMPTY_NAMES: [&str; 8] = [
    "util", "utils", "helper", "helpers", "manager", "common", "misc", "wrapper",
];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// Every file of the repository below these folders, by path from its root.
fn files(folders: &[&str], end: &str) -> Vec<(String, String)> {
    let root = repository();
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = folders.iter().map(|folder| root.join(folder)).collect();
    while let Some(folder) = open.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries.flatten() {
            let (path, name) = (
                entry.path(),
                entry.file_name().to_string_lossy().into_owned(),
            );
            if entry.file_type().unwrap().is_dir() {
                if !name.starts_with('.') && name != "target" {
                    open.push(path);
                }
            } else if name.ends_with(end)
                && let Ok(text) = std::fs::read_to_string(&path)
            {
                found.push((
                    path.strip_prefix(&root).unwrap().display().to_string(),
                    text,
                ));
            }
        }
    }
    found.sort();
    found
}

fn sources() -> Vec<(String, String)> {
    let found = files(&["crates", "runtime-tests"], ".rs");
    assert!(
        found
            .iter()
            .any(|(path, _)| path == "crates/cli/src/main.rs"),
        "the sources were not found"
    );
    found
}

fn assert_none(rule: &str, broken: &[String]) {
    assert!(broken.is_empty(), "{rule}:\n  {}", broken.join("\n  "));
}

#[test]
fn no_arrow_between_crates_is_drawn_the_wrong_way() {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .current_dir(repository())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut broken = Vec::new();
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        let Some((_, allowed)) = ARROWS.iter().find(|(from, _)| *from == name) else {
            broken.push(format!("{name} is not in the list of arrows"));
            continue;
        };
        let strangers = STRANGERS
            .iter()
            .find(|(from, _)| *from == name)
            .map_or(&[][..], |(_, all)| *all);
        let uses = package["dependencies"].as_array().unwrap();
        for used in uses.iter().filter(|used| used["kind"].is_null()) {
            let used = used["name"].as_str().unwrap();
            if (used.starts_with("outrigger-") && !allowed.contains(&used))
                || strangers.contains(&used)
            {
                broken.push(format!("{name} -> {used}"));
            }
        }
    }
    assert_none("arrows that must not be", &broken);
}

#[test]
fn files_and_functions_stay_short() {
    let mut broken = Vec::new();
    for (path, text) in sources() {
        let lines = text.lines().count();
        if lines > LINES_PER_FILE {
            broken.push(format!(
                "{path} has {lines} lines; {LINES_PER_FILE} are allowed"
            ));
        }
        for (line, length) in long_functions(&code_of(&text), LINES_PER_FUNCTION) {
            broken.push(format!(
                "{path}:{line}: a function of {length} lines; {LINES_PER_FUNCTION} are allowed"
            ));
        }
    }
    assert_none("too long", &broken);
}

#[test]
fn every_source_says_first_what_question_it_answers() {
    // The unit tests of a module stand in its `tests.rs` and answer the module's question.
    let headless = |(path, text): &(String, String)| {
        !text.starts_with("//!") && !path.ends_with("/tests.rs") && !path.contains("/tests/golden/")
    };
    let broken: Vec<String> = sources()
        .into_iter()
        .filter(headless)
        .map(|(path, _)| path)
        .collect();
    assert_none("files without a `//!` head", &broken);
}

#[test]
fn files_have_names_that_say_something() {
    let mut broken = Vec::new();
    for (path, _) in sources() {
        let stem = Path::new(&path)
            .file_stem()
            .unwrap()
            .to_string_lossy()
            .into_owned();
        let empty = stem.split('_').any(|word| EMPTY_NAMES.contains(&word));
        if empty || stem == "mod" || stem.ends_with("_handler") {
            broken.push(path);
        }
    }
    assert_none("names that say nothing", &broken);
}

#[test]
fn unsafe_code_stands_in_sys_alone() {
    let mut broken = Vec::new();
    for (path, text) in sources() {
        if !path.starts_with("crates/sys/") && words(&code_of(&text)).any(|word| word == "unsafe") {
            broken.push(path);
        }
    }
    assert_none("unsafe code outside of crates/sys", &broken);
}

/// Whether a source is only ever part of a test.
fn is_test(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs") || path.ends_with("/scratch.rs")
}

#[test]
fn no_tree_is_removed_by_name() {
    let mut broken = Vec::new();
    for (path, text) in sources() {
        if !is_test(&path) && words(&code_of(&text)).any(|word| word == "remove_dir_all") {
            broken.push(path);
        }
    }
    assert_none(
        "trees removed without the care of outrigger_image::tree",
        &broken,
    );
}

#[test]
fn the_shim_has_neither_threads_nor_network() {
    let mut broken = Vec::new();
    for (path, text) in files(&["crates/shim/src"], ".rs") {
        let code = code_of(&text);
        for module in ["std::thread", "std::net", "thread::spawn"] {
            if !is_test(&path) && code.contains(module) {
                broken.push(format!("{path}: {module}"));
            }
        }
    }
    assert_none("what the shim must not use", &broken);
}

#[test]
fn only_pod_and_lifecycle_know_the_word_sidecar() {
    // The simulator judges what lifecycle did and needs its words; tests name what they test.
    let may = [
        "crates/pod/",
        "crates/lifecycle/",
        "crates/simulator/",
        "runtime-tests/",
    ];
    let mut broken = Vec::new();
    for (path, text) in sources() {
        if may.iter().any(|folder| path.starts_with(folder))
            || path.contains("/tests/")
            || path.ends_with("/tests.rs")
        {
            continue;
        }
        for (line, code) in code_of(&text).lines().enumerate() {
            if code.to_lowercase().contains("sidecar") {
                broken.push(format!("{path}:{}", line + 1));
            }
        }
    }
    assert_none("the word in code outside of pod and lifecycle", &broken);
}

#[test]
fn the_planner_sees_nothing_but_its_arguments() {
    let forbidden = [
        "Instant",
        "SystemTime",
        "HashMap",
        "HashSet",
        "Mutex",
        "thread_local",
        "static",
    ];
    let modules = [
        "std::env",
        "std::fs",
        "std::io",
        "std::net",
        "std::process",
        "std::thread",
    ];
    let mut broken = Vec::new();
    for (path, text) in files(&["crates/lifecycle/src"], ".rs") {
        if path.ends_with("tests.rs") {
            continue;
        }
        let code = code_of(&text).replace("'static", "");
        let named: BTreeSet<&str> = words(&code)
            .filter(|word| forbidden.contains(word))
            .collect();
        broken.extend(named.iter().map(|word| format!("{path}: {word}")));
        broken.extend(
            modules
                .iter()
                .filter(|module| code.contains(**module))
                .map(|module| format!("{path}: {module}")),
        );
    }
    assert_none("lifecycle reads the outside world", &broken);
}

#[test]
fn every_example_is_run_by_a_test_or_shown_in_the_readme() {
    let root = repository();
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap_or_default();
    let known = read("runtime-tests/tests/examples.rs") + &read("README.md");
    let forgotten = |(path, _): &(String, String)| {
        !known.contains(
            Path::new(path)
                .file_name()
                .unwrap()
                .to_string_lossy()
                .as_ref(),
        )
    };
    let broken: Vec<String> = files(&["examples"], ".yaml")
        .into_iter()
        .filter(forgotten)
        .map(|(path, _)| path)
        .collect();
    assert_none("examples that nothing looks at", &broken);
}

#[test]
fn no_folder_of_a_developers_machine_is_named() {
    // Written in two parts, so that this file passes its own test.
    let folder = ["/wo", "rk/"].concat();
    let mut broken = Vec::new();
    for folders in [
        ["crates", "runtime-tests", "scripts"],
        ["examples", "docs", ".ci"],
    ] {
        for (path, text) in files(&folders, "") {
            let lines = text
                .lines()
                .enumerate()
                .filter(|(_, line)| names_folder(line, &folder));
            broken.extend(lines.map(|(line, _)| format!("{path}:{}", line + 1)));
        }
    }
    assert_none("paths of one machine", &broken);
}

/// A path in a container is fine, whatever it is called; what counts is the top folder of our own machine.
fn names_folder(line: &str, folder: &str) -> bool {
    ["main", "shared"]
        .iter()
        .any(|next| line.contains(&format!("{folder}{next}")))
}
