//! What do the tests need to start a container: a specification, a root, a place for its output?

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use oci_spec::runtime::Spec;
use outrigger_runtime::cgroup::Join;
use outrigger_runtime::{
    Container, Create, CreateError, ExecProcess, Filters, Reaper, RootFs, launch, rootfs,
};
use outrigger_sys::pidfd::{self, Exit};
use serde_json::{Value, json};

/// How many bundles there are, for their names.
static COUNT: AtomicU32 = AtomicU32::new(0);

/// A bundle's folder and its specification as it grows.
pub(crate) struct Bed {
    pub(crate) folder: PathBuf,
    pub(crate) spec: Value,
    pub(crate) lower: Vec<PathBuf>,
    pub(crate) join: Join,
    pub(crate) shared_pid: Option<Reaper>,
    pub(crate) filters: Filters,
}

/// A command's end and all it wrote.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) exit: Exit,
    pub(crate) output: String,
}

pub(crate) fn args(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

pub(crate) fn no_cgroup() -> Join {
    Join {
        unified: None,
        procs: Vec::new(),
    }
}

impl Bed {
    /// All default namespaces, mounts, masks and read-only paths over the machine's own root.
    pub(crate) fn new(folder: &Path) -> Bed {
        let capabilities = json!(["CAP_CHOWN", "CAP_KILL", "CAP_SETUID", "CAP_SETGID"]);
        let spec = json!({
            "ociVersion": "1.2.0",
            "process": {
                "user": {"uid": 0, "gid": 0, "additionalGids": [7, 8]},
                "args": ["/bin/true"], "cwd": "/", "env": ["PATH=/usr/bin:/bin", "WORD=yes"],
                "capabilities": {"bounding": capabilities, "effective": capabilities, "permitted": capabilities},
                "noNewPrivileges": true, "oomScoreAdj": 100,
                "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 1000, "hard": 1000}],
            },
            "root": {"path": "rootfs"},
            "mounts": [
                {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
                {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755", "size=65536k"]},
                {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
                 "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
                {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]},
                {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": ["nosuid", "noexec", "nodev"]},
                {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]},
                {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["nosuid", "noexec", "nodev", "ro"]},
            ],
            "linux": {
                "namespaces": [{"type": "pid"}, {"type": "mount"}, {"type": "cgroup"}],
                "maskedPaths": ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/acpi", "/proc/none", "/sys/firmware"],
                "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
            },
        });
        Bed {
            folder: folder.to_owned(),
            spec,
            lower: vec!["/".into()],
            join: no_cgroup(),
            shared_pid: None,
            filters: Filters::default(),
        }
    }

    pub(crate) fn command(mut self, words: &[&str]) -> Bed {
        self.spec["process"]["args"] = json!(words);
        self
    }

    pub(crate) fn launch(&mut self, stdout: &OwnedFd) -> Result<Container, CreateError> {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let bundle = self.folder.join(format!("bundle-{count}"));
        fs::create_dir_all(bundle.join("rootfs")).unwrap();
        let writable = bundle.join("writable");
        fs::create_dir(&writable).unwrap();
        let overlay = rootfs::mount_overlay(&self.lower, &writable).unwrap();
        let spec: Spec = serde_json::from_value(self.spec.clone()).unwrap();
        launch(&Create {
            spec: &spec,
            bundle: &bundle,
            rootfs: RootFs::Overlay(&overlay),
            cgroup: &self.join,
            stdin: None,
            stdout: stdout.as_fd(),
            stderr: stdout.as_fd(),
            shared_pid: self.shared_pid.as_ref(),
            pid_of: None,
            filters: &self.filters,
        })
    }

    /// Runs it to its end.
    pub(crate) fn run(&mut self) -> Result<Outcome, CreateError> {
        let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
        let container = self.launch(&write)?;
        drop(write);
        Ok(Outcome {
            output: all(read),
            exit: pidfd::wait(&container.pidfd).unwrap(),
        })
    }

    /// Runs a script to its end and gives what it wrote.
    pub(crate) fn script(&mut self, script: &str) -> String {
        self.spec["process"]["args"] = json!(["/bin/sh", "-c", script]);
        let outcome = self.run().unwrap();
        assert_eq!(outcome.exit, Exit::Code(0), "{script}: {}", outcome.output);
        outcome.output
    }
}

/// Runs a command beside the first process to its end.
pub(crate) fn exec(container: &Container, words: &[&str]) -> Result<Outcome, CreateError> {
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    let join = no_cgroup();
    let execed = container.exec(&ExecProcess {
        args: &args(words),
        stdin: None,
        stdout: write.as_fd(),
        stderr: write.as_fd(),
        terminal: false,
        cgroups: &[&join],
        own: None,
    })?;
    drop(write);
    Ok(Outcome {
        output: all(read),
        exit: pidfd::wait(&execed.pidfd).unwrap(),
    })
}

fn all(read: OwnedFd) -> String {
    let mut text = String::new();
    File::from(read).read_to_string(&mut text).unwrap();
    text
}
