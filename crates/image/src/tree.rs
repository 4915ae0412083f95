//! How is a tree removed so that nothing outside it is ever touched?
//!
//! Everything is relative to a descriptor of the folder at hand. A folder is entered only by `openat2` with
//! `RESOLVE_NO_XDEV`, which stops at every mount point: comparing device numbers would not see a bind mount of the same
//! file system, and such a mount below a pod's folder can be the host's `/etc`. One descriptor is open at a time and the
//! walk keeps its own stack, so neither depth nor path length is a limit.

use std::ffi::{CStr, CString, OsStr};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// A tree of which something is left.
#[derive(Debug, thiserror::Error)]
#[error("{} of {} could not be removed: {}", count(leftovers.len()), tree.display(), told(leftovers))]
pub struct NotRemoved {
    /// The tree, as it was named by the caller.
    pub tree: PathBuf,
    /// Everything that stands in the way, not only the first. Folders that stay because of what is in them are not listed.
    pub leftovers: Vec<Leftover>,
}

/// One thing that was not removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// Its path below the tree; empty for the tree itself.
    pub path: PathBuf,
    /// Why it stands.
    pub why: Why,
}

/// Why something was not removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It is a mount point, and what is mounted there is not ours to delete.
    Mount,
    /// Somebody moved the folder while it was walked.
    Moved,
    /// The kernel refused.
    Kernel {
        /// The call.
        operation: &'static str,
        /// What it said.
        errno: Errno,
    },
}

/// How many leftovers a message spells out.
const TOLD: usize = 8;

fn count(leftovers: usize) -> String {
    if leftovers == 1 {
        "1 entry".to_owned()
    } else {
        format!("{leftovers} entries")
    }
}

fn told(leftovers: &[Leftover]) -> String {
    let mut lines: Vec<String> = leftovers
        .iter()
        .take(TOLD)
        .map(ToString::to_string)
        .collect();
    if leftovers.len() > TOLD {
        lines.push(format!("and {} more", leftovers.len() - TOLD));
    }
    lines.join("; ")
}

impl std::fmt::Display for Leftover {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // An empty path is the tree itself, which the message has named already.
        let path = if self.path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            &self.path
        }
        .display();
        match self.why {
            Why::Mount => write!(f, "{path} is a mount point: unmount it first"),
            Why::Moved => write!(
                f,
                "{path} was moved meanwhile: stop what uses it and try again"
            ),
            Why::Kernel { operation, errno } => write!(f, "{operation} {path}: {errno}"),
        }
    }
}

/// Removes `path` with everything below it. The folder that holds it is resolved by name and must be ours; `path`'s last
/// component is not followed. Nothing there is no error.
pub fn remove(path: &Path) -> Result<(), NotRemoved> {
    let outright = |operation, errno| NotRemoved {
        tree: path.to_owned(),
        leftovers: vec![Leftover {
            path: PathBuf::new(),
            why: Why::Kernel { operation, errno },
        }],
    };
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(outright("name the parent of", Errno::INVAL));
    };
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    match rustix::fs::open(folder, FOLDER, Mode::empty()) {
        Ok(folder) => remove_at(&folder, name).map_err(|error| NotRemoved {
            tree: path.to_owned(),
            ..error
        }),
        Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(outright("open the parent of", errno)),
    }
}

/// Removes `name` in `folder` with everything below it. `name` is one component. Nothing there is no error.
pub fn remove_at(folder: impl AsFd, name: &OsStr) -> Result<(), NotRemoved> {
    let mut walk = Walk {
        stack: Vec::new(),
        leftovers: Vec::new(),
    };
    match CString::new(name.as_bytes()) {
        Ok(c_name) if is_component(name) => walk.run(folder.as_fd(), &c_name),
        _ => walk.leave(
            None,
            Why::Kernel {
                operation: "name",
                errno: Errno::INVAL,
            },
        ),
    }
    if walk.leftovers.is_empty() {
        Ok(())
    } else {
        Err(NotRemoved {
            tree: PathBuf::from(name),
            leftovers: walk.leftovers,
        })
    }
}

fn is_component(name: &OsStr) -> bool {
    !name.is_empty() && name != "." && name != ".." && !name.as_bytes().contains(&b'/')
}

const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// One folder on the way down.
struct Frame {
    name: CString,
    /// Which folder it is, to know it again when `..` leads back to it.
    identity: (u64, u64),
    folders_left: Vec<CString>,
    /// Something below stays, so the folder itself must.
    blocked: bool,
}

struct Walk {
    stack: Vec<Frame>,
    leftovers: Vec<Leftover>,
}

impl Walk {
    fn run(&mut self, parent: rustix::fd::BorrowedFd<'_>, name: &CStr) {
        let Some(mut here) = self.enter(parent, name) else {
            return;
        };
        while let Some(frame) = self.stack.last_mut() {
            if let Some(next) = frame.folders_left.pop() {
                if let Some(below) = self.enter(here.as_fd(), &next) {
                    here = below;
                } else if let Some(frame) = self.stack.last_mut() {
                    frame.blocked |= exists(&here, &next);
                }
                continue;
            }
            let Some(done) = self.stack.pop() else { return };
            let Some(above) = self.stack.last() else {
                self.remove_folder(parent, &done);
                return;
            };
            match climb(&here, above.identity) {
                Ok(up) => here = up,
                Err(why) => {
                    // Without the way back nothing more can be done safely.
                    self.stack.push(done);
                    return self.leave(None, why);
                }
            }
            let stays = !self.remove_folder(here.as_fd(), &done);
            if let Some(above) = self.stack.last_mut() {
                above.blocked |= stays;
            }
        }
    }

    /// Removes `name` if it is no folder; else opens it, removes the files in it and pushes it. `None`: nothing to walk.
    fn enter(&mut self, parent: rustix::fd::BorrowedFd<'_>, name: &CStr) -> Option<OwnedFd> {
        match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => return None,
            // EPERM is what some file systems say of a folder; the open below finds out.
            Err(Errno::ISDIR | Errno::PERM | Errno::BUSY) => {}
            Err(errno) => {
                self.leave(
                    Some(name),
                    Why::Kernel {
                        operation: "unlink",
                        errno,
                    },
                );
                return None;
            }
        }
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS;
        let opened = rustix::fs::openat2(parent, name, FOLDER, Mode::empty(), resolve);
        let listed = match opened {
            Ok(folder) => list(&folder).map(|(identity, names)| (folder, identity, names)),
            Err(errno) => Err(("open", errno)),
        };
        let (folder, identity, names) = match listed {
            Ok(listed) => listed,
            Err((_, Errno::NOENT)) => return None,
            Err((_, Errno::XDEV)) => {
                self.leave(Some(name), Why::Mount);
                return None;
            }
            // Not a folder after all: the unlink above failed for another reason, a mount on a file or an immutable one.
            Err((_, Errno::NOTDIR | Errno::LOOP)) => {
                self.leave_file(parent, name);
                return None;
            }
            Err((operation, errno)) => {
                self.leave(Some(name), Why::Kernel { operation, errno });
                return None;
            }
        };
        self.stack.push(Frame {
            name: name.to_owned(),
            identity,
            folders_left: Vec::new(),
            blocked: false,
        });
        for (name, kind) in names {
            self.unlink_or_keep(&folder, name, kind);
        }
        Some(folder)
    }

    fn unlink_or_keep(&mut self, folder: &OwnedFd, name: CString, kind: FileType) {
        let is_folder = kind == FileType::Directory
            || match rustix::fs::unlinkat(folder, &name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => false,
                // Told again, with its reason, when the walk comes to it.
                Err(_) => true,
            };
        if is_folder && let Some(frame) = self.stack.last_mut() {
            frame.folders_left.push(name);
        }
    }

    fn leave_file(&mut self, parent: rustix::fd::BorrowedFd<'_>, name: &CStr) {
        let why = match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => return,
            Err(Errno::BUSY) => Why::Mount,
            Err(errno) => Why::Kernel {
                operation: "unlink",
                errno,
            },
        };
        self.leave(Some(name), why);
    }

    /// Whether the emptied folder is gone.
    fn remove_folder(&mut self, parent: rustix::fd::BorrowedFd<'_>, done: &Frame) -> bool {
        if done.blocked {
            return false;
        }
        match rustix::fs::unlinkat(parent, &done.name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => true,
            Err(errno) => {
                let why = if errno == Errno::BUSY {
                    Why::Mount
                } else {
                    Why::Kernel {
                        operation: "rmdir",
                        errno,
                    }
                };
                self.leave(Some(&done.name), why);
                false
            }
        }
    }

    fn leave(&mut self, name: Option<&CStr>, why: Why) {
        // The first frame is the tree itself, which the error names already.
        let above = self.stack.iter().skip(1).map(|frame| frame.name.as_c_str());
        let inside = !self.stack.is_empty();
        let path = above
            .chain(name.filter(|_| inside))
            .map(|name| OsStr::from_bytes(name.to_bytes()))
            .collect();
        self.leftovers.push(Leftover { path, why });
    }
}

fn exists(folder: &OwnedFd, name: &CStr) -> bool {
    rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).is_ok()
}

type Listing = ((u64, u64), Vec<(CString, FileType)>);

/// All names are read before any is removed: a folder that changes under its reader may skip some.
fn list(folder: &OwnedFd) -> Result<Listing, (&'static str, Errno)> {
    let stat = rustix::fs::fstat(folder).map_err(|errno| ("stat", errno))?;
    let mut names = Vec::new();
    for entry in Dir::read_from(folder).map_err(|errno| ("read", errno))? {
        let entry = entry.map_err(|errno| ("read", errno))?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push((entry.file_name().to_owned(), entry.file_type()));
        }
    }
    Ok(((stat.st_dev, stat.st_ino), names))
}

/// Opens the folder above, and makes sure that it is the one we came from.
fn climb(here: &OwnedFd, expected: (u64, u64)) -> Result<OwnedFd, Why> {
    let resolve = ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS;
    let up = match rustix::fs::openat2(here, "..", FOLDER, Mode::empty(), resolve) {
        Ok(up) => up,
        Err(Errno::XDEV) => return Err(Why::Moved),
        Err(errno) => {
            return Err(Why::Kernel {
                operation: "leave",
                errno,
            });
        }
    };
    let stat = rustix::fs::fstat(&up).map_err(|errno| Why::Kernel {
        operation: "stat",
        errno,
    })?;
    if (stat.st_dev, stat.st_ino) == expected {
        Ok(up)
    } else {
        Err(Why::Moved)
    }
}

#[cfg(test)]
mod tests;
