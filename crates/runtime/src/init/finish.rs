//! How does the child become the program, with the container's privileges and none of ours?

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use outrigger_sys::clone::Namespaces;
use outrigger_sys::exec::Strings;
use outrigger_sys::{
    Errno, close_fds, credentials, exec, limits, namespace, process, signals, terminal,
};
use rustix::fs::{FileType, Gid, Mode, Uid, fchown, fstat};
use rustix::process::Pid;

use super::report::{Part, Place, Report};
use super::{steps, supervise};
use crate::cgroup::Join;
use crate::compile::{Command, Process};
use crate::seccomp::Filter;

/// What the end of the child's work needs.
#[derive(Clone, Copy)]
pub(crate) struct Finish<'a> {
    pub(crate) process: &'a Process,
    pub(crate) command: &'a Command,
    /// Its environment, if that is not the process'.
    pub(crate) env: Option<&'a Strings>,
    /// Standard input, output and error, where it gets no terminal.
    pub(crate) stdio: [BorrowedFd<'a>; 3],
    /// Whether to wait for a word from the parent before the program.
    pub(crate) hold: bool,
    /// The parent, if that is not whom the report goes to.
    pub(crate) parent: Option<Pid>,
}

/// The first thing that failed.
type Ended = Result<(), (Part, Errno)>;

pub(super) fn at(part: Part) -> impl Fn(Errno) -> (Part, Errno) {
    move |errno| (part, errno)
}

/// Puts a further process into a container that runs. Nobody there may look into it before it has
/// given its privileges up, and so it cannot be traced from the beginning.
pub(crate) fn enter<'a>(
    pidfd: BorrowedFd<'_>,
    namespaces: Namespaces,
    cgroups: impl Iterator<Item = &'a Join>,
    oom_score: Option<&CStr>,
    report: &Report<'_>,
) -> Result<(), i32> {
    let scored = || match oom_score.map_or(Ok(()), steps::oom_score) {
        // Without the privilege to be spared it runs all the same, as the first process does.
        Err(Errno::PERM | Errno::ACCESS) => Ok(()),
        result => result.map_err(at(Part::OomScore)),
    };
    let entered = process::set_dumpable(false)
        .map_err(at(Part::Enter))
        .and_then(|()| steps::join(cgroups).map_err(at(Part::Join)))
        .and_then(|()| scored())
        .and_then(|()| namespace::enter(pidfd, namespaces).map_err(at(Part::Enter)));
    entered.map_err(|(part, errno)| report.fail(Place::Part(part), errno))
}

/// Opens a terminal in the container that this process has entered, and gives its controlling side
/// away; gives the programs' side, which is the user's.
pub(crate) fn open_terminal(process: &Process, report: &Report<'_>) -> Result<OwnedFd, i32> {
    let opened = terminal::open_at(c"/dev/pts").and_then(|made| hand_over(made, process, report));
    opened.map_err(|errno| report.fail(Place::Part(Part::Terminal), errno))
}

/// Gives the controlling side away and the other one to the user.
pub(super) fn hand_over(
    made: terminal::Terminal,
    process: &Process,
    report: &Report<'_>,
) -> Result<OwnedFd, Errno> {
    // The group is that of the devpts, so that `write` and `wall` work as they do elsewhere.
    fchown(&made.device, Some(Uid::from_raw(process.uid)), None)?;
    if let Some(size) = process.console {
        terminal::resize(&made.controller, size)?;
    }
    report.give(made.controller.as_fd())?;
    Ok(made.device)
}

impl Finish<'_> {
    /// Becomes the program, on a terminal if one is given; gives the status to end with if that
    /// fails.
    pub(crate) fn run(&self, terminal: Option<BorrowedFd<'_>>, report: &Report<'_>) -> i32 {
        let prepared = self
            .surroundings(terminal, report)
            .and_then(|()| self.identity())
            .and_then(|()| self.parting(report))
            .and_then(|()| self.privileges())
            .and_then(|()| self.last(report))
            .and_then(|()| self.execute());
        match prepared {
            Ok(()) => 0,
            Err((part, errno)) => report.fail(Place::Part(part), errno),
        }
    }

    fn surroundings(&self, terminal: Option<BorrowedFd<'_>>, report: &Report<'_>) -> Ended {
        let process = self.process;
        let stdio = terminal.map_or(self.stdio, |device| [device; 3]);
        self.output(stdio).map_err(at(Part::Output))?;
        rustix::process::setsid().map_err(at(Part::Session))?;
        if let Some(device) = terminal {
            terminal::control(device).map_err(at(Part::Session))?;
        }
        if let Err(errno) = process::new_session_keyring() {
            report.warn(Place::Part(Part::Keyring), errno);
        }
        for limit in &process.limits {
            match limits::set(*limit) {
                Err(Errno::PERM) => report.warn(Place::Part(Part::Limits), Errno::PERM),
                result => result.map_err(at(Part::Limits))?,
            }
        }
        rustix::process::chdir(process.cwd.as_c_str()).map_err(at(Part::Directory))?;
        match process::cwd_is_reachable() {
            Ok(true) => {}
            Ok(false) => return Err((Part::Outside, Errno::XDEV)),
            Err(errno) => return Err((Part::Directory, errno)),
        }
        rustix::process::umask(Mode::from_raw_mode(process.umask));
        Ok(())
    }

    /// Pipes are given to the user, who can then open `/dev/stdout` again.
    fn output(&self, [stdin, stdout, stderr]: [BorrowedFd<'_>; 3]) -> Result<(), Errno> {
        let plain = |errno: nix::errno::Errno| Errno::from_raw_os_error(errno as i32);
        nix::unistd::dup2_stdin(stdin).map_err(plain)?;
        nix::unistd::dup2_stdout(stdout).map_err(plain)?;
        nix::unistd::dup2_stderr(stderr).map_err(plain)?;
        if self.process.uid == 0 {
            return Ok(());
        }
        for fd in [stdin, stdout, stderr] {
            if FileType::from_raw_mode(fstat(fd)?.st_mode) == FileType::Fifo {
                fchown(
                    fd,
                    Some(Uid::from_raw(self.process.uid)),
                    Some(Gid::from_raw(self.process.gid)),
                )?;
            }
        }
        Ok(())
    }

    fn identity(&self) -> Ended {
        let process = self.process;
        credentials::bound(process.capabilities.bounding).map_err(at(Part::Bounding))?;
        credentials::set_groups(&process.groups).map_err(at(Part::Groups))?;
        credentials::set_group(process.gid).map_err(at(Part::Groups))?;
        credentials::set_user(process.uid).map_err(at(Part::User))
    }

    /// After the change of user, which would undo it, the tie to the parent. Whatever a seccomp profile
    /// need not allow is done before there is one.
    fn parting(&self, report: &Report<'_>) -> Ended {
        process::die_with_parent().map_err(at(Part::Parent))?;
        if self
            .parent
            .is_some_and(|parent| !supervise::has_parent(parent))
        {
            return Err((Part::Parent, Errno::SRCH));
        }
        // Not only at exec: a container that is held would keep the host's for as long.
        close_fds::close_all_but(report.socket()).map_err(at(Part::Descriptors))?;
        signals::reset();
        Ok(())
    }

    /// Takes the container's capabilities. To load a filter is a privilege, unless no other can be gained
    /// any more: so it comes before that here, and after it in [`Finish::last`].
    fn privileges(&self) -> Ended {
        let process = self.process;
        if let Some(filter) = self.early_filter() {
            credentials::regain(credentials::SYS_ADMIN).map_err(at(Part::Seccomp))?;
            filter.load().map_err(at(Part::Seccomp))?;
        }
        credentials::set_capabilities(process.capabilities).map_err(at(Part::Capabilities))?;
        if process.no_new_privileges {
            credentials::forbid_new_privileges().map_err(at(Part::NoNewPrivileges))?;
        }
        Ok(())
    }

    fn early_filter(&self) -> Option<&Filter> {
        let filter = self.process.seccomp.as_deref();
        filter.filter(|_| !self.process.no_new_privileges)
    }

    /// A word to the parent, which fails if it is gone already, perhaps one from it, and the filter as late
    /// as it can be, so that it need not allow but what the program does, and its execution.
    fn last(&self, report: &Report<'_>) -> Ended {
        report.ready().map_err(at(Part::Parent))?;
        if self.hold {
            report.wait().map_err(at(Part::Parent))?;
        }
        match self.process.seccomp.as_deref() {
            Some(filter) if self.process.no_new_privileges => {
                filter.load().map_err(at(Part::Seccomp))
            }
            _ => Ok(()),
        }
    }

    /// Tries each place where the program may be. A place without it is passed over, one that may
    /// not be executed too, and then it is that which is told.
    fn execute(&self) -> Ended {
        let mut told = (Part::Search, Errno::NOENT);
        for candidate in &self.command.candidates {
            let errno = exec::exec(
                candidate,
                &self.command.args,
                self.env.unwrap_or(&self.process.env),
            );
            let missing = matches!(errno, Errno::NOENT | Errno::NOTDIR);
            if missing
                && rustix::fs::access(candidate.as_c_str(), rustix::fs::Access::EXISTS).is_err()
            {
                continue;
            }
            // It is there, and cannot be executed: its interpreter may be what is missing.
            told = (Part::Exec, errno);
            if !self.command.searched || errno != Errno::ACCESS {
                break;
            }
        }
        Err(told)
    }
}
