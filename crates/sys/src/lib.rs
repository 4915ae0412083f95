//! Linux made safe: every unsafe block of Outrigger stands here, one module for each idea of the
//! kernel.
//!
//! What rustix offers safely is used from there and not wrapped again. Functions that a forked
//! child may call are marked *child-safe*: they neither allocate nor lock, and report plain
//! errnos.

pub mod clock;
pub mod clone;
pub mod close_fds;
pub mod crash;
pub mod credentials;
pub mod exec;
pub mod fd_passing;
pub mod in_root;
pub mod limits;
pub mod loopback;
pub mod memory;
pub mod mount;
pub mod namespace;
pub mod pidfd;
pub mod process;
pub mod seccomp;
pub mod signals;
pub mod terminal;
pub mod vfork;
pub mod waiting;

pub use rustix::io::Errno;
