//! How does a further command come into a container that runs: a probe, a hook, a person's shell?

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use outrigger_sys::clone::{Child, Namespaces, spawn};
use outrigger_sys::{Errno, pidfd, signals};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::cgroup::Join;
use crate::compile::Command;
use crate::container::Container;
use crate::create::{in_pid_namespace, null_input};
use crate::failure::{CreateError, failed};
use crate::init::{
    Finish, ForChild, Message, Place, Reader, Report, enter, open_terminal, supervise,
};

/// How long the supervisor of a command that could not be executed may take to go.
const GOES_WITHIN: Timespec = Timespec {
    tv_sec: 1,
    tv_nsec: 0,
};

/// A command to run with the credentials, the environment and the directory of the container's
/// first process.
#[derive(Debug, Clone, Copy)]
pub struct ExecProcess<'a> {
    /// The command and its arguments.
    pub args: &'a [String],
    /// Its standard input; `/dev/null` if there is none.
    pub stdin: Option<BorrowedFd<'a>>,
    /// Its standard output.
    pub stdout: BorrowedFd<'a>,
    /// Its standard error.
    pub stderr: BorrowedFd<'a>,
    /// Whether it gets a terminal of the container's in place of these three, which controls it.
    pub terminal: bool,
    /// The groups of its container: all v1 files of all in this order, and of the v2 directories the last.
    pub cgroups: &'a [&'a Join],
    /// The group below these that is the command's alone.
    pub own: Option<&'a Join>,
}

/// A further command that runs. Dropping the value leaves it alone.
#[derive(Debug)]
pub struct Execed {
    /// The process id, as the caller sees it, of the command, or of the process that stands over it in
    /// the container, waits for all that comes of it and ends with the last, with the command's code.
    pub pid: u32,
    /// Its pidfd.
    pub pidfd: OwnedFd,
    /// The controlling side of its terminal, if it asked for one.
    pub terminal: Option<OwnedFd>,
    /// Where the command's end is told, if a process stands over it, before the end of that.
    pub notice: Option<Notice>,
}

/// Tells of the end of a command over which a process stands.
#[derive(Debug)]
pub struct Notice {
    reader: Reader,
}

impl Notice {
    /// Readable when there is something to take.
    #[must_use]
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.reader.socket()
    }

    /// What has come of the command.
    #[must_use]
    pub fn take(&self) -> News {
        match self.reader.try_next() {
            Ok(Message::Ended(code)) => News::Ended(code),
            Err(Errno::AGAIN | Errno::INTR) => News::None,
            _ => News::Over,
        }
    }
}

/// What a [`Notice`] knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// Nothing yet.
    None,
    /// The command has ended with this code. What it left behind may not.
    Ended(i32),
    /// Nothing more will come.
    Over,
}

impl Container {
    /// Runs a command in the container.
    ///
    /// # Errors
    /// When the container has ended (`ESRCH`), or the command cannot be executed. No process is
    /// left then.
    pub fn exec(&self, exec: &ExecProcess<'_>) -> Result<Execed, CreateError> {
        let command = Command::new(exec.args, &self.process)?;
        let null = null_input()?;
        let env = exec.terminal.then(|| self.process.env_for_terminal());
        let env = env.flatten();
        signals::remember_ignored();
        let finish = Finish {
            process: &self.process,
            command: &command,
            env: env.as_ref(),
            stdio: [exec.stdin.unwrap_or(null.as_fd()), exec.stdout, exec.stderr],
            hold: false,
            parent: None,
        };
        let (reader, child_end) =
            Reader::pair().map_err(failed("make", "a socket for the command"))?;
        let parents_end = ForChild::new(Some(reader));
        let child = self.born(exec, || {
            drop(parents_end.take());
            self.live(exec, &finish, &Report::new(child_end.as_fd()))
        });
        let child = child.map_err(failed("make a process in", "the container"))?;
        drop(child_end);
        let reader = parents_end.take().ok_or(CreateError::Protocol)?;
        let supervised = self.supervises();
        match outcome(&reader, &command, supervised) {
            Ok(()) => Ok(Execed {
                pid: child.pid,
                pidfd: child.pidfd,
                terminal: reader.terminal(),
                notice: supervised.then_some(Notice { reader }),
            }),
            Err(Outcome::Known(error)) => {
                end(&child, supervised);
                Err(error)
            }
            Err(Outcome::Died) => Err(pidfd::wait(&child.pidfd)
                .map_or(CreateError::Protocol, |exit| CreateError::Died { exit })),
        }
    }

    /// Whether a command needs somebody who waits for what it leaves behind. In the machine's PID namespace
    /// that is the caller, a subreaper; in a Pod's the reaper.
    fn supervises(&self) -> bool {
        self.namespaces.has(Namespaces::PID) && !self.reaped
    }

    /// Makes a process in the container's PID namespace, and in the groups of its container if it is to
    /// stand over the command, else in the command's own.
    fn born(&self, exec: &ExecProcess<'_>, body: impl FnOnce() -> i32) -> Result<Child, Errno> {
        let own = exec.own.filter(|_| !self.supervises());
        let mut joins = own.into_iter().chain(exec.cgroups.iter().rev().copied());
        let unified = joins.find_map(|join| join.unified.as_ref());
        let pid_namespace = self.namespaces.has(Namespaces::PID);
        in_pid_namespace(pid_namespace.then(|| self.pidfd.as_fd()), || {
            spawn(Namespaces::NONE, unified.map(AsFd::as_fd), body)
        })
    }

    /// What that process does.
    fn live(&self, exec: &ExecProcess<'_>, finish: &Finish<'_>, report: &Report<'_>) -> i32 {
        let namespaces = self.namespaces.without(Namespaces::PID);
        let score = self.process.oom_score_adj.as_deref();
        let own = exec.own.filter(|_| !self.supervises());
        let groups = exec.cgroups.iter().copied().chain(own);
        let entered = enter(self.pidfd.as_fd(), namespaces, groups, score, report);
        let terminal = entered.and_then(|()| {
            let wanted = exec.terminal.then(|| open_terminal(&self.process, report));
            wanted.transpose()
        });
        match terminal {
            Ok(terminal) if self.supervises() => supervise(finish, exec.own, terminal, report),
            Ok(terminal) => finish.run(terminal.as_ref().map(AsFd::as_fd), report),
            Err(status) => status,
        }
    }
}

enum Outcome {
    Known(CreateError),
    Died,
}

/// Listens until the program runs. Warnings are those that the first process had already.
fn outcome(reader: &Reader, command: &Command, supervised: bool) -> Result<(), Outcome> {
    let mut ready = false;
    loop {
        let message = reader
            .next()
            .map_err(failed("hear from", "the command"))
            .map_err(Outcome::Known)?;
        match message {
            Message::Warned(..) => {}
            Message::Ready => ready = true,
            Message::Runs if ready && supervised => return Ok(()),
            Message::End if ready && !supervised => return Ok(()),
            Message::End => return Err(Outcome::Died),
            Message::Runs | Message::Ended(_) if supervised => {}
            Message::Runs | Message::Ended(_) => return Err(Outcome::Known(CreateError::Protocol)),
            Message::Failed(place, errno) => {
                let error = CreateError::of(place, errno, &command.name, command.searched);
                return Err(Outcome::Known(error.unwrap_or_else(|| CreateError::Step {
                    operation: match place {
                        Place::Part(part) => {
                            format!("{} for a command in the container", part.operation())
                        }
                        Place::Step(_) => "run a command in the container".to_owned(),
                    },
                    source: errno.into(),
                })));
            }
        }
    }
}

/// Waits for the end of a process that comes to nothing. One that stands over a command ends by itself when
/// it has waited for that: killed before, it would leave it to the container's first process.
fn end(child: &Child, supervised: bool) {
    if supervised {
        let mut ended = [PollFd::new(&child.pidfd, PollFlags::IN)];
        // However this goes, the signal ends it.
        let _ = poll(&mut ended, Some(&GOES_WITHIN));
    }
    // A child that has ended already refuses the signal; it is waited for all the same.
    let _ = pidfd::send_signal(&child.pidfd, 9);
    let _ = pidfd::wait(&child.pidfd);
}
