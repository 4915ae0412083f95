//! How is something reached where a container may have changed the names? By descriptors: no link is followed on the
//! way, and what is opened at its end is a plain file that has no other name. A pipe there is not waited for, a
//! device not touched, and another file, to which a link or a second name leads, not shown.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags, fstat, openat, openat2, statat,
};
use rustix::io::Errno;

/// How folders are opened.
pub(crate) const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// Opens a folder on whose path no link stands.
///
/// # Errors
/// `ELOOP` where one does, and those of opening.
pub(crate) fn folder(path: &Path) -> Result<OwnedFd, Errno> {
    // With NOFOLLOW a link at the end would be told as something that is no folder.
    let flags = FOLDER.difference(OFlags::NOFOLLOW);
    loop {
        match openat2(CWD, path, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS) {
            // Somewhere a folder was renamed meanwhile; the kernel asks for another try.
            Err(Errno::AGAIN | Errno::INTR) => {}
            opened => return opened,
        }
    }
}

/// Opens a folder whose last name is no link; those above it are ours alone.
///
/// # Errors
/// Those of opening.
pub(crate) fn open(path: &Path) -> Result<OwnedFd, Errno> {
    rustix::fs::open(path, FOLDER, Mode::empty())
}

/// Opens a plain file to read it.
///
/// # Errors
/// Those of opening, and if something else stands there.
pub(crate) fn file_at(folder: impl AsFd, name: &Path) -> io::Result<File> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    // Whatever it is, this touches only its name.
    let found = openat(folder, name, flags, Mode::empty())?;
    let stat = fstat(&found)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile || stat.st_nlink > 1 {
        return Err(io::Error::other("it is not a plain file with one name"));
    }
    File::open(by_descriptor(&found))
}

/// Opens a plain file to read it, by its path.
///
/// # Errors
/// As [`folder`] and [`file_at`].
pub(crate) fn file(path: &Path) -> io::Result<File> {
    let (Some(above), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Errno::INVAL.into());
    };
    file_at(folder(above)?, Path::new(name))
}

/// What the kernel calls an open file or folder: for calls that want a path.
pub(crate) fn by_descriptor(open: impl AsFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", open.as_fd().as_raw_fd()))
}

/// The names in a folder, as far as they are text.
pub(crate) fn names(folder: BorrowedFd<'_>) -> Vec<String> {
    let entries = Dir::read_from(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| Some(entry.file_name().to_str().ok()?.to_owned()));
    names.filter(|name| name != "." && name != "..").collect()
}

/// The number of the file with this name.
pub(crate) fn inode(folder: impl AsFd, name: &str) -> Option<u64> {
    let found = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    Some(found.st_ino)
}

/// The number of an open file, and whether it has lost its name.
pub(crate) fn number(file: &File) -> io::Result<(u64, bool)> {
    let found = file.metadata()?;
    Ok((found.ino(), found.nlink() == 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn only_a_plain_file_with_one_name_is_opened_and_by_no_link() {
        let scratch = Scratch::new();
        let at = |path: &str| scratch.path.join(path);
        std::fs::create_dir(at("folder")).unwrap();
        std::fs::write(at("folder/plain"), "text").unwrap();
        std::fs::write(at("secret"), "secret").unwrap();
        std::os::unix::fs::symlink(at("folder"), at("link")).unwrap();
        std::os::unix::fs::symlink(at("secret"), at("folder/link")).unwrap();
        std::fs::hard_link(at("secret"), at("folder/second")).unwrap();
        let pipe = at("folder/pipe");
        rustix::fs::mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        assert!(file(&at("folder/plain")).is_ok());
        for other in [
            "link/plain",
            "folder/link",
            "folder/second",
            "folder/pipe",
            "folder",
        ] {
            assert!(file(&at(other)).is_err(), "{other}");
        }
    }
}
