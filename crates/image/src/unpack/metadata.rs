//! Which owner, mode, times and extended attributes may an entry have, and how are they set?

use std::os::fd::OwnedFd;

use rustix::fs::{Gid, Mode, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

use super::wrote;
use crate::error::{Refusal, UnpackError};
use crate::tarball::{Entry, refused};

const CAPABILITY: &str = "security.capability";

/// Refuses attributes that change how the kernel reads the tree (overlayfs' own, labels, lists of access rights).
pub(super) fn check_attributes(entry: &Entry) -> Result<(), UnpackError> {
    for (name, value) in &entry.attributes {
        let allowed = match name.as_str() {
            CAPABILITY => is_capability(value),
            user => {
                user.starts_with("user.")
                    && user.len() > 5
                    && user.len() <= 255
                    && !user.starts_with("user.overlay.")
            }
        };
        if !allowed || name.contains('\0') {
            return Err(refused(
                &entry.name,
                Refusal::Attribute(name.chars().take(80).collect()),
            ));
        }
    }
    Ok(())
}

/// Revision 2 or 3 of the kernel's format, with no flag but "effective".
fn is_capability(value: &[u8]) -> bool {
    let Some(head) = value.first_chunk::<4>() else {
        return false;
    };
    matches!(
        (u32::from_le_bytes(*head) & !1, value.len()),
        (0x0200_0000, 20) | (0x0300_0000, 24)
    )
}

/// Sets everything but the time. The owner comes first, because a change of owner clears setuid and capabilities.
pub(super) fn describe(file: &OwnedFd, entry: &Entry) -> Result<(), UnpackError> {
    check_attributes(entry)?;
    let failed = |operation| move |errno: Errno| wrote(operation, entry, errno);
    rustix::fs::fchown(
        file,
        Some(Uid::from_raw(entry.uid)),
        Some(Gid::from_raw(entry.gid)),
    )
    .map_err(failed("set the owner of"))?;
    rustix::fs::fchmod(file, Mode::from_raw_mode(entry.mode)).map_err(failed("set the mode of"))?;
    for (name, value) in &entry.attributes {
        rustix::fs::fsetxattr(file, name.as_str(), value, XattrFlags::empty())
            .map_err(failed("set an extended attribute of"))?;
    }
    Ok(())
}

/// The modification time, which stands for the access time too: images have no other.
pub(super) fn times((seconds, nanos): (i64, u32)) -> Timestamps {
    let time = Timespec {
        tv_sec: seconds,
        tv_nsec: i64::from(nanos),
    };
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}
