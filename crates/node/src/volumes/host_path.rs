//! Is what a `hostPath` volume names of the type that it says?

use std::fs::{DirBuilder, FileType, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1 as core;

/// Makes what is to be made, and gives the path. The messages are the kubelet's.
pub(super) fn check(source: &core::HostPathVolumeSource) -> Result<PathBuf, String> {
    let path = Path::new(&source.path);
    let wanted = source.type_.as_deref().unwrap_or_default();
    match wanted {
        "DirectoryOrCreate" => create_directory(path)?,
        "FileOrCreate" => create_file(path)?,
        _ => {}
    }
    let found = match std::fs::metadata(path) {
        Ok(found) => found.file_type(),
        // No type, no check: like the runtimes below a kubelet, make a directory.
        Err(error) if error.kind() == ErrorKind::NotFound && wanted.is_empty() => {
            create_directory(path)?;
            return Ok(path.to_owned());
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(format!(
                "hostPath type check failed: {} is not {}",
                path.display(),
                noun(wanted)
            ));
        }
        Err(error) => return Err(format!("look at {}: {error}", path.display())),
    };
    if fits(wanted, found) {
        return Ok(path.to_owned());
    }
    Err(format!(
        "hostPath type check failed: {} is not {}",
        path.display(),
        noun(wanted)
    ))
}

fn fits(wanted: &str, found: FileType) -> bool {
    match wanted {
        "Directory" | "DirectoryOrCreate" => found.is_dir(),
        "File" | "FileOrCreate" => found.is_file(),
        "Socket" => found.is_socket(),
        "CharDevice" => found.is_char_device(),
        "BlockDevice" => found.is_block_device(),
        _ => true,
    }
}

fn noun(wanted: &str) -> &'static str {
    match wanted {
        "Directory" | "DirectoryOrCreate" => "a directory",
        "Socket" => "a socket file",
        "CharDevice" => "a character device",
        "BlockDevice" => "a block device",
        _ => "a file",
    }
}

fn create_directory(path: &Path) -> Result<(), String> {
    if path.exists() {
        return Ok(());
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(path)
        .map_err(|error| format!("make directory {}: {error}", path.display()))
}

fn create_file(path: &Path) -> Result<(), String> {
    match OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(path)
    {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(format!("make file {}: {error}", path.display())),
    }
}
