//! What is kept of a running container: enough to signal it, to wait for it, and to run further
//! commands in it.

use std::os::fd::OwnedFd;
use std::rc::Rc;

use outrigger_sys::clone::Namespaces;

use crate::compile::Process;

/// A container whose first process has been started. Dropping it leaves the process alone.
#[derive(Debug)]
pub struct Container {
    /// The first process' id as the caller sees it.
    pub pid: u32,
    /// Its pidfd: readable when it has ended, then to be waited for with
    /// `outrigger_sys::pidfd::wait`.
    pub pidfd: OwnedFd,
    /// The controlling side of its terminal, if the specification asks for one.
    pub terminal: Option<OwnedFd>,
    /// What the kernel refused for want of a privilege and was left, for people.
    pub warnings: Vec<String>,
    /// As whom, where and with what environment its processes run.
    pub(crate) process: Rc<Process>,
    /// The namespaces in which it is not with its parent; exec enters these.
    pub(crate) namespaces: Namespaces,
    /// Whether somebody in its PID namespace waits for orphans.
    pub(crate) reaped: bool,
}
