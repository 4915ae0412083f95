//! Did the daemon before die of itself? A byte in this file says so; and the kernel says how many processes it has
//! killed for want of memory.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crate::directories::create;

/// Sees to it that a crash leaves a byte in a file.
pub(crate) type Noter = fn(File) -> std::io::Result<()>;

/// The file.
#[derive(Debug, Clone)]
pub(super) struct CrashNote {
    path: PathBuf,
    noter: Option<Noter>,
    /// Whether it is made for this process.
    begun: Arc<OnceLock<()>>,
}

impl CrashNote {
    pub(super) fn new(root: &Path, noter: Option<Noter>) -> CrashNote {
        CrashNote {
            path: root.join("adoption.crash"),
            noter,
            begun: Arc::default(),
        }
    }

    /// Whether the daemon before has left one. What is no file of ours counts as one: then nobody can tell.
    pub(super) fn is_there(&self) -> bool {
        match self.path.symlink_metadata() {
            Ok(found) => !found.is_file() || found.len() > 0,
            Err(_) => false,
        }
    }

    /// Makes an empty one, which a crash of this process is noted in. Without it a crash counts as a kill.
    pub(super) fn begin(&self) {
        self.begun.get_or_init(|| {
            let made = create(&self.path).and_then(|file| match self.noter {
                Some(noter) => noter(file),
                None => Ok(()),
            });
            if let Err(error) = made {
                tracing::warn!("make {}: {error}", self.path.display());
            }
        });
    }

    /// Notes that this process is about to die of itself.
    pub(super) fn write(&self) {
        if self.begun.get().is_some() {
            // There is nobody left to be told that it failed.
            let opened = File::options().append(true).open(&self.path);
            opened.and_then(|mut file| file.write_all(b"x")).ok();
        }
    }

    pub(super) fn remove(&self) {
        if self.begun.get().is_some() {
            // An empty one says nothing.
            std::fs::remove_file(&self.path).ok();
        }
    }
}

/// How many processes the machine has killed for want of memory since it was booted.
pub(super) fn oom_kills() -> Option<u64> {
    let counters = std::fs::read_to_string("/proc/vmstat").ok()?;
    let mut lines = counters.lines();
    lines.find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}
