//! How does a further command come into a container that runs: a probe, a hook, a person's shell?

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use outrigger_sys::clone::{Child, Namespaces, spawn};
use outrigger_sys::{pidfd, signals};

use crate::cgroup::Join;
use crate::compile::Command;
use crate::container::Container;
use crate::create::{in_pid_namespace, null_input};
use crate::failure::{CreateError, failed};
use crate::init::{Finish, ForChild, Message, Reader, Report, enter, open_terminal};

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
    /// The groups it enters: all v1 files of all in this order, and of the v2 directories the last.
    pub cgroups: &'a [&'a Join],
}

/// A further command that runs. Dropping the value leaves it alone.
#[derive(Debug)]
pub struct Execed {
    /// Its process id as the caller sees it.
    pub pid: u32,
    /// Its pidfd.
    pub pidfd: OwnedFd,
    /// The controlling side of its terminal, if it asked for one.
    pub terminal: Option<OwnedFd>,
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
        };
        let unified = exec
            .cgroups
            .iter()
            .rev()
            .find_map(|join| join.unified.as_ref());
        let namespaces = self.namespaces.without(Namespaces::PID);
        let pid_namespace = self
            .namespaces
            .has(Namespaces::PID)
            .then(|| self.pidfd.as_fd());
        let (reader, child_end) =
            Reader::pair().map_err(failed("make", "a socket for the command"))?;
        let parents_end = ForChild::new(Some(reader));
        let child = in_pid_namespace(pid_namespace, || {
            spawn(Namespaces::NONE, unified.map(AsFd::as_fd), || {
                drop(parents_end.take());
                let report = Report::new(child_end.as_fd());
                let score = self.process.oom_score_adj.as_deref();
                let entered = enter(self.pidfd.as_fd(), namespaces, exec.cgroups, score, &report);
                let terminal = entered.and_then(|()| {
                    let wanted = exec.terminal.then(|| open_terminal(&self.process, &report));
                    wanted.transpose()
                });
                match terminal {
                    Ok(terminal) => finish.run(terminal.as_ref().map(AsFd::as_fd), &report),
                    Err(status) => status,
                }
            })
        });
        let child = child.map_err(failed("make a process in", "the container"))?;
        drop(child_end);
        let reader = parents_end.take().ok_or(CreateError::Protocol)?;
        match outcome(&reader, &command) {
            Ok(()) => Ok(Execed {
                pid: child.pid,
                pidfd: child.pidfd,
                terminal: reader.terminal(),
            }),
            Err(Outcome::Known(error)) => {
                end(&child);
                Err(error)
            }
            Err(Outcome::Died) => Err(pidfd::wait(&child.pidfd)
                .map_or(CreateError::Protocol, |exit| CreateError::Died { exit })),
        }
    }
}

enum Outcome {
    Known(CreateError),
    Died,
}

/// Listens until the program runs. Warnings are those that the first process had already.
fn outcome(reader: &Reader, command: &Command) -> Result<(), Outcome> {
    let mut ready = false;
    loop {
        let message = reader
            .next()
            .map_err(failed("hear from", "the command"))
            .map_err(Outcome::Known)?;
        match message {
            Message::Warned(..) => {}
            Message::Ready => ready = true,
            Message::End if ready => return Ok(()),
            Message::End => return Err(Outcome::Died),
            Message::Failed(place, errno) => {
                let error = CreateError::of(place, errno, &command.name, command.searched);
                return Err(Outcome::Known(error.unwrap_or_else(|| CreateError::Step {
                    operation: match place {
                        crate::init::Place::Part(part) => {
                            format!("{} for a command in the container", part.operation())
                        }
                        crate::init::Place::Step(_) => "run a command in the container".to_owned(),
                    },
                    source: errno.into(),
                })));
            }
        }
    }
}

fn end(child: &Child) {
    // A child that has ended already refuses the signal; it is waited for all the same.
    let _ = pidfd::send_signal(&child.pidfd, 9);
    let _ = pidfd::wait(&child.pidfd);
}
