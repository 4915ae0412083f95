//! Scenarios that a person can read: each script's life keeps the invariants, says what the script
//! expects, and has the transcript below it to the byte. `UPDATE_EXPECT=1` rewrites transcripts.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use outrigger_simulator::{Oracle, Scenario, transcript};

fn crate_folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn scenarios() -> BTreeMap<PathBuf, String> {
    let folder = std::fs::read_dir(crate_folder().join("scenarios")).expect("scenarios");
    folder
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|end| end == "txt"))
        .map(|path| {
            let text = std::fs::read_to_string(&path).expect("a scenario");
            (path, text)
        })
        .collect()
}

/// What is wrong with one scenario.
fn faults(path: &Path, text: &str) -> Vec<String> {
    let scenario = match Scenario::read(text) {
        Ok(scenario) => scenario,
        Err(bad) => return vec![bad.to_string()],
    };
    let life = scenario.live();
    let told = transcript(&life);
    let mut faults: Vec<String> = Oracle::judge(&scenario.pod, &scenario.faults, &life)
        .iter()
        .map(ToString::to_string)
        .collect();
    faults.extend(scenario.unmet(&told));
    if scenario.expectations.is_empty() {
        faults.push("it expects nothing".to_owned());
    }
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(path, scenario.file(&told)).expect("the transcript is written");
    } else if told != scenario.transcript {
        faults.push(format!("its transcript is now\n{told}"));
    }
    faults
}

#[test]
fn every_scenario_goes_as_its_transcript_says() {
    let scenarios = scenarios();
    assert!(scenarios.len() >= 30, "only {} scenarios", scenarios.len());
    let mut wrong = String::new();
    for (path, text) in &scenarios {
        for fault in faults(path, text) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            wrong += &format!("{name}: {fault}\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// An entry of the page that a scenario shows names it, and the scenario is there.
#[test]
fn the_page_of_differences_names_scenarios_that_exist() {
    let page = std::fs::read_to_string(crate_folder().join("../../docs/differences.md"))
        .expect("docs/differences.md");
    let folder = crate_folder().join("scenarios");
    let named: Vec<&str> = page
        .split('`')
        .filter_map(|code| code.strip_prefix("scenarios/"))
        .collect();
    let missing: Vec<&&str> = named
        .iter()
        .filter(|name| !folder.join(name).is_file())
        .collect();
    assert!(
        missing.is_empty(),
        "scenarios that are not there: {missing:?}"
    );
    let forgotten: Vec<String> = scenarios()
        .keys()
        .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
        .filter(|name| name.starts_with("differs-") && !named.contains(&name.as_str()))
        .collect();
    assert!(
        forgotten.is_empty(),
        "differences that the page does not tell: {forgotten:?}"
    );
}
