//! How is a new process made, in which namespaces, and in which cgroup?

use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::io::Errno;

use crate::process::Leave;

/// Namespaces, as the kernel's `CLONE_NEW*` bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Namespaces(u32);

impl Namespaces {
    /// None.
    pub const NONE: Namespaces = Namespaces(0);
    /// Mounts.
    pub const MOUNT: Namespaces = Namespaces(libc::CLONE_NEWNS as u32);
    /// Process ids.
    pub const PID: Namespaces = Namespaces(libc::CLONE_NEWPID as u32);
    /// Network.
    pub const NET: Namespaces = Namespaces(libc::CLONE_NEWNET as u32);
    /// System V IPC and POSIX message queues.
    pub const IPC: Namespaces = Namespaces(libc::CLONE_NEWIPC as u32);
    /// Host and domain name.
    pub const UTS: Namespaces = Namespaces(libc::CLONE_NEWUTS as u32);
    /// The root of the cgroup trees that is seen.
    pub const CGROUP: Namespaces = Namespaces(libc::CLONE_NEWCGROUP as u32);

    /// Those in either.
    #[must_use]
    pub const fn and(self, other: Namespaces) -> Namespaces {
        Namespaces(self.0 | other.0)
    }

    /// Those in `self` and not in `other`.
    #[must_use]
    pub const fn without(self, other: Namespaces) -> Namespaces {
        Namespaces(self.0 & !other.0)
    }

    /// Whether all of `other` are in `self`.
    #[must_use]
    pub const fn has(self, other: Namespaces) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The `CLONE_NEW*` bits.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }
}

/// `CLONE_INTO_CGROUP`, whose constant in libc has too narrow a type.
const INTO_CGROUP: u64 = 0x2_0000_0000;

/// A process that was made here.
#[derive(Debug)]
pub struct Child {
    /// Its process id as the caller sees it.
    pub pid: u32,
    /// Its pidfd, close-on-exec.
    pub pidfd: OwnedFd,
}

/// Runs `body` in a new process, which ends with the status that `body` returns if it does not
/// exec. `into_cgroup` is a directory of the v2 tree in which the process begins.
///
/// The child has a copy of the caller's memory and only the calling thread. If the caller has
/// other threads, `body` must be child-safe throughout: a lock that another thread held is held
/// for ever there, the allocator's among them.
///
/// # Errors
/// Those of `clone3`.
pub fn spawn(
    namespaces: Namespaces,
    into_cgroup: Option<BorrowedFd<'_>>,
    body: impl FnOnce() -> i32,
) -> Result<Child, Errno> {
    let mut pidfd: libc::c_int = -1;
    let flags = u64::from(namespaces.bits()) | libc::CLONE_PIDFD as u64;
    let args = libc::clone_args {
        flags: flags
            | if into_cgroup.is_some() {
                INTO_CGROUP
            } else {
                0
            },
        pidfd: (&raw mut pidfd) as u64,
        child_tid: 0,
        parent_tid: 0,
        exit_signal: libc::SIGCHLD as u64,
        stack: 0,
        stack_size: 0,
        tls: 0,
        set_tid: 0,
        set_tid_size: 0,
        cgroup: into_cgroup.map_or(0, |dir| dir.as_raw_fd() as u64),
    };
    // SAFETY: `args` lives through the call and its `pidfd` points to a live c_int. CLONE_VM is
    // not set, so the child runs on its own copy of this stack and shares no memory with us.
    let result = unsafe {
        libc::syscall(
            libc::SYS_clone3,
            &raw const args,
            size_of::<libc::clone_args>(),
        )
    };
    match result {
        0 => {
            let _leave = Leave;
            let status = body();
            crate::process::leave(status)
        }
        -1 => Err(crate::process::last_errno()),
        pid => Ok(Child {
            pid: pid as u32,
            // SAFETY: clone3 succeeded with CLONE_PIDFD, so `pidfd` is a new descriptor that
            // nobody else owns.
            pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) },
        }),
    }
}

/// Runs `body` in a new process that holds none of this one's descriptors but the first three, and
/// that the kernel kills when this one ends. `body` is a plain function, so that it cannot hold a
/// descriptor that was closed.
///
/// # Errors
/// Those of `clone3` and `pidfd_open`.
pub fn spawn_bare(namespaces: Namespaces, body: fn() -> i32) -> Result<Child, Errno> {
    let parent = crate::pidfd::open(std::process::id())?;
    spawn(namespaces, None, || {
        let tied =
            crate::process::die_with_parent().and_then(|()| crate::pidfd::has_ended(&parent));
        if tied != Ok(false) {
            return 71;
        }
        match crate::close_fds::close_in_child(3) {
            Ok(()) => body(),
            Err(_) => 71,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_ends_with_the_status_of_its_body() {
        let child = spawn(Namespaces::NONE, None, || 42).unwrap();
        assert_eq!(
            crate::pidfd::wait(&child.pidfd).unwrap(),
            crate::pidfd::Exit::Code(42)
        );
    }

    #[test]
    fn sets_of_namespaces_are_added_and_taken_away() {
        let both = Namespaces::MOUNT.and(Namespaces::PID);
        assert!(both.has(Namespaces::PID) && !both.has(Namespaces::NET));
        assert_eq!(both.without(Namespaces::PID), Namespaces::MOUNT);
    }
}
