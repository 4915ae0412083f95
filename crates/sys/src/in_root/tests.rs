use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::open as open_path;

use super::*;

/// A fresh tree below the system's temporary directory, with a canary beside it.
struct Tree {
    outside: PathBuf,
    root: OwnedFd,
}

impl Tree {
    fn new(name: &str) -> Tree {
        let outside =
            std::env::temp_dir().join(format!("outrigger-in-root-{name}-{}", std::process::id()));
        fs::create_dir_all(outside.join("root/real")).unwrap();
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = open_path(outside.join("root"), flags, Mode::empty()).unwrap();
        Tree { outside, root }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.outside.join("root").join(path)
    }

    fn make(&self, path: &CStr, make: Make) -> Result<u64, Errno> {
        Ok(fstat(open_or_make(self.root.as_fd(), path, make)?)?.st_ino)
    }

    fn outside_is_untouched(&self) -> bool {
        fs::read_dir(&self.outside).unwrap().count() == 1
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.outside);
    }
}

fn inode(path: &Path) -> u64 {
    fs::symlink_metadata(path).unwrap().ino()
}

#[test]
fn missing_directories_and_files_are_made() {
    let tree = Tree::new("made");
    assert_eq!(
        tree.make(c"/a/b//c/", Make::Directory).unwrap(),
        inode(&tree.at("a/b/c"))
    );
    assert_eq!(
        tree.make(c"x/y/file", Make::File).unwrap(),
        inode(&tree.at("x/y/file"))
    );
    assert!(fs::metadata(tree.at("x/y/file")).unwrap().is_file());
    assert!(tree.outside_is_untouched());
}

#[test]
fn dangling_links_are_made_inside_the_tree() {
    let tree = Tree::new("dangling");
    symlink("../../../run/resolve/file", tree.at("real/relative")).unwrap();
    symlink("/run/absolute", tree.at("absolute")).unwrap();
    assert_eq!(
        tree.make(c"/real/relative", Make::File).unwrap(),
        inode(&tree.at("run/resolve/file"))
    );
    assert_eq!(
        tree.make(c"/absolute/deep", Make::Directory).unwrap(),
        inode(&tree.at("run/absolute/deep"))
    );
    assert!(tree.outside_is_untouched());
}

#[test]
fn links_and_dots_never_leave_the_tree() {
    let tree = Tree::new("never");
    symlink("../../..", tree.at("up")).unwrap();
    assert_eq!(
        tree.make(c"/up/canary", Make::Directory).unwrap(),
        inode(&tree.at("canary"))
    );
    assert_eq!(
        tree.make(c"../../dots", Make::Directory).unwrap(),
        inode(&tree.at("dots"))
    );
    assert!(tree.outside_is_untouched());
}

#[test]
fn loops_and_links_where_none_may_be_are_refused() {
    let tree = Tree::new("loops");
    symlink("loop", tree.at("loop")).unwrap();
    assert_eq!(tree.make(c"/loop/x", Make::Directory), Err(Errno::LOOP));
    symlink("real", tree.at("proc")).unwrap();
    assert_eq!(
        open_without_links(tree.root.as_fd(), c"proc").err(),
        Some(Errno::LOOP)
    );
    assert!(open(tree.root.as_fd(), c"proc").is_ok());
}
