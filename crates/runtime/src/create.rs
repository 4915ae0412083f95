//! How does a bundle become a process that is ready to start, and what went wrong if not?

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::rc::Rc;

use oci_spec::runtime::Spec;
use outrigger_sys::Errno;
use outrigger_sys::clone::{Child, Namespaces, spawn};
use outrigger_sys::{namespace, pidfd, signals};

use crate::cgroup::Join;
use crate::compile::{PidFrom, Program, compile};
use crate::container::Container;
use crate::failure::{CreateError, failed};
use crate::init::{Finish, ForChild, Init, Message, Part, Place, Reader, Report};
use crate::pod::Reaper;
use crate::rootfs::Overlay;
use crate::seccomp::Filters;

/// What a container is made of.
#[derive(Debug, Clone, Copy)]
pub struct Create<'a> {
    /// The bundle's `config.json`.
    pub spec: &'a Spec,
    /// The bundle's directory; relative paths of the specification begin there.
    pub bundle: &'a Path,
    /// What becomes the root file system.
    pub rootfs: RootFs<'a>,
    /// The group that the first process enters.
    pub cgroup: &'a Join,
    /// The first process' standard input, `/dev/null` if there is none. Where the specification
    /// asks for a terminal, that takes the place of this and the next two.
    pub stdin: Option<BorrowedFd<'a>>,
    /// The first process' standard output.
    pub stdout: BorrowedFd<'a>,
    /// The first process' standard error.
    pub stderr: BorrowedFd<'a>,
    /// The Pod's shared PID namespace. A specification that asks for a PID namespace without a
    /// path gets this one instead.
    pub shared_pid: Option<&'a Reaper>,
    /// The pidfd of a process whose PID namespace it gets instead of any other, unless the
    /// specification names one by a path.
    pub pid_of: Option<BorrowedFd<'a>>,
    /// Where compiled seccomp profiles are kept.
    pub filters: &'a Filters,
}

impl<'a> Create<'a> {
    fn pid_from(&self) -> PidFrom<'a> {
        match (self.pid_of, self.shared_pid) {
            (Some(pidfd), _) => PidFrom::Process(pidfd),
            (None, Some(reaper)) => PidFrom::Reaper(reaper),
            (None, None) => PidFrom::New,
        }
    }
}

/// A container's root file system.
#[derive(Debug, Clone, Copy)]
pub enum RootFs<'a> {
    /// The directory `root.path` of the specification, as it is.
    Directory,
    /// This overlay. It is attached at `root.path` in the container's mount namespace only, and
    /// can be dropped when the container has been made.
    Overlay(&'a Overlay),
}

/// A container whose first process is all but the program. Dropping it kills and reaps that.
#[derive(Debug)]
pub struct Created {
    child: Option<Child>,
    reader: Reader,
    program: Program,
    /// Whether the first process of its PID namespace is a reaper.
    reaped: bool,
}

/// Makes a container and lets it wait for [`Created::start`].
///
/// # Errors
/// When the specification cannot be carried out, or the kernel refuses a step. Nothing is left
/// then.
pub fn create(create: &Create<'_>) -> Result<Created, CreateError> {
    make(create, true)
}

/// Makes a container and starts its program.
///
/// # Errors
/// As [`create`] and [`Created::start`]. Nothing is left then.
pub fn launch(create: &Create<'_>) -> Result<Container, CreateError> {
    make(create, false)?.finish()
}

fn make(create: &Create<'_>, hold: bool) -> Result<Created, CreateError> {
    let overlay = match create.rootfs {
        RootFs::Directory => None,
        RootFs::Overlay(overlay) => Some(overlay.as_fd()),
    };
    let program = compile(
        create.spec,
        create.bundle,
        create.pid_from(),
        create.filters,
    )?;
    let null = null_input()?;
    signals::remember_ignored();
    let (reader, child_end) =
        Reader::pair().map_err(failed("make", "a socket for the container"))?;
    let child = {
        let finish = Finish {
            process: &program.process,
            command: &program.command,
            env: None,
            stdio: [
                create.stdin.unwrap_or(null.as_fd()),
                create.stdout,
                create.stderr,
            ],
            hold,
            parent: None,
        };
        let parents_end = ForChild::new(Some(reader));
        let child = in_pid_namespace(program.membership.pid.as_ref().map(AsFd::as_fd), || {
            spawn(
                program.membership.cloned,
                create.cgroup.unified.as_ref().map(AsFd::as_fd),
                || {
                    // Kept open here, it would hide from the child that its parent is gone.
                    drop(parents_end.take());
                    let report = Report::new(child_end.as_fd());
                    Init::new(&report, &[create.cgroup], overlay, &program.process)
                        .run(&program.steps, &finish)
                },
            )
        });
        (
            child.map_err(failed("make", "the container's first process"))?,
            parents_end.take(),
        )
    };
    let (child, Some(reader)) = child else {
        return Err(CreateError::Protocol);
    };
    drop(child_end);
    let mut created = Created {
        child: Some(child),
        reader,
        program,
        reaped: create.shared_pid.is_some(),
    };
    created.until_ready()?;
    Ok(created)
}

/// Runs `spawn` while children are born into a PID namespace that exists, and turns back.
pub(crate) fn in_pid_namespace(
    target: Option<BorrowedFd<'_>>,
    spawn: impl FnOnce() -> Result<Child, Errno>,
) -> Result<Child, Errno> {
    let Some(target) = target else { return spawn() };
    let own = own_pid_namespace()?;
    namespace::enter(target, Namespaces::PID)?;
    let child = spawn();
    namespace::enter(&own, Namespaces::PID)?;
    child
}

fn own_pid_namespace() -> Result<OwnedFd, Errno> {
    use rustix::fs::{Mode, OFlags, open};
    open(
        c"/proc/self/ns/pid",
        OFlags::RDONLY | OFlags::CLOEXEC,
        Mode::empty(),
    )
}

pub(crate) fn null_input() -> Result<OwnedFd, CreateError> {
    use rustix::fs::{Mode, OFlags, open};
    let opened = open(
        c"/dev/null",
        OFlags::RDONLY | OFlags::CLOEXEC,
        Mode::empty(),
    );
    opened.map_err(failed("open", "/dev/null"))
}

impl Created {
    /// The first process' id as the caller sees it.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, |child| child.pid)
    }

    /// Lets the first process become the program.
    ///
    /// # Errors
    /// When the program cannot be found or executed; the container is gone then.
    pub fn start(self) -> Result<Container, CreateError> {
        self.reader
            .go()
            .map_err(failed("start", "the container's first process"))?;
        self.finish()
    }

    fn until_ready(&mut self) -> Result<(), CreateError> {
        loop {
            match self.next()? {
                Message::Ready => return Ok(()),
                Message::Warned(place, errno) => {
                    let operation = self.operation(place);
                    self.program.warnings.push(format!(
                        "could not {operation}: {errno}; it was left as it is"
                    ));
                }
                Message::Failed(place, errno) => return Err(self.failure(place, errno)),
                Message::End => return Err(self.died()),
                Message::Runs | Message::Ended(_) => return Err(CreateError::Protocol),
            }
        }
    }

    fn finish(mut self) -> Result<Container, CreateError> {
        match self.next()? {
            Message::End => {}
            Message::Failed(place, errno) => return Err(self.failure(place, errno)),
            _ => return Err(CreateError::Protocol),
        }
        let child = self.child.take().ok_or(CreateError::Protocol)?;
        Ok(Container {
            pid: child.pid,
            pidfd: child.pidfd,
            terminal: self.reader.terminal(),
            warnings: std::mem::take(&mut self.program.warnings),
            process: Rc::clone(&self.program.process),
            namespaces: self.program.namespaces,
            reaped: self.reaped,
        })
    }

    fn next(&self) -> Result<Message, CreateError> {
        self.reader
            .next()
            .map_err(failed("hear from", "the container's first process"))
    }

    fn operation(&self, place: Place) -> String {
        match place {
            Place::Part(part @ (Part::Directory | Part::Outside)) => {
                let directory = self.program.process.cwd.to_string_lossy();
                format!("{} ({directory})", part.operation())
            }
            Place::Part(part) => part.operation().to_owned(),
            Place::Step(index) => self
                .program
                .steps
                .get(index as usize)
                .map_or_else(String::new, ToString::to_string),
        }
    }

    fn failure(&self, place: Place, errno: Errno) -> CreateError {
        CreateError::of(
            place,
            errno,
            &self.program.command.name,
            self.program.command.searched,
        )
        .unwrap_or_else(|| CreateError::Step {
            operation: self.operation(place),
            source: errno.into(),
        })
    }

    fn died(&mut self) -> CreateError {
        let exit = self.child.take().map(|child| pidfd::wait(&child.pidfd));
        match exit {
            Some(Ok(exit)) => CreateError::Died { exit },
            _ => CreateError::Protocol,
        }
    }
}

impl Drop for Created {
    fn drop(&mut self) {
        if let Some(child) = &self.child {
            // A child that has ended already refuses the signal; it is waited for all the same.
            let _ = pidfd::send_signal(&child.pidfd, 9);
            let _ = pidfd::wait(&child.pidfd);
        }
    }
}
