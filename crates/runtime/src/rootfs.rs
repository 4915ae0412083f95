//! How do read-only layers and a place to write become a root file system?

use std::ffi::{CString, OsStr};
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use outrigger_sys::Errno;
use rustix::fs::CWD;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, UnmountFlags, fsconfig_create,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, move_mount, unmount as unmount_path,
};

/// An overlay that cannot be made or given back.
#[derive(Debug, thiserror::Error)]
pub enum OverlayError {
    /// A step failed.
    #[error("cannot {operation} {}", object.display())]
    Step {
        /// What was tried.
        operation: &'static str,
        /// With what.
        object: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// There is nothing to lay over.
    #[error("a root file system needs at least one layer")]
    NoLayer,
    /// A path that the mount call cannot carry.
    #[error("the path {} has a nul byte, or needs a kernel of version 6.5 for its colon or comma", .0.display())]
    Path(PathBuf),
}

/// A mounted overlay that is attached nowhere. The kernel takes it apart when this value is
/// dropped and no container uses it any more; there is nothing to unmount.
#[derive(Debug)]
pub struct Overlay {
    mount: OwnedFd,
}

impl AsFd for Overlay {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.mount.as_fd()
    }
}

impl Overlay {
    /// Attaches it at a directory of this process' mount namespace, where [`unmount`] takes it
    /// away again.
    ///
    /// # Errors
    /// Those of `move_mount`.
    pub fn attach(self, target: &Path) -> Result<(), OverlayError> {
        attach(&self.mount, target).map_err(step("attach the overlay at", target))
    }
}

/// Lays the directories `lower`, the uppermost first, over each other, and on top a place to write
/// in `writable`, where `upper` and `work` are made. The mount has `nodev`, and its writes are not
/// synced: what a container writes outside its volumes is gone with it.
///
/// If the file system at `writable` cannot carry an upper layer, a tmpfs takes its place, which
/// only the overlay holds.
///
/// # Errors
/// When a directory is missing, or the kernel refuses the overlay.
pub fn mount_overlay(lower: &[PathBuf], writable: &Path) -> Result<Overlay, OverlayError> {
    if lower.is_empty() {
        return Err(OverlayError::NoLayer);
    }
    make_layers(writable)?;
    match try_overlay(lower, writable) {
        Err(OverlayError::Step { source, .. }) if refuses_upper(&source) => {}
        result => return result,
    }
    let tmpfs = new_tmpfs(&[("mode", "0755")]).map_err(step("make a tmpfs for", writable))?;
    attach(&tmpfs, writable).map_err(step("attach a tmpfs at", writable))?;
    let overlay = make_layers(writable).and_then(|()| try_overlay(lower, writable));
    let detached = unmount(writable);
    let overlay = overlay?;
    detached?;
    Ok(overlay)
}

/// Takes a mount away from `target`, and leaves its file system to whoever still uses it. The
/// path's last component must be no link.
///
/// # Errors
/// Those of `umount2`.
pub fn unmount(target: &Path) -> Result<(), OverlayError> {
    unmount_path(target, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW)
        .map_err(step("unmount", target))
}

/// A tmpfs that is attached nowhere.
pub(crate) fn new_tmpfs(options: &[(&str, &str)]) -> Result<OwnedFd, Errno> {
    let context = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (key, value) in options {
        fsconfig_set_string(&context, *key, *value)?;
    }
    fsconfig_create(&context)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

/// Attaches a detached mount at a path.
pub(crate) fn attach(mount: &OwnedFd, target: &Path) -> Result<(), Errno> {
    move_mount(
        mount,
        c"",
        CWD,
        target,
        MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
    )
}

fn step<'a>(
    operation: &'static str,
    object: &'a Path,
) -> impl FnOnce(Errno) -> OverlayError + use<'a> {
    move |errno| OverlayError::Step {
        operation,
        object: object.to_owned(),
        source: errno.into(),
    }
}

/// What kernels say of a file system without whiteouts, of one that is read-only, and of an
/// overlay.
fn refuses_upper(source: &io::Error) -> bool {
    let errno = source.raw_os_error().map(Errno::from_raw_os_error);
    matches!(
        errno,
        Some(Errno::INVAL | Errno::ROFS | Errno::OPNOTSUPP | Errno::NODEV)
    )
}

fn make_layers(writable: &Path) -> Result<(), OverlayError> {
    for (name, mode) in [("upper", 0o755), ("work", 0o700)] {
        let path = writable.join(name);
        match fs::DirBuilder::new().mode(mode).create(&path) {
            Err(source) if source.kind() == io::ErrorKind::ReadOnlyFilesystem => {}
            Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
                return Err(OverlayError::Step {
                    operation: "make the directory",
                    object: path,
                    source,
                });
            }
            _ => {}
        }
    }
    Ok(())
}

/// Layer by layer, which kernels can since 6.5, else with all layers in one text. A kernel without
/// the first says so only when all is said.
fn try_overlay(lower: &[PathBuf], writable: &Path) -> Result<Overlay, OverlayError> {
    match overlay(lower, writable, add_layers) {
        Err(OverlayError::Step { source, .. })
            if source.raw_os_error() == Some(Errno::INVAL.raw_os_error()) =>
        {
            overlay(lower, writable, add_joined)
        }
        result => result,
    }
}

fn overlay(
    lower: &[PathBuf],
    writable: &Path,
    add_lower: fn(&OwnedFd, &[PathBuf]) -> Result<(), OverlayError>,
) -> Result<Overlay, OverlayError> {
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)
        .map_err(step("open the file system overlay for", writable))?;
    add_lower(&context, lower)?;
    let (upper, work) = (writable.join("upper"), writable.join("work"));
    for (key, path) in [("upperdir", &upper), ("workdir", &work)] {
        let path = c_path(path)?;
        fsconfig_set_string(&context, key, &path)
            .map_err(step("set an overlay's layer", writable))?;
    }
    // Since 5.10. Nothing is lost: what a container writes outside its volumes ends with it.
    fsconfig_set_flag(&context, "volatile")
        .map_err(step("make volatile an overlay that writes to", writable))?;
    fsconfig_create(&context).map_err(step("mount an overlay that writes to", writable))?;
    let mount = fsmount(
        &context,
        FsMountFlags::FSMOUNT_CLOEXEC,
        MountAttrFlags::MOUNT_ATTR_NODEV,
    )
    .map_err(step("mount an overlay that writes to", writable))?;
    Ok(Overlay { mount })
}

fn add_layers(context: &OwnedFd, lower: &[PathBuf]) -> Result<(), OverlayError> {
    for layer in lower {
        fsconfig_set_string(context, "lowerdir+", &c_path(layer)?)
            .map_err(step("use as a layer", layer))?;
    }
    Ok(())
}

/// Colons part the layers.
fn add_joined(context: &OwnedFd, lower: &[PathBuf]) -> Result<(), OverlayError> {
    let mut text = Vec::new();
    for layer in lower {
        let bytes = layer.as_os_str().as_bytes();
        if bytes.iter().any(|byte| matches!(byte, b':' | b',' | b'\\')) {
            return Err(OverlayError::Path(layer.clone()));
        }
        if !text.is_empty() {
            text.push(b':');
        }
        text.extend_from_slice(bytes);
    }
    let text = c_path(Path::new(OsStr::from_bytes(&text)))?;
    fsconfig_set_string(context, "lowerdir", &text).map_err(step("use as layers", &lower[0]))
}

fn c_path(path: &Path) -> Result<CString, OverlayError> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| OverlayError::Path(path.to_owned()))
}
