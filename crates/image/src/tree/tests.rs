//! Trees that are hard to remove, and one that must not be.

use super::*;
use crate::testing::{Folder, is_root};
use rustix::fs::CWD;

#[test]
fn a_tree_goes_and_what_its_links_point_to_stays() {
    let folder = Folder::new("tree");
    let outside = folder.path().join("outside");
    std::fs::create_dir_all(&outside).unwrap();
    std::fs::write(outside.join("canary"), b"alive").unwrap();
    let tree = folder.path().join("tree");
    std::fs::create_dir_all(tree.join("a/b/c")).unwrap();
    for number in 0..300 {
        std::fs::create_dir(tree.join(format!("a/{number}"))).unwrap();
        std::fs::write(tree.join(format!("a/{number}/file")), b"").unwrap();
    }
    std::os::unix::fs::symlink(&outside, tree.join("a/link")).unwrap();
    std::fs::hard_link(outside.join("canary"), tree.join("hard")).unwrap();
    rustix::fs::mknodat(
        CWD,
        tree.join("pipe"),
        FileType::Fifo,
        Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    remove(&tree).unwrap();
    assert!(!tree.exists());
    assert_eq!(std::fs::read(outside.join("canary")).unwrap(), b"alive");
    remove(&tree).unwrap();
}

#[test]
fn a_link_in_place_of_the_tree_is_removed_itself() {
    let folder = Folder::new("tree-link");
    std::fs::create_dir(folder.path().join("outside")).unwrap();
    std::fs::write(folder.path().join("outside/canary"), b"alive").unwrap();
    std::os::unix::fs::symlink("outside", folder.path().join("tree")).unwrap();
    remove(&folder.path().join("tree")).unwrap();
    assert!(folder.path().join("outside/canary").exists());
    assert!(folder.path().join("tree").symlink_metadata().is_err());
}

#[test]
fn neither_depth_nor_the_length_of_a_path_is_a_limit() {
    let folder = Folder::new("tree-deep");
    let name = "n".repeat(200);
    let tree = folder.path().join("tree");
    std::fs::create_dir(&tree).unwrap();
    let mut here = rustix::fs::open(&tree, FOLDER, Mode::empty()).unwrap();
    for _ in 0..5000 {
        rustix::fs::mkdirat(&here, name.as_str(), Mode::from_raw_mode(0o700)).unwrap();
        here = rustix::fs::openat(&here, name.as_str(), FOLDER, Mode::empty()).unwrap();
    }
    drop(here);
    remove(&tree).unwrap();
    assert!(!tree.exists());
}

#[test]
fn names_that_are_no_component_are_refused() {
    let folder = Folder::new("tree-names");
    std::fs::create_dir(folder.path().join("a")).unwrap();
    let open = rustix::fs::open(folder.path().join("a"), FOLDER, Mode::empty()).unwrap();
    for name in ["", ".", "..", "../a", "a/b", "/"] {
        assert!(remove_at(&open, OsStr::new(name)).is_err(), "{name:?}");
    }
    assert!(remove(Path::new("/")).is_err());
    assert!(folder.path().join("a").exists());
}

const CHILD: &str = "OUTRIGGER_TEST_TREE_WITH_MOUNT";

#[test]
fn what_is_mounted_inside_is_not_touched_and_every_mount_is_named() {
    if let Some(folder) = std::env::var_os(CHILD) {
        return with_mounts(Path::new(&folder));
    }
    if !is_root("what_is_mounted_inside_is_not_touched_and_every_mount_is_named") {
        return;
    }
    let folder = Folder::new("tree-mount");
    // The child has a mount namespace of its own, so that its mounts die with it.
    let output = std::process::Command::new("unshare")
        .args(["-m", "--propagation", "private"])
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "tree::tests::what_is_mounted_inside_is_not_touched_and_every_mount_is_named",
            "--nocapture",
        ])
        .env(CHILD, folder.path())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{told}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(told.contains("1 passed"), "{told}");
    assert!(folder.path().join("source/etc/precious").exists());
}

fn with_mounts(folder: &Path) {
    let source = folder.join("source");
    let tree = folder.join("tree");
    std::fs::create_dir_all(source.join("etc")).unwrap();
    std::fs::write(source.join("etc/precious"), b"alive").unwrap();
    std::fs::create_dir_all(tree.join("rootfs/etc")).unwrap();
    std::fs::create_dir_all(tree.join("gone/deep")).unwrap();
    std::fs::create_dir(tree.join("tmpfs")).unwrap();
    std::fs::write(tree.join("rootfs/file"), b"").unwrap();
    // Of the same file system: a device number would show nothing.
    rustix::mount::mount_bind(source.join("etc"), tree.join("rootfs/etc")).unwrap();
    rustix::mount::mount_bind(source.join("etc/precious"), tree.join("rootfs/file")).unwrap();
    rustix::mount::mount(
        "none",
        tree.join("tmpfs"),
        "tmpfs",
        rustix::mount::MountFlags::empty(),
        None,
    )
    .unwrap();
    std::fs::write(tree.join("tmpfs/inside"), b"alive").unwrap();

    let error = remove(&tree).unwrap_err();
    let mut mounts: Vec<_> = error
        .leftovers
        .iter()
        .map(|left| (left.path.to_str().unwrap(), left.why))
        .collect();
    mounts.sort_by_key(|(path, _)| *path);
    assert_eq!(
        mounts,
        [
            ("rootfs/etc", Why::Mount),
            ("rootfs/file", Why::Mount),
            ("tmpfs", Why::Mount)
        ]
    );
    assert!(
        error.to_string().contains("rootfs/etc is a mount point"),
        "{error}"
    );
    assert_eq!(
        std::fs::read(source.join("etc/precious")).unwrap(),
        b"alive"
    );
    assert!(tree.join("tmpfs/inside").exists());
    assert!(!tree.join("gone").exists(), "what can go, goes");

    // The tree itself being a mount is the same.
    let error = remove(&tree.join("tmpfs")).unwrap_err();
    assert_eq!(
        error.leftovers,
        [Leftover {
            path: PathBuf::new(),
            why: Why::Mount
        }]
    );

    for mount in ["rootfs/etc", "rootfs/file", "tmpfs"] {
        rustix::mount::unmount(tree.join(mount), rustix::mount::UnmountFlags::empty()).unwrap();
    }
    remove(&tree).unwrap();
    assert!(!tree.exists());
}
