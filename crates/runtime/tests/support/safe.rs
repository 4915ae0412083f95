//! How do tests run as root without being able to hurt the machine?
//!
//! Each test runs again in a process of its own, in a mount namespace where all is private and
//! read-only but a fresh tmpfs, the cgroup trees and procfs.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use outrigger_sys::clone::Namespaces;
use outrigger_sys::mount::{Change, Propagation, attr, set_attributes};
use outrigger_sys::namespace;
use rustix::fs::CWD;

const INSIDE: &str = "OUTRIGGER_TEST_INSIDE";
const FOLDER: &str = "OUTRIGGER_TEST_FOLDER";

/// Runs `body` with a folder of its own. `name` is the test's path, as libtest knows it.
pub(crate) fn isolated(name: &str, body: fn(&Path)) {
    if env::var(INSIDE).as_deref() == Ok(name) {
        let folder = PathBuf::from(env::var(FOLDER).unwrap());
        enclose(&folder);
        return body(&folder);
    }
    if !rustix::process::geteuid().is_root() {
        assert!(
            env::var("OUTRIGGER_SKIPS_FAIL").is_err(),
            "{name} needs root"
        );
        println!("SKIPPED {name}: needs root");
        return;
    }
    let folder = env::temp_dir().join(format!("outrigger-dev-{}-{name}", std::process::id()));
    fs::create_dir(&folder).unwrap();
    let status = Command::new(env::current_exe().unwrap())
        .args([
            name,
            "--exact",
            "--nocapture",
            "--include-ignored",
            "--test-threads=1",
        ])
        .env(INSIDE, name)
        .env(FOLDER, &folder)
        .status()
        .unwrap();
    // Empty again, for what was mounted on it is gone with the process.
    fs::remove_dir(&folder).unwrap();
    assert!(status.success(), "{name} failed inside");
}

fn enclose(folder: &Path) {
    namespace::unshare(Namespaces::MOUNT).unwrap();
    let private = Change {
        propagation: Some(Propagation::Private),
        ..Change::default()
    };
    set_attributes(CWD, c"/", private, true).unwrap();
    outrigger_runtime::pod::mount_tmpfs(folder, None, None, 0o755, None).unwrap();
    set_attributes(
        CWD,
        c"/",
        Change {
            set: attr::RDONLY,
            ..Change::default()
        },
        true,
    )
    .unwrap();
    let writable = Change {
        clear: attr::RDONLY,
        ..Change::default()
    };
    let folder = std::ffi::CString::new(folder.as_os_str().as_encoded_bytes()).unwrap();
    set_attributes(CWD, &folder, writable, false).unwrap();
    set_attributes(CWD, c"/proc", writable, false).unwrap();
    set_attributes(CWD, c"/sys/fs/cgroup", writable, true).unwrap();
    assert!(
        fs::write("/outrigger-must-not-be", "").is_err(),
        "the machine is not protected"
    );
}
