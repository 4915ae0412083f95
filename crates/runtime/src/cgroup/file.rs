//! How are the small files of a group read and written below its descriptor?

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{Dir, FileType, Mode, OFlags, fstat, openat};
use rustix::io::{Errno, read as read_some, write as write_some};

/// Reads a whole file.
pub(super) fn read(dir: impl AsFd, name: &str) -> io::Result<String> {
    let file = openat(dir, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut bytes = Vec::new();
    let mut buffer = [0_u8; 4096];
    loop {
        let count = read_some(&file, &mut buffer)?;
        if count == 0 {
            break;
        }
        bytes.extend_from_slice(&buffer[..count]);
    }
    String::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// Writes a value in one call, which is what these files need.
pub(super) fn write(dir: impl AsFd, name: &str, value: &str) -> io::Result<()> {
    let file = openat(dir, name, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    write_some(&file, value.as_bytes())?;
    Ok(())
}

/// The number in a file that holds just one; `max` is none.
pub(super) fn number(dir: impl AsFd, name: &str) -> Option<u64> {
    read(dir, name).ok()?.trim().parse().ok()
}

/// The number after a key, in a file of keys and numbers.
pub(super) fn keyed(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        line.strip_prefix(key)?
            .strip_prefix(' ')?
            .trim()
            .parse()
            .ok()
    })
}

/// The groups below a directory as paths relative to it, each before the one that holds it.
pub(super) fn groups_below(dir: impl AsFd) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    collect(dir.as_fd(), "", &mut found)?;
    Ok(found)
}

fn collect(top: BorrowedFd<'_>, path: &str, found: &mut Vec<String>) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = match openat(
        top,
        if path.is_empty() { "." } else { path },
        flags,
        Mode::empty(),
    ) {
        Ok(dir) => dir,
        // It was removed meanwhile.
        Err(Errno::NOENT | Errno::NODEV) => return Ok(()),
        Err(errno) => return Err(errno.into()),
    };
    // Two links and one for each group below: most groups have none, and need no listing.
    if fstat(&dir)?.st_nlink == 2 {
        return Ok(());
    }
    for entry in Dir::read_from(&dir)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy();
        if entry.file_type() != FileType::Directory || name == "." || name == ".." {
            continue;
        }
        let below = if path.is_empty() {
            name.into_owned()
        } else {
            format!("{path}/{name}")
        };
        collect(top, &below, found)?;
        found.push(below);
    }
    Ok(())
}
