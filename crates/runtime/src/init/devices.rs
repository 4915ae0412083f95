//! How do device files come into the container's `/dev`?

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};

use outrigger_sys::Errno;
use outrigger_sys::in_root::{self, Make};
use outrigger_sys::terminal;
use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, Stat, Uid, chownat, fstat, mknodat, openat, statat,
    symlinkat,
};

use super::mounts::{attach, clone_tree};
use super::{Device, Init, finish};

impl Init<'_> {
    /// Makes the device files.
    pub(super) fn make_devices(&self, devices: &[Device]) -> Result<(), Errno> {
        let mut open: Option<(&CString, OwnedFd)> = None;
        for device in devices {
            let dir = match &open {
                Some((path, dir)) if **path == device.parent => dir,
                _ => {
                    let dir = in_root::open_or_make(self.root()?, &device.parent, Make::Directory)?;
                    &open.insert((&device.parent, dir)).1
                }
            };
            make(dir, device)?;
        }
        Ok(())
    }

    /// Opens the program's terminal in the container's own devpts, and shows it as the console too.
    pub(super) fn make_terminal(&mut self, console: bool) -> Result<(), Errno> {
        let directory = in_root::open(self.root()?, c"dev/pts")?;
        let made = terminal::open_in(directory.as_fd())?;
        let device = finish::hand_over(made, self.process, self.report)?;
        if console {
            let place = in_root::open_or_make(self.root()?, c"dev/console", Make::File)?;
            attach(&clone_tree(device.as_fd(), c"", false)?, &place)?;
        }
        self.terminal = Some(device);
        Ok(())
    }

    /// Makes the links. What is there already stays: a container sees it as its image has it.
    pub(super) fn link_devices(&self, links: &[(CString, CString)]) -> Result<(), Errno> {
        let dir = in_root::open_or_make(self.root()?, c"dev", Make::Directory)?;
        for (name, target) in links {
            match symlinkat(target.as_c_str(), &dir, name.as_c_str()) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }
}

fn make(dir: &OwnedFd, device: &Device) -> Result<(), Errno> {
    let name = device.name.as_c_str();
    match mknodat(
        dir,
        name,
        device.kind,
        Mode::from_raw_mode(device.mode),
        device.number,
    ) {
        Ok(()) => {}
        Err(Errno::EXIST) => {
            let found = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
            return if is(&found, device) {
                Ok(())
            } else {
                Err(Errno::EXIST)
            };
        }
        // A user namespace or a rule of the devices cgroup forbids making, not using.
        Err(Errno::PERM) => return bind(dir, device),
        Err(errno) => return Err(errno),
    }
    match device.owner {
        Some((uid, gid)) => {
            let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
            chownat(dir, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
        }
        None => Ok(()),
    }
}

fn bind(dir: &OwnedFd, device: &Device) -> Result<(), Errno> {
    let name = device.name.as_c_str();
    let host = clone_tree(CWD, &device.host, false)?;
    if !is(&fstat(&host)?, device) {
        return Err(Errno::NODEV);
    }
    mknodat(
        dir,
        name,
        FileType::RegularFile,
        Mode::from_raw_mode(0o644),
        0,
    )?;
    let place = openat(
        dir.as_fd(),
        name,
        OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    attach(&host, &place)
}

fn is(found: &Stat, device: &Device) -> bool {
    FileType::from_raw_mode(found.st_mode) == device.kind && found.st_rdev == device.number
}
