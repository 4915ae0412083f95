//! Who can see what is ours? Root alone. The two top directories are closed to everybody else, so that what
//! must have other permission bits below them (layers, volumes, a Pod's hosts file) is reached by a mount only.
//!
//! Earlier versions left the top directories open, and locks and records that anybody could read, and so lock.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Dir, Mode, OFlags, openat};
use rustix::io::Errno;

use super::{Directories, make};

/// What belongs to the machine and must stay open to all, however it came to be named for ours.
const SHARED: [&str; 24] = [
    "/",
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/home",
    "/lib",
    "/lib64",
    "/media",
    "/mnt",
    "/opt",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/srv",
    "/sys",
    "/tmp",
    "/usr",
    "/var",
    "/var/cache",
    "/var/lib",
    "/var/log",
    "/var/tmp",
];
const STICKY: u32 = 0o1000;
const OTHERS: u32 = 0o077;

impl Directories {
    /// As [`Directories::close`], and makes the top directories.
    ///
    /// # Errors
    /// As there, or if they cannot be made.
    pub(crate) fn make(&mut self) -> Result<(), String> {
        self.close()?;
        make(&self.root, 0o700)?;
        make(&self.state, 0o700)
    }

    /// Closes the top directories, as far as they are there, to everybody but root. What an earlier version left open
    /// in them is closed first: whoever is killed on the way finds a top directory open, and begins again. It comes
    /// before anything is done in any of the directories.
    ///
    /// # Errors
    /// If one of them is everybody's, or cannot be closed.
    pub(crate) fn close(&mut self) -> Result<(), String> {
        self.settle_logs();
        close_top(&self.root, "--root", &["", "lives"])?;
        close_top(&self.state, "--state", &["pods"])
    }

    /// Finds out where the logs really are: their directory may be a link that the machine's owner made. What becomes
    /// a link later may be a container's work, and is not followed.
    fn settle_logs(&mut self) {
        for above in self.logs.ancestors() {
            let below = self.logs.strip_prefix(above);
            if let (Ok(real), Ok(below)) = (above.canonicalize(), below) {
                self.logs = match below.as_os_str().is_empty() {
                    true => real,
                    false => real.join(below),
                };
                return;
            }
        }
    }
}

fn close_top(top: &Path, option: &str, with_files: &[&str]) -> Result<(), String> {
    let failed = |error: io::Error| format!("close {} to others: {error}", top.display());
    let opened = match File::open(top) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened.map_err(failed)?,
    };
    let found = opened.metadata().map_err(failed)?;
    let real = top.canonicalize().map_err(failed)?;
    if SHARED.iter().any(|shared| real == Path::new(shared)) || found.mode() & STICKY != 0 {
        return Err(format!(
            "{} belongs to the whole machine and would be closed to everybody but root: \
             choose a directory of its own with {option}",
            top.display()
        ));
    }
    // What is no directory is told by whoever wants to work in it.
    if !found.is_dir() || found.mode() & OTHERS == 0 {
        return Ok(());
    }
    for below in with_files {
        close_files(&opened, below).map_err(|(path, errno)| {
            failed(io::Error::other(format!("{}: {errno}", path.display())))
        })?;
    }
    let closed = opened.set_permissions(PermissionsExt::from_mode(0o700));
    closed.map_err(failed)
}

/// Closes the files that stand in a directory below `top`. Links are none of ours, nor is what another user owns.
fn close_files(top: &File, below: &str) -> Result<(), (PathBuf, Errno)> {
    let at = |errno| (PathBuf::from(below), errno);
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let name = if below.is_empty() { "." } else { below };
    let folder = match openat(top, name, flags | OFlags::DIRECTORY, Mode::empty()) {
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(()),
        opened => opened.map_err(at)?,
    };
    for entry in Dir::read_from(&folder).map_err(at)? {
        let entry = entry.map_err(at)?;
        if !entry.file_type().is_file() {
            continue;
        }
        let file = match openat(&folder, entry.file_name(), flags, Mode::empty()) {
            // It has just gone, or is no file any more.
            Err(Errno::NOENT | Errno::LOOP) => continue,
            opened => File::from(opened.map_err(at)?),
        };
        if file.metadata().is_ok_and(|found| is_open_and_ours(&found)) {
            rustix::fs::fchmod(&file, Mode::from_raw_mode(0o600)).map_err(at)?;
        }
    }
    Ok(())
}

fn is_open_and_ours(found: &Metadata) -> bool {
    let own = found.uid() == rustix::process::geteuid().as_raw();
    // The records have a second name when they are made anew.
    own && found.is_file() && found.nlink() <= 2 && found.mode() & OTHERS != 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn what_was_left_open_is_closed_and_what_is_not_ours_is_not_touched() {
        let scratch = Scratch::new();
        let at = |path: &str| scratch.path.join(path);
        let set = |path: &str, mode| {
            std::fs::set_permissions(at(path), PermissionsExt::from_mode(mode)).unwrap();
        };
        std::fs::create_dir_all(at("root/lives")).unwrap();
        std::fs::create_dir_all(at("state/pods/uid")).unwrap();
        std::fs::write(at("theirs"), "").unwrap();
        set("theirs", 0o644);
        let ours = [
            "root/daemon.lock",
            "root/lives/uid.jsonl",
            "state/pods/uid.lock",
        ];
        for file in ours {
            std::fs::write(at(file), "").unwrap();
            set(file, 0o644);
        }
        std::os::unix::fs::symlink(at("theirs"), at("root/lives/link.jsonl")).unwrap();
        set("root", 0o711);
        set("state", 0o755);
        let mut directories = Directories {
            root: at("root"),
            state: at("state"),
            logs: at("logs"),
        };
        directories.close().unwrap();
        for folder in ["root", "state"] {
            assert_eq!(mode(&at(folder)), 0o700, "{folder}");
        }
        for file in ours {
            assert_eq!(mode(&at(file)), 0o600, "{file}");
        }
        assert_eq!(mode(&at("theirs")), 0o644);
        // One that everybody works in is refused, and is as it was.
        set("state", 0o1777);
        let refused = directories.close().unwrap_err();
        assert!(refused.contains("--state"), "{refused}");
        assert_eq!(mode(&at("state")), 0o1777);
    }
}
