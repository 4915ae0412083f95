//! Every manifest in `tests/manifests` against the text beside it: what a person is told about it.
//! `UPDATE_EXPECT=1` writes the texts anew; read the difference before you keep it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use outrigger_pod::manifest::{self, Manifest, SourceFile};
use outrigger_pod::render::{Severity, problems};

fn told(path: &Path) -> String {
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    let files = [SourceFile {
        name,
        text: fs::read_to_string(path).unwrap(),
    }];
    let mut uid = 0;
    let mut uids = || {
        uid += 1;
        format!("uid-{uid}")
    };
    match manifest::read(&files, &mut uids) {
        Ok(manifest) => {
            problems(&files, &manifest.warnings, Severity::Warning, false) + &summary(&manifest)
        }
        Err(rejected) => {
            let errors = problems(&files, &rejected.problems, Severity::Error, false);
            errors
                + &problems(&files, &rejected.warnings, Severity::Warning, false)
                + &format!("{rejected}\n")
        }
    }
}

fn summary(manifest: &Manifest) -> String {
    let mut text = String::new();
    for pod in &manifest.pods {
        writeln!(text, "pod {}/{} {}", pod.namespace, pod.name, pod.uid).unwrap();
        for (_, container) in pod.slots() {
            writeln!(text, "  {:?} {}", container.kind, container.name).unwrap();
        }
    }
    for (namespace, name) in manifest.objects.config_maps.keys() {
        writeln!(text, "configmap {namespace}/{name}").unwrap();
    }
    for (namespace, name) in manifest.objects.secrets.keys() {
        writeln!(text, "secret {namespace}/{name}").unwrap();
    }
    text
}

#[test]
fn every_manifest_is_told_as_it_is_written_down() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/manifests");
    let mut manifests: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    manifests.retain(|path| {
        path.extension()
            .is_some_and(|end| end == "yaml" || end == "json")
    });
    manifests.sort();
    assert!(manifests.len() >= 10, "{manifests:?}");
    let mut differing = Vec::new();
    for path in manifests {
        let told = told(&path);
        let expected = path.with_extension("txt");
        if env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(&expected, &told).unwrap();
        }
        let written = fs::read_to_string(&expected).unwrap_or_default();
        if told != written {
            differing.push(format!("{}:\n{told}", path.display()));
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}
