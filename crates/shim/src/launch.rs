//! How does a container's first process come to be, and which ends of its streams stay here?

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use outrigger_runtime::bundle::{self, Spec};
use outrigger_runtime::cgroup::Cgroup;
use outrigger_runtime::{Create, RootFs, rootfs};
use outrigger_wire::{Refusal, Start};

use crate::pod::Sandbox;
use crate::pump;
use crate::refusal::{failed, misplaced, not_started};

/// A first process and our ends of its streams.
pub(crate) struct Launched {
    pub(crate) process: outrigger_runtime::Container,
    pub(crate) stdin: Option<OwnedFd>,
    pub(crate) stdout: OwnedFd,
    /// A terminal has one output.
    pub(crate) stderr: Option<OwnedFd>,
    pub(crate) terminal: Option<OwnedFd>,
}

/// The bundle's configuration, with a terminal if one is asked for.
pub(crate) fn read(start: &Start) -> Result<Spec, Refusal> {
    let mut spec = bundle::read(&start.bundle).map_err(|error| failed(&error))?;
    if start.stdio.tty
        && let Some(process) = spec.process_mut()
    {
        process.set_terminal(Some(true));
    }
    Ok(spec)
}

/// Makes the first process with its streams.
pub(crate) fn launch(
    start: &Start,
    spec: &Spec,
    cgroup: &Cgroup,
    sandbox: &Sandbox,
    joined: Option<BorrowedFd<'_>>,
) -> Result<Launched, Refusal> {
    let overlay = rootfs::mount_overlay(&start.rootfs.lower, &start.rootfs.writable)
        .map_err(|error| failed(&error))?;
    let (stdout, to_stdout) = pump::pipe().map_err(|error| failed(&error))?;
    let (stderr, to_stderr) = pump::pipe().map_err(|error| failed(&error))?;
    let stdin = start.stdio.stdin.then(pump::pipe_to_write).transpose();
    let (from_stdin, stdin) = stdin.map_err(|error| failed(&error))?.unzip();
    let create = Create {
        spec,
        bundle: &start.bundle,
        rootfs: RootFs::Overlay(&overlay),
        cgroup: &cgroup.join().map_err(|error| failed(&error))?,
        stdin: from_stdin.as_ref().map(AsFd::as_fd),
        stdout: to_stdout.as_fd(),
        stderr: to_stderr.as_fd(),
        shared_pid: sandbox.reaper.as_ref(),
        pid_of: joined,
        filters: &sandbox.filters,
    };
    let mut process = outrigger_runtime::launch(&create).map_err(|error| not_started(&error))?;
    let Some(terminal) = process.terminal.take() else {
        return Ok(Launched {
            process,
            stdin,
            stdout,
            stderr: Some(stderr),
            terminal: None,
        });
    };
    let output = rustix::io::ioctl_fionbio(&terminal, true)
        .map_err(std::io::Error::from)
        .and_then(|()| terminal.try_clone());
    match output {
        Ok(output) => Ok(Launched {
            process,
            stdin: None,
            stdout: output,
            stderr: None,
            terminal: Some(terminal),
        }),
        Err(error) => {
            end(&process);
            Err(misplaced(format!(
                "take over the container's terminal: {error}"
            )))
        }
    }
}

/// Ends a first process that is of no use.
fn end(process: &outrigger_runtime::Container) {
    // One that has ended already refuses the signal; it is waited for all the same.
    let _gone = outrigger_sys::pidfd::send_signal(&process.pidfd, 9);
    let _unknown = outrigger_sys::pidfd::wait(&process.pidfd);
}
