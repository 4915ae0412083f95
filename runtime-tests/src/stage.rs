//! What can a test of ours touch? This puts its process where it can touch nothing of the machine.
//!
//! Three processes stand behind each test. `namespaces` makes new namespaces. `init`, the first in
//! the new process namespace, makes all mounts read-only but for what a test needs, and reaps; when
//! it ends, the kernel ends whatever the test has left running. `test` is the test itself.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::{OFlag, open};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::sys::statvfs::{FsFlags, statvfs};
use nix::sys::wait::{WaitStatus, wait};

use crate::leaks::{Mount, mounts};
use crate::{Failure, failed};

/// Folders that are fresh and writable in a test; everything that a test writes is below them.
pub const OWN_FOLDERS: [&str; 2] = ["/run", "/tmp"];

/// No test may take longer, unless `OUTRIGGER_TEST_LIMIT_S` says so; what hangs is killed with all that
/// it has started.
const LIMIT_S: f64 = 240.0;

/// How long one test may take, in seconds; in the virtual machine that is stretched.
#[must_use]
pub fn limit_s() -> f64 {
    let asked = std::env::var("OUTRIGGER_TEST_LIMIT_S").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(LIMIT_S)
}

/// The path of the running test binary.
///
/// # Errors
/// If `/proc` does not tell.
pub fn own_program() -> io::Result<PathBuf> {
    std::env::current_exe()
}

/// Whether a command is in one of the usual folders.
#[must_use]
pub fn has_command(name: &str) -> bool {
    [
        "/usr/local/sbin",
        "/usr/local/bin",
        "/usr/sbin",
        "/usr/bin",
        "/sbin",
        "/bin",
    ]
    .iter()
    .any(|folder| Path::new(folder).join(name).exists())
}

/// The first process: new namespaces, then the second process in them.
#[must_use]
pub fn enter(rest: &[String]) -> ExitCode {
    let entered = || -> Result<i32, Failure> {
        unshare(
            CloneFlags::CLONE_NEWNS
                | CloneFlags::CLONE_NEWNET
                | CloneFlags::CLONE_NEWPID
                | CloneFlags::CLONE_NEWIPC
                | CloneFlags::CLONE_NEWUTS,
        )?;
        mount(
            None::<&str>,
            "/",
            None::<&str>,
            MsFlags::MS_REC | MsFlags::MS_PRIVATE,
            None::<&str>,
        )?;
        let mut init = Command::new(own_program()?)
            .arg("--inside=init")
            .args(rest)
            .spawn()?;
        let deadline = Instant::now() + crate::at_most_s(limit_s());
        loop {
            if let Some(status) = init.try_wait()? {
                return Ok(status.code().unwrap_or(1));
            }
            if Instant::now() > deadline {
                init.kill()?;
                init.wait()?;
                return Err(failed(format!(
                    "it took longer than {} s and was ended",
                    limit_s()
                )));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    leave(entered())
}

/// The second process: the file tree as a test may see it, then the test, then reaping.
#[must_use]
pub fn be_init(rest: &[String]) -> ExitCode {
    let lived = || -> Result<i32, Failure> {
        nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
        mount(
            Some("proc"),
            "/proc",
            Some("proc"),
            MsFlags::empty(),
            None::<&str>,
        )?;
        protect()?;
        let needed = open_needed()?;
        for folder in OWN_FOLDERS {
            mount(
                Some("tmpfs"),
                folder,
                Some("tmpfs"),
                MsFlags::empty(),
                Some("mode=1777"),
            )?;
        }
        needed.iter().try_for_each(bring_back)?;
        raise_loopback()?;
        let test = Command::new(own_program()?)
            .arg("--inside=test")
            .args(rest)
            .spawn()?;
        loop {
            let (pid, code) = match wait()? {
                WaitStatus::Exited(pid, code) => (pid, code),
                WaitStatus::Signaled(pid, signal, _) => (pid, 128 + signal as i32),
                _ => continue,
            };
            if pid.as_raw().unsigned_abs() == test.id() {
                return Ok(code);
            }
        }
    };
    leave(lived())
}

/// What tests read and a fresh folder would hide, if the sources or what is built of them lie below
/// one: opened before it is hidden.
fn open_needed() -> Result<Vec<(PathBuf, OwnedFd)>, Failure> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let built = [own_program()?, program_under_test().unwrap_or_default()];
    let built = built.iter().filter_map(|program| program.parent());
    let mut needed = Vec::new();
    for folder in std::iter::once(sources.as_path()).chain(built) {
        let Ok(folder) = folder.canonicalize() else {
            continue;
        };
        if OWN_FOLDERS.iter().any(|own| folder.starts_with(own)) {
            let opened = open(&folder, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())?;
            needed.push((folder, opened));
        }
    }
    // Outer ones first: what is below one of them comes back with it.
    needed.sort_by_key(|(folder, _)| folder.components().count());
    Ok(needed)
}

/// Mounts it again where it was, read-only.
fn bring_back((folder, opened): &(PathBuf, OwnedFd)) -> Result<(), Failure> {
    if folder.exists() {
        return Ok(()); // It is below one that is back already.
    }
    std::fs::create_dir_all(folder)?;
    let source = PathBuf::from(format!("/proc/self/fd/{}", opened.as_raw_fd()));
    mount(
        Some(&source),
        folder,
        None::<&str>,
        MsFlags::MS_BIND,
        None::<&str>,
    )?;
    let read_only = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
    Ok(mount(
        None::<&str>,
        folder,
        None::<&str>,
        read_only,
        None::<&str>,
    )?)
}

fn leave(code: Result<i32, Failure>) -> ExitCode {
    match code {
        Ok(code) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

/// Brings `lo` up for tests that use the host's network, which is the test's own.
fn raise_loopback() -> Result<(), Failure> {
    if !has_command("ip") {
        return Ok(());
    }
    let status = Command::new("ip")
        .args(["link", "set", "lo", "up"])
        .stderr(Stdio::null())
        .status()?;
    crate::ensure!(status.success(), "ip link set lo up: {status}");
    Ok(())
}

/// Makes every mount read-only but `/proc` and the cgroup hierarchies, and proves it.
fn protect() -> Result<(), Failure> {
    for each in mounts()? {
        if stays_writable(&each) {
            continue;
        }
        let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY | kept(&each);
        // A mount that another one covers cannot be reached by its path; it cannot be written
        // through that path either. The proof below looks at what is reached.
        if let Err(error) = mount(None::<&str>, &each.path, None::<&str>, flags, None::<&str>)
            && !matches!(error, nix::Error::EINVAL | nix::Error::ENOENT)
        {
            return Err(failed(format!(
                "remounting {} read-only: {error}",
                each.path.display()
            )));
        }
    }
    for each in mounts()? {
        let Ok(found) = statvfs(&each.path) else {
            continue;
        };
        let proven = stays_writable(&each) || found.flags().contains(FsFlags::ST_RDONLY);
        crate::ensure!(
            proven,
            "{} is still writable; no test runs here",
            each.path.display()
        );
    }
    Ok(())
}

fn stays_writable(mount: &Mount) -> bool {
    matches!(mount.kind.as_str(), "proc" | "cgroup" | "cgroup2") || mount.path.starts_with("/proc")
}

fn kept(mount: &Mount) -> MsFlags {
    let known = [
        ("nosuid", MsFlags::MS_NOSUID),
        ("nodev", MsFlags::MS_NODEV),
        ("noexec", MsFlags::MS_NOEXEC),
        ("noatime", MsFlags::MS_NOATIME),
        ("relatime", MsFlags::MS_RELATIME),
    ];
    let has = |word: &str| mount.options.split(',').any(|option| option == word);
    known
        .iter()
        .filter(|(word, _)| has(word))
        .fold(MsFlags::empty(), |all, (_, flag)| all | *flag)
}

/// The folders of a cgroup path in every hierarchy, deepest first.
#[must_use]
pub fn cgroup_folders(path: &str) -> Vec<PathBuf> {
    let Ok(all) = mounts() else { return Vec::new() };
    let mut found = Vec::new();
    for each in all.iter().filter(|mount| mount.kind.starts_with("cgroup")) {
        descend(&each.path.join(path.trim_start_matches('/')), &mut found);
    }
    found.sort_by_key(|folder| std::cmp::Reverse(folder.components().count()));
    found
}

fn descend(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    found.push(folder.to_path_buf());
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            descend(&entry.path(), found);
        }
    }
}

/// Removes what a test left of its own cgroup subtree; gives back what was there.
#[must_use]
pub fn remove_cgroups(path: &str) -> Vec<PathBuf> {
    if !path.starts_with("/outrigger-test-") {
        return Vec::new();
    }
    let found = cgroup_folders(path);
    for folder in &found {
        // Its processes have just been killed with their namespace and may still be leaving.
        let deadline = Instant::now() + Duration::from_secs(2);
        while let Err(error) = std::fs::remove_dir(folder) {
            if error.kind() == io::ErrorKind::NotFound || Instant::now() > deadline {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    found
}

/// The program under test: `OUTRIGGER_BIN`, or what cargo has built beside this test.
///
/// # Errors
/// If there is none, with the command that makes it.
pub fn program_under_test() -> Result<PathBuf, Failure> {
    if let Some(path) = std::env::var_os("OUTRIGGER_BIN") {
        return Ok(PathBuf::from(path));
    }
    let own = own_program()?;
    let built = own
        .ancestors()
        .nth(2)
        .unwrap_or(Path::new("/"))
        .join(OsStr::new("outrigger"));
    crate::ensure!(
        built.exists(),
        "there is no {}: build it with `cargo build -p outrigger-cli`, or name one in OUTRIGGER_BIN",
        built.display()
    );
    Ok(built)
}
