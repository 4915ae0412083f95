//! How does a file's content change so that a crash leaves either the old or the new one?

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{Mode, OFlags};

/// A file that could not be replaced. The old content still stands.
#[derive(Debug, thiserror::Error)]
#[error("{operation} {}", path.display())]
pub struct ReplaceError {
    /// What was being done: `create`, `write`, `sync`, `rename`.
    pub operation: &'static str,
    /// The file it was done to.
    pub path: PathBuf,
    /// What the kernel said.
    #[source]
    pub source: std::io::Error,
}

/// Two threads of one process must not share a temporary name.
static SEQUENCE: AtomicU64 = AtomicU64::new(0);

/// Replaces `path` by `bytes`, readable by its owner alone, and returns when that is durable.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), ReplaceError> {
    replace_with_mode(path, bytes, 0o600)
}

/// Replaces `path` by `bytes` with the permission bits `mode`: write, fsync, rename, fsync of the folder.
///
/// `path` must lie in a folder that only this program writes to: its name is resolved.
pub fn replace_with_mode(path: &Path, bytes: &[u8], mode: u32) -> Result<(), ReplaceError> {
    let failed = |operation, path: &Path, source: std::io::Error| ReplaceError {
        operation,
        path: path.to_owned(),
        source,
    };
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let draft = draft_name(path);
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    // The kernel clears what the umask forbids, therefore the mode is set again on the descriptor.
    let file = rustix::fs::open(&draft, flags, Mode::from_raw_mode(mode))
        .map_err(|errno| failed("create", &draft, errno.into()))?;
    let mut file = std::fs::File::from(file);
    let written = rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))
        .map_err(|errno| failed("set the mode of", &draft, errno.into()))
        .and_then(|()| {
            file.write_all(bytes)
                .map_err(|source| failed("write", &draft, source))
        })
        .and_then(|()| {
            file.sync_all()
                .map_err(|source| failed("sync", &draft, source))
        })
        .and_then(|()| {
            std::fs::rename(&draft, path)
                .map_err(|source| failed("rename a draft to", path, source))
        });
    if let Err(error) = written {
        // The first error is the one to tell; a draft that stays behind is only a file that nobody reads.
        let _ = std::fs::remove_file(&draft);
        return Err(error);
    }
    sync_folder(folder).map_err(|source| failed("sync", folder, source))
}

/// Makes the names in a folder durable.
pub fn sync_folder(folder: &Path) -> std::io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = rustix::fs::open(folder, flags, Mode::empty())?;
    rustix::fs::fsync(&folder)?;
    Ok(())
}

fn draft_name(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(
        ".{}-{}.draft",
        std::process::id(),
        SEQUENCE.fetch_add(1, Ordering::Relaxed)
    ));
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_replaced_file_has_the_new_content_the_mode_and_no_draft_beside_it() {
        let folder = crate::testing::Folder::new("durable");
        let path = folder.path().join("state");
        replace(&path, b"old").unwrap();
        replace_with_mode(&path, b"new", 0o644).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(
            path.metadata().unwrap().permissions().mode() & 0o7777,
            0o644
        );
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_failed_replacement_names_the_operation_and_leaves_the_old_content() {
        let folder = crate::testing::Folder::new("durable-fails");
        let path = folder.path().join("state");
        std::fs::create_dir_all(path.join("full")).unwrap();
        let error = replace(&path, b"new").unwrap_err();
        assert_eq!(error.operation, "rename a draft to");
        assert!(path.join("full").is_dir());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
