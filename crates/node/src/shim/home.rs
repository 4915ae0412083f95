//! Where do shims stand, so that nobody takes them for a part of the daemon's service? In a cgroup of
//! their own below the node's, in the v2 tree, where a service manager finds them neither when it stops the
//! service nor when it counts or limits it. It is there as long as a shim is.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Pauses between attempts: a shim that has said farewell is still there for a moment.
const PAUSES_MS: [u64; 8] = [0, 1, 2, 4, 8, 16, 32, 64];
/// So many shims are not all about to go.
const MANY: usize = 3;
/// How often the directories above may vanish while it is made: each time, another Pod was released.
const ATTEMPTS: usize = 20;

/// That cgroup.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    tree: PathBuf,
    directory: PathBuf,
    /// How many shims are on their way there.
    coming: Arc<Mutex<usize>>,
}

/// Keeps the group in being until a shim stands in it.
#[derive(Debug)]
pub(crate) struct Claim<'a>(&'a Home);

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        *self.0.lock() -= 1;
    }
}

impl Home {
    /// The home of shims below the cgroup of a node, if this machine has a v2 tree. Nobody but the kernel's
    /// first process takes care of processes whose parent is gone: a daemon that is it itself has no service
    /// manager, and keeps its shims with it.
    #[must_use]
    pub(crate) fn find(cgroup: &str) -> Option<Home> {
        let mountinfo = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
        let tree = unified(&mountinfo).filter(|_| std::process::id() != 1)?;
        Some(Home::below(tree, cgroup))
    }

    pub(crate) fn below(tree: PathBuf, cgroup: &str) -> Home {
        let directory = tree.join(cgroup.trim_matches('/')).join("shims");
        Home {
            tree,
            directory,
            coming: Arc::default(),
        }
    }

    /// Its directory in the v2 tree.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Makes the group for a shim that comes.
    ///
    /// # Errors
    /// If it cannot be made.
    pub(crate) fn claim(&self) -> io::Result<Claim<'_>> {
        let mut coming = self.lock();
        let mut made = Ok(());
        for _ in 0..ATTEMPTS {
            made = std::fs::create_dir_all(&self.directory);
            match &made {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                _ => break,
            }
        }
        made?;
        *coming += 1;
        drop(coming);
        Ok(Claim(self))
    }

    /// Removes the group if the last shim has gone or is about to, and those above it that are empty then. It
    /// may take a tenth of a second.
    pub(crate) fn tidy(&self) {
        for pause_ms in PAUSES_MS {
            std::thread::sleep(Duration::from_millis(pause_ms));
            let coming = self.lock();
            if *coming > 0 {
                return;
            }
            match std::fs::remove_dir(&self.directory) {
                Ok(()) => return self.remove_parents(),
                // Shims that live on, or one that is on its way out.
                Err(error) if error.kind() == ErrorKind::ResourceBusy => {}
                Err(_) => return,
            }
            drop(coming);
            let shims = std::fs::read_to_string(self.directory.join("cgroup.procs"));
            if shims.is_ok_and(|shims| shims.lines().count() > MANY) {
                return;
            }
        }
    }

    /// From below; one that is in use ends the walk.
    fn remove_parents(&self) {
        let above = self.directory.ancestors().skip(1);
        for directory in above.take_while(|directory| *directory != self.tree) {
            if std::fs::remove_dir(directory).is_err() {
                return;
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, usize> {
        self.coming.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The mount point of the v2 tree.
fn unified(mountinfo: &str) -> Option<PathBuf> {
    let line = mountinfo
        .lines()
        .find(|line| line.contains(" - cgroup2 "))?;
    // A name with an escaped blank in it is nobody's v2 tree.
    let mount = line.split(' ').nth(4).filter(|path| !path.contains('\\'))?;
    Some(PathBuf::from(mount))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn it_is_there_while_a_shim_comes_and_goes_with_what_is_empty_above() {
        let scratch = Scratch::new();
        std::fs::create_dir(scratch.path.join("a")).unwrap();
        std::fs::create_dir(scratch.path.join("a/pod1")).unwrap();
        let home = Home::below(scratch.path.clone(), "/a/b");
        let first = home.claim().unwrap();
        let second = home.claim().unwrap();
        drop(first);
        home.tidy();
        assert!(home.directory().exists());
        drop(second);
        home.tidy();
        assert!(!scratch.path.join("a/b").exists() && scratch.path.join("a/pod1").exists());
    }

    #[test]
    fn it_is_in_the_v2_tree() {
        let v1 = "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu";
        let v2 = "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw";
        assert_eq!(unified(v1), None);
        let tree = unified(&format!("{v1}\n{v2}\n")).unwrap();
        assert_eq!(tree, PathBuf::from("/sys/fs/cgroup/unified"));
        assert_eq!(
            Home::below(tree, "/outrigger").directory(),
            Path::new("/sys/fs/cgroup/unified/outrigger/shims")
        );
    }
}
