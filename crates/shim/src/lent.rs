//! Which files does a Pod lend to its containers, and how much may they write there?
//!
//! `/etc/hosts` and the like, and the file of a container's termination message, are the containers' to
//! write and ours to keep. All of a Pod's lie on two small tmpfs, so that the machine's disk is not theirs to
//! fill, and who fills the shared files keeps nobody from a last word.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use outrigger_runtime::pod;
use outrigger_wire::{Lent, Refusal};
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::refusal::failed;

/// Far more files than a Pod has containers. Extended attributes count, too: a kibibyte as a file.
const INODES: u64 = 512;
/// How much of a termination message counts: its end.
const MESSAGE_BYTES: u64 = 4096;

/// Moves the files to a tmpfs that covers them, and covers the directory of messages with another, in this
/// process' mount namespace; tells what it has mounted, also if it fails.
pub(crate) fn lend(lent: &Lent, mounted: &mut Vec<PathBuf>) -> Result<(), Refusal> {
    let files = files_of(&lent.files).map_err(cannot("read the files in", &lent.files))?;
    for directory in [&lent.files, &lent.messages] {
        pod::mount_tmpfs(directory, Some(lent.size_bytes), Some(INODES), 0o700, None)
            .map_err(|error| failed(&error))?;
        mounted.push(directory.clone());
    }
    for (name, mode, content) in files {
        let path = lent.files.join(name);
        write(&path, mode, &content).map_err(cannot("write", &path))?;
    }
    Ok(())
}

/// Makes the file of a termination message, empty and for everybody to write.
pub(crate) fn make(path: &Path) -> Result<(), Refusal> {
    let made = match try_make(path) {
        // Not even an empty file fits when attributes of the others have taken all room.
        Err(error) if error.raw_os_error() == Some(Errno::NOSPC.raw_os_error()) => {
            path.parent().into_iter().for_each(strip);
            try_make(path)
        }
        made => made,
    };
    made.map_err(cannot("make the termination message", path))
}

fn try_make(path: &Path) -> io::Result<()> {
    remove(path)?;
    write(path, 0o666, b"")
}

/// What an ended container has left as its message; its file goes. What cannot be read is no message.
pub(crate) fn take(path: &Path) -> String {
    let message = read(path).unwrap_or_default();
    // It goes with the tmpfs at the latest.
    remove(path).ok();
    String::from_utf8_lossy(&message).into_owned()
}

/// Removes the file of a container that has not come to be.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The regular files of a directory: name, permission bits, content.
fn files_of(directory: &Path) -> io::Result<Vec<(std::ffi::OsString, u32, Vec<u8>)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let kind = entry.metadata()?;
        if kind.is_file() {
            files.push((entry.file_name(), kind.mode(), fs::read(entry.path())?));
        }
    }
    Ok(files)
}

/// Writes a new file with these permission bits, whatever the umask.
fn write(path: &Path, mode: u32, content: &[u8]) -> io::Result<()> {
    let mut file = File::options().write(true).create_new(true).open(path)?;
    file.write_all(content)?;
    file.set_permissions(fs::Permissions::from_mode(mode & 0o777))
}

/// The last bytes of a regular file. No link is followed and nothing is waited for.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mut file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    file.seek(SeekFrom::Start(
        metadata.len().saturating_sub(MESSAGE_BYTES),
    ))?;
    let mut bytes = Vec::new();
    file.take(MESSAGE_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Takes the extended attributes away that containers have given to files. What cannot be taken away stays,
/// and the next try to make a file tells.
fn strip(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        strip_file(&entry.path()).ok();
    }
}

fn strip_file(path: &Path) -> Result<(), Errno> {
    let mut names = vec![0_u8; 64 << 10];
    let length = rustix::fs::llistxattr(path, &mut names[..])?;
    for name in names[..length].split(|byte| *byte == 0) {
        if !name.is_empty() {
            rustix::fs::lremovexattr(path, name)?;
        }
    }
    Ok(())
}

/// A lent file that is not to be had.
#[derive(Debug, thiserror::Error)]
#[error("{operation} {}", .path.display())]
struct LentError {
    operation: &'static str,
    path: PathBuf,
    source: io::Error,
}

fn cannot(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Refusal {
    let path = path.to_owned();
    move |source| {
        failed(&LentError {
            operation,
            path,
            source,
        })
    }
}
