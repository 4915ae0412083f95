//! As whom, and with which privileges, does this process go on?
//!
//! All of it changes the calling thread only, as the kernel does; it is meant for a child with one
//! thread before exec. Child-safe throughout.

use rustix::io::Errno;
use rustix::process::{Gid, Uid};
use rustix::thread::{self, CapabilitySet, CapabilitySets};

/// Sets of capabilities, a bit for each by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities {
    /// What can ever be gained by exec.
    pub bounding: u64,
    /// What counts.
    pub effective: u64,
    /// What may be made effective.
    pub permitted: u64,
    /// What survives the exec of a file that inherits.
    pub inheritable: u64,
    /// What survives the exec of any file.
    pub ambient: u64,
}

/// The highest number of a capability that the kernel may know.
const LAST: u32 = 63;

/// What this process has.
///
/// # Errors
/// Those of `capget`.
pub fn permitted() -> Result<u64, Errno> {
    Ok(thread::capabilities(None)?.permitted.bits())
}

/// Drops all supplementary groups and takes these.
///
/// # Errors
/// Those of `setgroups`.
pub fn set_groups(groups: &[Gid]) -> Result<(), Errno> {
    thread::set_thread_groups(groups)
}

/// Sets real, effective and saved group.
///
/// # Errors
/// Those of `setresgid`.
pub fn set_group(gid: u32) -> Result<(), Errno> {
    let gid = Gid::from_raw(gid);
    thread::set_thread_res_gid(gid, gid, gid)
}

/// Sets real, effective and saved user, and keeps the permitted capabilities until
/// [`set_capabilities`] decides about them.
///
/// # Errors
/// Those of `setresuid`; `EAGAIN` when the user has too many processes.
pub fn set_user(uid: u32) -> Result<(), Errno> {
    let uid = Uid::from_raw(uid);
    thread::set_keep_capabilities(true)?;
    thread::set_thread_res_uid(uid, uid, uid)
}

/// Drops everything else from the bounding set. Needs `CAP_SETPCAP`, so it comes before
/// [`set_capabilities`].
///
/// # Errors
/// Those of `prctl`.
pub fn bound(bounding: u64) -> Result<(), Errno> {
    for number in 0..=LAST {
        let bit = 1_u64 << number;
        if bounding & bit != 0 {
            continue;
        }
        match thread::remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(bit)) {
            Ok(()) => {}
            // The kernel knows no capability of this number, nor any above.
            Err(Errno::INVAL) => return Ok(()),
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// The bit of `CAP_SYS_ADMIN`.
pub const SYS_ADMIN: u64 = 1 << 21;

/// Makes permitted capabilities effective again, which a change of user has taken.
///
/// # Errors
/// `EPERM` when they are not permitted.
pub fn regain(capabilities: u64) -> Result<(), Errno> {
    let now = thread::capabilities(None)?;
    let wanted = CapabilitySet::from_bits_retain(capabilities);
    if now.effective.contains(wanted) {
        return Ok(());
    }
    let effective = now.effective | wanted;
    thread::set_capabilities(None, CapabilitySets { effective, ..now })
}

/// Takes these sets, the ambient one too. The bounding set is [`bound`]'s.
///
/// # Errors
/// `EPERM` when a set has what this process lacks.
pub fn set_capabilities(sets: Capabilities) -> Result<(), Errno> {
    let set = CapabilitySet::from_bits_retain;
    let sets_now = CapabilitySets {
        effective: set(sets.effective),
        permitted: set(sets.permitted),
        inheritable: set(sets.inheritable),
    };
    thread::set_capabilities(None, sets_now)?;
    thread::clear_ambient_capability_set()?;
    for number in (0..=LAST).filter(|number| sets.ambient & (1 << number) != 0) {
        thread::configure_capability_in_ambient_set(set(1 << number), true)?;
    }
    Ok(())
}

/// Forbids gaining privileges by exec, for ever.
///
/// # Errors
/// Those of `prctl`.
pub fn forbid_new_privileges() -> Result<(), Errno> {
    thread::set_no_new_privs(true)
}
