//! Is this file one of ours, and what does it say? Whatever was put in its place, a folder, a link, a FIFO,
//! somebody else's file, or one without an end, is refused by what it is, and nobody waits for it.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

/// Reads a regular file that belongs to the user of this process and is no longer than `longest` bytes.
///
/// # Errors
/// If it is none, or cannot be read.
pub(crate) fn read(path: &Path, longest: u64) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    let mut bytes = Vec::new();
    file.take(longest + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > longest {
        return Err(io::Error::other(format!(
            "it is longer than {longest} bytes"
        )));
    }
    Ok(bytes)
}

/// Opens a regular file that belongs to the user of this process, for reading.
///
/// # Errors
/// If it is none, or cannot be opened.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    // Opening a FIFO would wait for its writer.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let opened = File::options()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path);
    let file = opened.map_err(|error| match error.raw_os_error() {
        Some(errno) if errno == rustix::io::Errno::LOOP.raw_os_error() => {
            io::Error::other("it is a symbolic link")
        }
        _ => error,
    })?;
    match stranger(&file.metadata()?) {
        Some(what) => Err(io::Error::other(what)),
        None => Ok(file),
    }
}

/// Puts an empty file of ours at this path, whatever is there.
///
/// # Errors
/// If that cannot be done.
pub(crate) fn empty(path: &Path) -> io::Result<()> {
    if path.symlink_metadata().is_ok_and(|found| !found.is_file()) {
        outrigger_image::tree::remove(path).map_err(io::Error::other)?;
    }
    let mut options = File::options();
    options.write(true).create(true).truncate(true).mode(0o600);
    options
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)
        .map(drop)
}

/// What makes it none of our files.
fn stranger(metadata: &Metadata) -> Option<String> {
    let us = rustix::process::geteuid().as_raw();
    if !metadata.is_file() {
        return Some("it is no regular file".to_owned());
    }
    (metadata.uid() != us).then(|| format!("it belongs to user {}, not to {us}", metadata.uid()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn a_file_is_read_and_what_is_in_its_place_is_named() {
        let scratch = Scratch::new();
        let at = |name: &str| scratch.path.join(name);
        std::fs::write(at("file"), "text").unwrap();
        std::fs::create_dir(at("folder")).unwrap();
        std::os::unix::fs::symlink(at("file"), at("link")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, at("fifo"), 0o600.into()).unwrap();
        assert_eq!(read(&at("file"), 4).unwrap(), b"text");
        let refused = |name: &str, longest| read(&at(name), longest).unwrap_err().to_string();
        assert_eq!(refused("file", 3), "it is longer than 3 bytes");
        assert_eq!(refused("folder", 9), "it is no regular file");
        assert_eq!(refused("fifo", 9), "it is no regular file");
        assert_eq!(refused("link", 9), "it is a symbolic link");
        assert!(refused("absent", 9).contains("No such file"));
    }
}
