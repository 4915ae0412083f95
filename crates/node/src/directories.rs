//! Where does everything of a Pod stand on the disk?

mod closing;

use std::fs::{DirBuilder, File};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use outrigger_pod::{Pod, PodUid};
use rustix::fs::{Mode, OFlags, XattrFlags, fsetxattr, getxattr};
use rustix::io::Errno;

use crate::beneath::{self, FOLDER};

/// The three directories that the program works in; all absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directories {
    /// What outlives a reboot: images, what containers write.
    pub root: PathBuf,
    /// What a reboot may take away: sockets, bundles, Secrets. It should be a tmpfs.
    pub state: PathBuf,
    /// Container logs.
    pub logs: PathBuf,
}

impl Directories {
    /// Where this machine's own seccomp profiles are, for Pods that name one.
    #[must_use]
    pub(crate) fn profiles(&self) -> PathBuf {
        self.root.join("seccomp")
    }

    /// Where shims keep the seccomp profiles that they have compiled.
    #[must_use]
    pub(crate) fn filters(&self) -> PathBuf {
        self.state.join("seccomp")
    }

    /// The directories of one Pod.
    #[must_use]
    pub(crate) fn of(&self, pod: &Pod) -> PodDirectories {
        let logs = format!("{}_{}_{}", pod.namespace, pod.name, pod.uid);
        self.of_uid(&pod.uid, self.logs.join(logs))
    }

    /// The directories of a Pod of which only the uid is known, and perhaps where its logs are.
    #[must_use]
    pub(crate) fn of_uid(&self, uid: &PodUid, logs: PathBuf) -> PodDirectories {
        PodDirectories {
            state: self.state.join("pods").join(&uid.0),
            root: self.root.join("pods").join(&uid.0),
            logs,
        }
    }
}

/// Where one Pod's things are. Every name in a path was validated when the manifest was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PodDirectories {
    /// Below `--state`, 0700.
    pub(crate) state: PathBuf,
    /// Below `--root`, 0700: containers have what is theirs by mounts, and pass through no folder above it.
    pub(crate) root: PathBuf,
    /// Below `--logs`.
    pub(crate) logs: PathBuf,
}

impl PodDirectories {
    /// The file that stands for the right to work in these directories.
    pub(crate) fn lock(&self) -> PathBuf {
        self.state.with_extension("lock")
    }

    /// The shim's socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.state.join("shim.sock")
    }

    /// The shim's exit ledger.
    pub(crate) fn ledger(&self) -> PathBuf {
        self.state.join("ledger")
    }

    /// What the shim says on stderr, which is nothing unless it fails to come up.
    pub(crate) fn shim_errors(&self) -> PathBuf {
        self.state.join("shim.stderr")
    }

    /// The directory of the files that every container of the Pod borrows. In the shim's mount namespace a
    /// tmpfs covers it, and another one [`PodDirectories::messages`].
    pub(crate) fn files(&self) -> PathBuf {
        self.state.join("files")
    }

    /// A file for every container of the Pod: `hosts`, `resolv.conf`, `hostname`.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.files().join(name)
    }

    /// The directory that all containers have as `/dev/shm`.
    pub(crate) fn shared_memory(&self) -> PathBuf {
        self.state.join("shm")
    }

    /// A ConfigMap or Secret volume: it lies in memory.
    pub(crate) fn object_volume(&self, name: &str) -> PathBuf {
        self.state.join("volumes").join(name)
    }

    /// An emptyDir.
    pub(crate) fn volume(&self, name: &str) -> PathBuf {
        self.root.join("volumes").join(name)
    }

    /// The OCI bundle of one instance.
    pub(crate) fn bundle(&self, container: &str, attempt: u32) -> PathBuf {
        self.state
            .join("bundles")
            .join(instance(container, attempt))
    }

    /// What one instance writes into its root file system.
    pub(crate) fn writable(&self, container: &str, attempt: u32) -> PathBuf {
        self.root.join("layers").join(instance(container, attempt))
    }

    /// The directory of the termination messages.
    pub(crate) fn messages(&self) -> PathBuf {
        self.root.join("termination")
    }

    /// The termination message of one instance. The file that is seen here is written by containers only
    /// where the shim is older than [`outrigger_wire::Lent`].
    pub(crate) fn termination(&self, container: &str, attempt: u32) -> PathBuf {
        self.messages().join(instance(container, attempt))
    }

    /// What holds the trees of all instances, over or not.
    pub(crate) fn all_instances(&self) -> [PathBuf; 3] {
        [
            self.state.join("bundles"),
            self.root.join("layers"),
            self.messages(),
        ]
    }

    /// Everything of one instance that goes when it is over.
    pub(crate) fn instance_trees(&self, container: &str, attempt: u32) -> [PathBuf; 3] {
        [
            self.bundle(container, attempt),
            self.writable(container, attempt),
            self.termination(container, attempt),
        ]
    }

    /// The log directory of one container.
    pub(crate) fn container_logs(&self, container: &str) -> PathBuf {
        self.logs.join(container)
    }

    /// The log of one instance.
    pub(crate) fn log(&self, container: &str, attempt: u32) -> PathBuf {
        self.container_logs(container)
            .join(format!("{attempt}.log"))
    }
}

/// Container names hold no dot, so no two instances share this name.
fn instance(container: &str, attempt: u32) -> String {
    format!("{container}.{attempt}")
}

/// Makes a directory and those above it, and sets its own permission bits whatever the umask.
///
/// # Errors
/// If it cannot be made; the message names it.
pub(crate) fn make(path: &Path, mode: u32) -> Result<(), String> {
    DirBuilder::new()
        .recursive(true)
        // Without an umask those above it would be everybody's.
        .mode(0o755)
        .create(path)
        .and_then(|()| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)))
        .map_err(|error| format!("make directory {}: {error}", path.display()))
}

/// Makes a file of ours, or empties the one that is there: nobody but root may open it, whatever the umask.
///
/// # Errors
/// If it cannot be made, or a link stands in its place.
pub(crate) fn create(path: &Path) -> std::io::Result<File> {
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed())
        .open(path)?;
    file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    Ok(file)
}

/// An extended attribute of directories that a node made and that nodes may remove when they are
/// empty: a directory that somebody else made stays, and of several nodes the last removes it.
const MADE: &str = "trusted.outrigger.made";

/// Makes a directory, and marks it and all that had to be made above it, which have the same permission bits.
///
/// # Errors
/// If it cannot be made; the message names it.
pub(crate) fn claim(path: &Path, mode: u32) -> Result<(), String> {
    claim_by(path, mode, |path| {
        rustix::fs::open(path, FOLDER.difference(OFlags::NOFOLLOW), Mode::empty())
    })
}

/// Makes a directory of logs, which everybody may look into. A container may have those above it among its volumes,
/// so that no link is followed.
///
/// # Errors
/// As [`claim`].
pub(crate) fn claim_logs(path: &Path) -> Result<(), String> {
    claim_by(path, 0o755, beneath::folder)
}

/// How a directory is opened.
type Opener = fn(&Path) -> Result<OwnedFd, Errno>;

fn claim_by(path: &Path, mode: u32, open: Opener) -> Result<(), String> {
    /// Other nodes may remove empty directories while we make ours in them.
    const TRIES: u32 = 100;
    let failed = |errno: Errno| {
        let hint = match errno {
            Errno::LOOP => ": a link stands on the way to it, which is not followed",
            _ => "",
        };
        format!("make directory {}: {errno}{hint}", path.display())
    };
    for _ in 0..TRIES {
        match claim_once(path, mode, open) {
            Err(Errno::NOENT) => {}
            claimed => return claimed.map_err(failed),
        }
    }
    Err(failed(Errno::NOENT))
}

fn claim_once(path: &Path, mode: u32, open: Opener) -> Result<(), Errno> {
    let above: Vec<&Path> = path
        .ancestors()
        .take_while(|directory| !directory.is_dir())
        .collect();
    let mode = Mode::from_raw_mode(mode);
    for directory in above.into_iter().rev() {
        let (Some(parent), Some(name)) = (directory.parent(), directory.file_name()) else {
            return Err(Errno::INVAL);
        };
        let parent = open(parent)?;
        match rustix::fs::mkdirat(&parent, name, mode) {
            Ok(()) => {
                let made = rustix::fs::openat(&parent, name, FOLDER, Mode::empty())?;
                // Whatever the umask.
                rustix::fs::fchmod(&made, mode)?;
                // Where attributes are not supported the directory stays, which harms nobody.
                let _ = fsetxattr(&made, MADE, b"", XattrFlags::empty());
            }
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno),
        }
    }
    rustix::fs::fchmod(open(path)?, mode)
}

/// Removes a directory, and those above it, as long as they are empty and nodes made them.
pub(crate) fn disclaim(path: &Path) {
    for directory in path.ancestors() {
        let ours = getxattr(directory, MADE, &mut [0_u8; 0]).is_ok();
        if !ours || std::fs::remove_dir(directory).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn what_nodes_made_goes_when_it_is_empty_and_what_others_made_stays() {
        let scratch = Scratch::new();
        let (one, other) = (scratch.path.join("a/b/one"), scratch.path.join("a/b/other"));
        claim(&one, 0o700).unwrap();
        claim(&other, 0o700).unwrap();
        if getxattr(&one, MADE, &mut [0_u8; 0]).is_err() {
            println!(
                "SKIP: no trusted attributes here, which needs root and a file system with them"
            );
            return;
        }
        disclaim(&one);
        assert!(!one.exists() && other.exists());
        std::fs::create_dir(scratch.path.join("theirs")).unwrap();
        disclaim(&scratch.path.join("theirs"));
        assert!(scratch.path.join("theirs").exists());
        disclaim(&other);
        assert!(!scratch.path.join("a").exists() && scratch.path.exists());
    }
}
