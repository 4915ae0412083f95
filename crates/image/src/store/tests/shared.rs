//! Many processes use one store, and some of them die.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use super::*;

const CHILD: &str = "OUTRIGGER_TEST_LOADS";

/// The same test binary again, as another process that runs `test` only.
fn child(test: &str, place: &Folder) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([
        "--exact",
        &format!("store::tests::shared::{test}"),
        "--nocapture",
    ]);
    command
        .env(CHILD, place.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn wide_layers() -> Vec<Vec<u8>> {
    (0..3)
        .map(|n| {
            tar(&(0..400)
                .map(|f| file(format!("d{n}/f{f}"), vec![b'x'; 2000]))
                .collect::<Vec<_>>())
        })
        .collect()
}

#[test]
fn four_processes_load_one_archive_at_once() {
    if let Some(place) = std::env::var_os(CHILD) {
        let place = Path::new(&place);
        let store = Store::open(&place.join("root")).unwrap();
        let image = store
            .resolve(&parse(format!(
                "oci-archive:{}",
                place.join("image.tar").display()
            )))
            .unwrap();
        assert_eq!(image.layers.len(), 3);
        assert_eq!(
            store.load_file(&place.join("image.tar")).unwrap(),
            ["docker.io/library/wide:1"]
        );
        return;
    }
    let test = "four_processes_load_one_archive_at_once";
    if !is_root(test) {
        return;
    }
    let place = Folder::new("four");
    let bytes = archive(&oci_files(
        Some("docker.io/library/wide:1"),
        &wide_layers(),
        Packed::Gzip,
    ));
    std::fs::write(place.path().join("image.tar"), bytes).unwrap();
    let children: Vec<_> = (0..4)
        .map(|_| child(test, &place).spawn().unwrap())
        .collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success() && told.contains("1 passed"),
            "{told}{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let store = open(&place);
    let image = store.resolve(&parse("wide:1")).unwrap();
    for n in 0..3 {
        assert_eq!(read(&image, &format!("d{n}/f399")).unwrap().len(), 2000);
    }
    assert_eq!(
        std::fs::read_dir(store.root.join("layers"))
            .unwrap()
            .count(),
        3
    );
    assert_eq!(
        std::fs::read_dir(store.root.join("tmp")).unwrap().count(),
        0
    );
}

#[test]
fn what_a_killed_process_left_is_swept_and_its_work_can_be_done_again() {
    if let Some(place) = std::env::var_os(CHILD) {
        let store = Store::open(&Path::new(&place).join("root")).unwrap();
        // The archive is a pipe's end that never comes: the loader is killed in the middle of its spooling or unpacking.
        store.load_stream(std::io::stdin()).unwrap();
        return;
    }
    let test = "what_a_killed_process_left_is_swept_and_its_work_can_be_done_again";
    if !is_root(test) {
        return;
    }
    let place = Folder::new("killed");
    let store = open(&place);
    let tmp = store.root.join("tmp");
    let mut loader = child(test, &place).stdin(Stdio::piped()).spawn().unwrap();
    while std::fs::read_dir(&tmp).map_or(0, Iterator::count) == 0 {
        assert!(loader.try_wait().unwrap().is_none(), "the loader ended");
        std::thread::yield_now();
    }
    // A living process' work is not swept.
    store.sweep().unwrap();
    assert_eq!(std::fs::read_dir(&tmp).unwrap().count(), 1);
    let left = std::fs::read_dir(&tmp)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    std::fs::create_dir_all(left.join("layer/tree/half")).unwrap();
    assert_eq!(
        store.collect().unwrap(),
        Removed::Later,
        "a loader's layers are not collected below it"
    );
    loader.kill().unwrap();
    assert_eq!(loader.wait().unwrap().signal(), Some(9));
    let store = open(&place);
    assert_eq!(std::fs::read_dir(&tmp).unwrap().count(), 0);
    assert_eq!(store.prune().unwrap(), Removed::Done);
    store
        .load_stream(archive(&oci_files(Some("x:1"), &layers(), Packed::Gzip)).as_slice())
        .unwrap();
    check(&store.resolve(&parse("x:1")).unwrap());
}
