//! Pods for tests: what does this text read as?

use outrigger_pod::manifest::{SourceFile, read};
use outrigger_pod::{Objects, Pod};

/// The first Pod of a manifest, and its ConfigMaps and Secrets.
pub(crate) fn pod(text: &str) -> (Pod, Objects) {
    let file = SourceFile {
        name: "test.yaml".to_owned(),
        text: text.to_owned(),
    };
    let mut manifest = read(&[file], &mut || "u1".to_owned()).unwrap();
    (manifest.pods.remove(0), manifest.objects)
}
