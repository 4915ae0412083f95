//! In which cgroup does this process stand? In that of whoever started it, which a service manager counts,
//! limits and ends with its service; or at home, in one that holds shims and nothing else.
//!
//! The kernel moves a process only while the whole machine makes none, which takes 5 to 20 ms. A new one
//! begins where it is told to at no cost. So the shim is a child of the process that was started, which ends
//! as soon as the shim has arrived, and takes it along if it is killed before.

use std::os::fd::{AsFd, IntoRawFd, OwnedFd, RawFd};
use std::path::Path;

use outrigger_sys::clone::{self, Namespaces};
use outrigger_sys::{pidfd, process};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};

/// What ties the shim to the process that has made it: the end of this descriptor is the news of its
/// arrival, or of its end.
#[derive(Debug)]
pub(crate) struct Journey(pub(crate) OwnedFd);

impl Journey {
    /// Lets go of the process that has made this one.
    pub(crate) fn arrive(self) -> Result<(), Errno> {
        let Journey(news) = self;
        rustix::process::set_parent_process_death_signal(None)?;
        drop(news);
        Ok(())
    }
}

/// The exit code of a shim that has lost the process which made it.
const ORPHANED: i32 = 71;

/// Lives in the cgroup whose directory `home` is; gives the exit code. Where that cannot be, it lives where
/// it is: nothing of a Pod depends on it. `life` closes all descriptors but those that it knows; it is told
/// that of its [`Journey`].
pub(crate) fn live_at(home: &Path, life: impl FnOnce(Option<RawFd>) -> i32) -> i32 {
    let mut life = Some(life);
    let departed = depart(home, &mut |news| life.take().map(|life| life(Some(news))));
    match (departed, life) {
        (Ok(code), _) => code,
        (Err(_), Some(life)) => life(None),
        (Err(_), None) => ORPHANED,
    }
}

/// Begins the life in a child and sees it off.
fn depart(home: &Path, life: &mut dyn FnMut(RawFd) -> Option<i32>) -> Result<i32, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let group = open(home, flags, Mode::empty())?;
    let parent = pidfd::open(std::process::id())?;
    let (news, told) = pipe_with(PipeFlags::CLOEXEC)?;
    let mut told = Some(told);
    let child = clone::spawn(Namespaces::NONE, Some(group.as_fd()), || {
        let tied = process::die_with_parent().and_then(|()| pidfd::has_ended(&parent));
        match (tied, told.take()) {
            (Ok(false), Some(told)) => life(told.into_raw_fd()).unwrap_or(ORPHANED),
            _ => ORPHANED,
        }
    })?;
    drop(told);
    Ok(see_off(&news, &child.pidfd))
}

/// Waits until the shim has arrived or ended; gives the exit code for whoever waits for this process.
fn see_off(news: &OwnedFd, shim: &OwnedFd) -> i32 {
    while rustix::io::read(news, &mut [0; 1]) == Err(Errno::INTR) {}
    match pidfd::has_ended(shim) {
        Ok(false) => 0,
        Ok(true) | Err(_) => match pidfd::wait(shim) {
            Ok(pidfd::Exit::Code(code)) => code,
            Ok(pidfd::Exit::Signal(_)) | Err(_) => 1,
        },
    }
}
