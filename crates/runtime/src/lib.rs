//! The OCI runtime: create, start, exec, kill and delete over a bundle.
//!
//! Everything here is called by one process with a single thread (the Pod's shim, or the
//! `outrigger-oci` command), which is the parent of all processes that come to be. It lives in the
//! Pod's network, IPC and UTS namespaces and in a mount namespace of its own already ([`pod`]).
//!
//! A container's way:
//! 1. [`bundle::read`] gives the specification.
//! 2. [`rootfs::mount_overlay`] gives an [`Overlay`]: a mount that is attached nowhere yet.
//! 3. [`launch`] compiles the specification to a list of steps, clones; the child takes the steps
//!    and becomes the container's first process. [`create`] does the same, but lets the child wait
//!    until [`Created::start`].
//! 4. [`Container::exec`] runs further commands with the first process' credentials.
//! 5. The end is seen on the pidfd (`outrigger_sys::pidfd::wait`). The container's mounts, its
//!    overlay among them, go with its last process; there is nothing to unmount. Its cgroup is
//!    removed by who made it ([`cgroup`]).

pub mod bundle;
pub mod cgroup;
mod compile;
mod container;
mod create;
mod exec;
mod failure;
mod init;
pub mod pod;
mod refuse;
pub mod rootfs;
mod seccomp;

pub use compile::SpecError;
pub use container::Container;
pub use create::{Create, Created, RootFs, create, launch};
pub use exec::{ExecProcess, Execed, News, Notice};
pub use failure::{CreateError, ExecError};
pub use pod::Reaper;
pub use rootfs::Overlay;
pub use seccomp::Filters;
