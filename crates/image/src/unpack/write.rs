//! How do files, links and pipes come into a folder that is already open?

use std::io::{Read, Write};
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;

use super::{metadata, wrote};
use crate::error::UnpackError;
use crate::tarball::{Entry, shown};

const BUFFER_BYTES: usize = 128 << 10;

/// Makes the file and copies its content; nothing may stand at its name.
pub(super) fn file(
    parent: &OwnedFd,
    name: &[u8],
    entry: &Entry,
    content: &mut dyn Read,
) -> Result<(), UnpackError> {
    let failed = |operation| move |errno: Errno| wrote(operation, entry, errno);
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let made = rustix::fs::openat(parent, name, flags, Mode::from_raw_mode(0o600))
        .map_err(failed("create"))?;
    let mut made = std::fs::File::from(made);
    let size = usize::try_from(entry.size_bytes).unwrap_or(usize::MAX);
    let mut buffer = vec![0; size.min(BUFFER_BYTES)];
    let mut left = entry.size_bytes;
    while left > 0 {
        let count = content
            .read(&mut buffer)
            .map_err(UnpackError::from_stream)?;
        if count == 0 {
            return Err(UnpackError::Stream(
                std::io::ErrorKind::UnexpectedEof.into(),
            ));
        }
        made.write_all(&buffer[..count])
            .map_err(|source| UnpackError::Write {
                operation: "write",
                entry: shown(&entry.name),
                source,
            })?;
        left = left.saturating_sub(count as u64);
    }
    let made = OwnedFd::from(made);
    metadata::describe(&made, entry)?;
    rustix::fs::futimens(&made, &metadata::times(entry.mtime)).map_err(failed("set the time of"))
}

/// Makes the link. Its target is only text here; whoever follows it does so inside a root.
pub(super) fn symlink(parent: &OwnedFd, name: &[u8], entry: &Entry) -> Result<(), UnpackError> {
    let failed = |operation| move |errno: Errno| wrote(operation, entry, errno);
    rustix::fs::symlinkat(entry.link.as_slice(), parent, name).map_err(failed("make the link"))?;
    let (uid, gid) = (Uid::from_raw(entry.uid), Gid::from_raw(entry.gid));
    rustix::fs::chownat(
        parent,
        name,
        Some(uid),
        Some(gid),
        AtFlags::SYMLINK_NOFOLLOW,
    )
    .map_err(failed("set the owner of"))?;
    rustix::fs::utimensat(
        parent,
        name,
        &metadata::times(entry.mtime),
        AtFlags::SYMLINK_NOFOLLOW,
    )
    .map_err(failed("set the time of"))
}

/// Makes the named pipe.
pub(super) fn fifo(parent: &OwnedFd, name: &[u8], entry: &Entry) -> Result<(), UnpackError> {
    let failed = |operation| move |errno: Errno| wrote(operation, entry, errno);
    rustix::fs::mknodat(parent, name, FileType::Fifo, Mode::from_raw_mode(0o600), 0)
        .map_err(failed("make the pipe"))?;
    // Opened for both directions a pipe blocks nobody.
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let made = rustix::fs::openat(parent, name, flags, Mode::empty()).map_err(failed("open"))?;
    metadata::describe(&made, entry)?;
    rustix::fs::futimens(&made, &metadata::times(entry.mtime)).map_err(failed("set the time of"))
}
