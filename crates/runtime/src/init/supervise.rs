//! Who waits for what a command leaves behind?
//!
//! Orphans go to the nearest subreaper above them in their own PID namespace, else to its first process,
//! which may wait for nobody. So the process that came into the container for a command stays there as
//! its parent, holds nothing and may do nothing, and ends with the last of the command's descendants.

use std::os::fd::{AsFd, OwnedFd};

use outrigger_sys::credentials::{self, Capabilities};
use outrigger_sys::{Errno, close_fds, process, vfork, waiting};
use rustix::process::{getpid, getppid};

use super::finish::{Finish, at};
use super::report::{Part, Place, Report};
use super::steps;
use crate::cgroup::Join;

/// Makes the command as a child of this process, in a group of its own if one is given, waits for all that
/// comes of it, and gives the command's exit code. Child-safe.
pub(crate) fn supervise(
    finish: &Finish<'_>,
    own: Option<&Join>,
    terminal: Option<OwnedFd>,
    report: &Report<'_>,
) -> i32 {
    let unified = own.and_then(|join| join.unified.as_ref());
    let this = getpid();
    let made = process::become_subreaper().and_then(|()| {
        vfork::spawn(unified.map(AsFd::as_fd), || {
            if let Err(errno) = steps::join(own) {
                return report.fail(Place::Part(Part::Join), errno);
            }
            let finish = Finish {
                parent: Some(this),
                ..*finish
            };
            finish.run(terminal.as_ref().map(AsFd::as_fd), report)
        })
    });
    let command = match made {
        Ok(command) => command,
        Err(errno) => return report.fail(Place::Part(Part::Process), errno),
    };
    drop(terminal);
    let told = shed(finish, report).and_then(|()| report.runs().map_err(at(Part::Parent)));
    if let Err((part, errno)) = told {
        // The command ends with its parent.
        return report.fail(Place::Part(part), errno);
    }
    attend(command, report)
}

/// Gives everything up but the way to tell of the end: a container that gets hold of this process finds
/// less than what it has itself.
fn shed(finish: &Finish<'_>, report: &Report<'_>) -> Result<(), (Part, Errno)> {
    let process = finish.process;
    close_fds::close_all_but(report.socket()).map_err(at(Part::Descriptors))?;
    credentials::bound(0).map_err(at(Part::Bounding))?;
    credentials::set_groups(&process.groups).map_err(at(Part::Groups))?;
    credentials::set_group(process.gid).map_err(at(Part::Groups))?;
    credentials::set_user(process.uid).map_err(at(Part::User))?;
    credentials::set_capabilities(Capabilities::default()).map_err(at(Part::Capabilities))?;
    credentials::forbid_new_privileges().map_err(at(Part::NoNewPrivileges))?;
    // Both are undone by a change of credentials.
    process::set_dumpable(false).map_err(at(Part::Enter))?;
    process::die_with_parent().map_err(at(Part::Parent))?;
    // Without its name it works as well.
    let _ = process::set_name(c"outrigger-exec");
    waiting::only_wait().map_err(at(Part::Seccomp))
}

/// Waits until nobody is left. The command's end is told at once: others may live on, and to end takes a
/// process longer than to say so.
fn attend(command: u32, report: &Report<'_>) -> i32 {
    let mut code = None;
    loop {
        match process::wait_any() {
            Ok((ended, its_code)) if ended == command => {
                code = Some(its_code);
                // If nobody listens any more, nobody wants to know.
                let _ = report.ended(its_code);
            }
            Ok(_) => {}
            Err(_) => return code.unwrap_or(LOST),
        }
    }
}

/// What an end is told as that was not seen, which cannot be: nobody else waits here.
const LOST: i32 = 255;

/// Whether the parent that this process was made by still is its parent. Child-safe.
pub(super) fn has_parent(parent: rustix::process::Pid) -> bool {
    getppid() == Some(parent)
}
