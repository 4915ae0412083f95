//! The layout of ConfigMap and Secret volumes, and what hostPath checks.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;

use k8s_openapi::api::core::v1 as core;
use outrigger_pod::Objects;

use super::{atomic, host_path, objects};
use crate::scratch::Scratch;

fn files(entries: &[(&str, &str)]) -> BTreeMap<String, atomic::File> {
    let file = |text: &str| atomic::File {
        bytes: text.as_bytes().to_vec(),
        mode: 0o640,
    };
    entries
        .iter()
        .map(|(path, text)| ((*path).to_owned(), file(text)))
        .collect()
}

#[test]
fn files_are_links_through_data_and_change_together() {
    let scratch = Scratch::new();
    let volume = scratch.path.join("volume");
    atomic::write(&volume, &files(&[("a", "1"), ("dir/b", "2")]), None).unwrap();
    assert_eq!(
        std::fs::read_link(volume.join("a")).unwrap().to_str(),
        Some("..data/a")
    );
    assert_eq!(std::fs::read_to_string(volume.join("dir/b")).unwrap(), "2");
    assert_eq!(
        std::fs::metadata(volume.join("a"))
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o640
    );

    atomic::write(&volume, &files(&[("a", "new")]), None).unwrap();
    assert_eq!(std::fs::read_to_string(volume.join("a")).unwrap(), "new");
    assert!(!volume.join("dir").exists());
    let mut names: Vec<_> = std::fs::read_dir(&volume)
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names.len(), 3, "the old directory is gone: {names:?}");
}

#[test]
fn a_path_that_leaves_the_volume_is_refused() {
    let scratch = Scratch::new();
    for path in ["../x", "/x", "a/../../x", "..data", ""] {
        assert!(
            atomic::write(&scratch.path.join("v"), &files(&[(path, "")]), None).is_err(),
            "{path}"
        );
    }
    assert!(!scratch.path.join("x").exists());
}

fn content_of(
    known: &Objects,
    volume: &core::Volume,
    room: &mut objects::Room,
) -> Option<Result<BTreeMap<String, atomic::File>, String>> {
    objects::content("default", known, volume, None, room)
}

fn secret_volume(items: &[(&str, &str)], optional: bool) -> core::Volume {
    let items: Vec<_> = items
        .iter()
        .map(|(key, path)| core::KeyToPath {
            key: (*key).into(),
            path: (*path).into(),
            mode: Some(0o400),
        })
        .collect();
    let secret = core::SecretVolumeSource {
        secret_name: Some("s".into()),
        items: (!items.is_empty()).then_some(items),
        optional: Some(optional),
        default_mode: None,
    };
    core::Volume {
        name: "v".into(),
        secret: Some(secret),
        ..Default::default()
    }
}

#[test]
fn missing_secrets_and_keys_are_told_in_the_kubelets_words_unless_they_are_optional() {
    let mut known = Objects::default();
    let content = |known: &Objects, volume: &core::Volume| {
        content_of(known, volume, &mut objects::Room::of_a_pod())
    };
    assert_eq!(
        content(&known, &secret_volume(&[], false)),
        Some(Err("secret \"s\" not found".to_owned()))
    );
    assert_eq!(
        content(&known, &secret_volume(&[], true)),
        Some(Ok(BTreeMap::new()))
    );
    let data = BTreeMap::from([("k".to_owned(), k8s_openapi::ByteString(b"x".to_vec()))]);
    let secret = core::Secret {
        data: Some(data),
        ..Default::default()
    };
    known.secrets.insert(("default".into(), "s".into()), secret);
    assert_eq!(
        content(&known, &secret_volume(&[("other", "p")], false)),
        Some(Err("references non-existent secret key: other".to_owned()))
    );
    let found = content(&known, &secret_volume(&[("k", "p")], false))
        .unwrap()
        .unwrap();
    assert_eq!(
        found["p"],
        atomic::File {
            bytes: b"x".to_vec(),
            mode: 0o400
        }
    );
}

#[test]
fn one_key_is_not_shown_so_often_that_it_fills_the_memory() {
    let data = BTreeMap::from([("k".to_owned(), k8s_openapi::ByteString(vec![b'x'; 1 << 20]))]);
    let secret = core::Secret {
        data: Some(data),
        ..Default::default()
    };
    let mut known = Objects::default();
    known.secrets.insert(("default".into(), "s".into()), secret);
    let paths: Vec<String> = (0..40).map(|n| n.to_string()).collect();
    let items: Vec<_> = paths.iter().map(|path| ("k", path.as_str())).collect();
    let volume = secret_volume(&items, false);
    // All volumes of a Pod share its room.
    let mut room = objects::Room::of_a_pod();
    assert!(content_of(&known, &volume, &mut room).is_some_and(|files| files.is_ok()));
    let refused = content_of(&known, &volume, &mut room).unwrap().unwrap_err();
    assert!(refused.contains("more than 64 MiB"), "{refused}");
}

#[test]
fn a_host_path_must_be_of_the_type_it_says() {
    let scratch = Scratch::new();
    let source = |name: &str, type_: &str| core::HostPathVolumeSource {
        path: scratch.path.join(name).display().to_string(),
        type_: Some(type_.to_owned()),
    };
    let text = |source: &core::HostPathVolumeSource| host_path::check(source).unwrap_err();
    let missing = source("missing", "Directory");
    assert_eq!(
        text(&missing),
        format!(
            "hostPath type check failed: {} is not a directory",
            missing.path
        )
    );
    assert!(host_path::check(&source("made", "FileOrCreate")).is_ok());
    assert!(text(&source("made", "Directory")).ends_with("is not a directory"));
    assert!(host_path::check(&source("made", "")).is_ok());
    assert!(host_path::check(&source("there", "DirectoryOrCreate")).is_ok());
    assert!(text(&source("there", "Socket")).ends_with("is not a socket file"));
}
