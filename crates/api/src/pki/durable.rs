//! How does a file come to be whole or not at all, and readable by root only?

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::PkiError;

/// Puts a file with these contents there, 0600: beside its place first, on the disk, then by a rename.
pub(crate) fn replace(file: &Path, contents: &[u8]) -> io::Result<()> {
    let (Some(directory), Some(name)) = (file.parent(), file.file_name()) else {
        return Err(io::Error::other("the path names no file"));
    };
    let mut beside = name.to_owned();
    beside.push(".new");
    let beside = directory.join(beside);
    // What is left of a start that was cut short is in nobody's way.
    match std::fs::remove_file(&beside) {
        Err(problem) if problem.kind() != io::ErrorKind::NotFound => return Err(problem),
        _ => {}
    }
    let mut fresh = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside)?;
    fresh.write_all(contents)?;
    fresh.sync_all()?;
    std::fs::rename(&beside, file)?;
    File::open(directory)?.sync_all()
}

/// A directory that only its owner may look into.
pub(super) fn private_directory(directory: &Path) -> Result<(), PkiError> {
    let failed = |operation, source| PkiError::File {
        operation,
        path: directory.to_owned(),
        source,
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|source| failed("make the directory", source))?;
    std::fs::set_permissions(directory, Permissions::from_mode(0o700))
        .map_err(|source| failed("close the directory to others:", source))
}
