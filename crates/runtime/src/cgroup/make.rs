//! How is a group's directory made, while others make and remove the same parents?

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, mkdirat, openat};
use rustix::io::Errno;

use super::controller::Controllers;
use super::error::CgroupError;
use super::file;
use super::group::Member;
use super::layout::Tree;

/// How often a parent may vanish before we give up. Each time, another Pod was removed within
/// microseconds; a hundred in a row is something else.
const ATTEMPTS: usize = 100;

/// Makes the directory `path` and its parents in one tree, and opens it.
pub(super) fn member(tree: &Arc<Tree>, path: &str) -> Result<Member, CgroupError> {
    let failed = |errno: Errno| CgroupError::Make {
        path: tree.mount.join(path).display().to_string(),
        source: io::Error::from(errno),
    };
    let mut last = Errno::NOENT;
    for _ in 0..ATTEMPTS {
        match make(&tree.root, path) {
            Ok((dir, is_new)) => {
                return Ok(Member {
                    tree: Arc::clone(tree),
                    path: path.to_owned(),
                    dir: Arc::new(dir),
                    own: true,
                    is_new,
                });
            }
            Err(errno @ (Errno::NOENT | Errno::NODEV)) => last = errno,
            Err(errno) => return Err(failed(errno)),
        }
    }
    Err(failed(last))
}

/// Opens the directory `path` of a group that exists.
pub(super) fn open(tree: &Arc<Tree>, path: &str) -> Result<Member, CgroupError> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = openat(&tree.root, path, flags, Mode::empty()).map_err(|errno| CgroupError::Use {
        operation: "open",
        object: tree.mount.join(path).display().to_string(),
        source: errno.into(),
    })?;
    Ok(Member {
        tree: Arc::clone(tree),
        path: path.to_owned(),
        dir: Arc::new(dir),
        own: true,
        is_new: false,
    })
}

/// The directory, and whether it is new.
fn make(root: &OwnedFd, path: &str) -> Result<(OwnedFd, bool), Errno> {
    let made = match mkdir(root, path) {
        Err(Errno::NOENT) => {
            for parent in parents(path) {
                mkdir(root, parent)?;
            }
            mkdir(root, path)?
        }
        // It may have vanished between the two calls, or is in the way: opening it tells.
        result => result.unwrap_or(false),
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok((openat(root, path, flags, Mode::empty())?, made))
}

/// Whether it made a directory: there may be one.
fn mkdir(root: &OwnedFd, path: &str) -> Result<bool, Errno> {
    match mkdirat(root, path, Mode::from_raw_mode(0o755)) {
        Ok(()) => Ok(true),
        Err(Errno::EXIST) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// `a` and `a/b` of `a/b/c`.
pub(super) fn parents(path: &str) -> impl DoubleEndedIterator<Item = &str> {
    path.match_indices('/').map(|(end, _)| &path[..end])
}

/// Switches controllers on from the root of the v2 tree down to the group, and says which the group
/// has in the end.
///
/// # Errors
/// `NotFound` when a parent has vanished; the group is then to be made again from the top.
pub(super) fn enable(member: &Member, wanted: Controllers) -> io::Result<Controllers> {
    let has = |member: &Member| -> io::Result<Controllers> {
        Ok(Controllers::parse(
            &file::read(&member.dir, "cgroup.controllers")?,
            ' ',
        ))
    };
    let missing = wanted.without(has(member)?);
    if missing.is_empty() {
        return Ok(wanted);
    }
    let above = std::iter::once("").chain(parents(&member.path));
    for parent in above {
        for controller in missing.iter() {
            let name = join(parent, "cgroup.subtree_control");
            match file::write(&member.tree.root, &name, &format!("+{controller}")) {
                Ok(()) => {}
                Err(error) if vanished(&error) => return Err(io::ErrorKind::NotFound.into()),
                // A controller that this parent cannot give shows in what the group has below.
                Err(error) if matches!(error.raw_os_error(), Some(BUSY | INVAL | OPNOTSUPP)) => {}
                Err(error) => return Err(error),
            }
        }
    }
    has(member)
}

const BUSY: i32 = Errno::BUSY.raw_os_error();
const INVAL: i32 = Errno::INVAL.raw_os_error();
const OPNOTSUPP: i32 = Errno::OPNOTSUPP.raw_os_error();

/// Whether an error says that the group has been removed.
pub(super) fn vanished(error: &io::Error) -> bool {
    let errno = error.raw_os_error();
    errno == Some(Errno::NOENT.raw_os_error())
        || errno == Some(Errno::NODEV.raw_os_error())
        || error.kind() == io::ErrorKind::NotFound
}

fn join(dir: &str, name: &str) -> String {
    if dir.is_empty() {
        name.to_owned()
    } else {
        format!("{dir}/{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_come_from_the_top() {
        let all: Vec<&str> = parents("outrigger/burstable/pod1/c").collect();
        assert_eq!(
            all,
            [
                "outrigger",
                "outrigger/burstable",
                "outrigger/burstable/pod1"
            ]
        );
        assert_eq!(parents("outrigger").count(), 0);
    }
}
