//! How does the container's root file system take the place of the host's?

use std::ffi::CStr;
use std::os::fd::AsFd;

use outrigger_sys::Errno;
use rustix::fs::CWD;
use rustix::io::fcntl_dupfd_cloexec;
use rustix::mount::{MoveMountFlags, UnmountFlags, move_mount, unmount};
use rustix::process::{chdir, fchdir, pivot_root};

use super::Init;
use super::mounts::clone_tree;

impl Init<'_> {
    /// Attaches the root file system at `path`, a path of the host, and keeps its descriptor, to
    /// which all further paths are relative.
    pub(super) fn take_root(&mut self, path: &CStr) -> Result<(), Errno> {
        let made = match self.overlay {
            Some(overlay) => fcntl_dupfd_cloexec(overlay, 3)?,
            None => clone_tree(CWD, path, true)?,
        };
        move_mount(
            &made,
            c"",
            CWD,
            path,
            MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
        )?;
        self.root = Some(made);
        Ok(())
    }

    /// Makes it the root, and takes the host's away. Both stand at `/` for a moment, one over the
    /// other, so that no directory for the old one is needed.
    pub(super) fn pivot(&self) -> Result<(), Errno> {
        fchdir(self.root()?.as_fd())?;
        pivot_root(c".", c".")?;
        unmount(c".", UnmountFlags::DETACH)?;
        chdir(c"/")
    }
}
