//! How do people get at what runs in a container: with a command on streams of their own, or at the
//! streams of its first process?

use std::os::fd::{AsFd, OwnedFd};

use outrigger_runtime::ExecProcess;
use outrigger_wire::cri_log::Stream;
use outrigger_wire::{Interact, Message, Refusal, Reply, Streams};

use crate::container::Container;
use crate::exec::{Asker, Running};
use crate::pump;
use crate::refusal::{failed, misplaced};
use crate::shim::Shim;

/// How many pipes may get copies of one container's output. The kernel keeps up to a mebibyte for
/// each of them.
const MAX_LISTENERS: usize = 32;

/// What goes beside an answer.
struct Given {
    streams: Streams,
    descriptors: Vec<OwnedFd>,
}

impl Shim {
    /// Runs a command and gives the other ends of its streams away.
    pub(crate) fn interact(&mut self, asker: Asker, asked: &Interact) -> Result<(), Refusal> {
        let serial = self.serial();
        let container = self.running(&asked.container)?;
        let (running, given) = if asked.tty {
            on_a_terminal(serial, asker, asked, container)?
        } else {
            on_pipes(serial, asker, asked, container)?
        };
        self.execs.push(running);
        self.give(asker, given);
        Ok(())
    }

    /// Gives ends at which a container's own streams can be read and written.
    pub(crate) fn attach(&mut self, asker: Asker, id: &str, stdin: bool) -> Result<(), Refusal> {
        let container = self.running_mut(id)?;
        if container.pump.listeners() >= MAX_LISTENERS {
            return Err(misplaced(format!(
                "container {id} has {MAX_LISTENERS} attached readers already; end some of them"
            )));
        }
        let given = container.ends(stdin)?;
        self.give(asker, given);
        Ok(())
    }

    /// A container whose first process runs.
    pub(crate) fn running(&self, id: &str) -> Result<&Container, Refusal> {
        let mut containers = self.containers.iter();
        let found = containers.find(|one| one.id == id && one.is_running());
        found.ok_or_else(|| misplaced(format!("container {id} is not running")))
    }

    pub(crate) fn running_mut(&mut self, id: &str) -> Result<&mut Container, Refusal> {
        let mut containers = self.containers.iter_mut();
        let found = containers.find(|one| one.id == id && one.is_running());
        found.ok_or_else(|| misplaced(format!("container {id} is not running")))
    }

    fn give(&mut self, asker: Asker, given: Given) {
        let message = Message::Reply {
            id: asker.call,
            result: Ok(Reply::Streams(given.streams)),
        };
        self.send(asker.peer, &message, given.descriptors);
    }
}

fn on_a_terminal(
    serial: u64,
    asker: Asker,
    asked: &Interact,
    container: &Container,
) -> Result<(Running, Given), Refusal> {
    let null = null()?;
    let process = ExecProcess {
        args: &asked.args,
        cgroups: &[],
        own: None,
        stdin: None,
        stdout: null.as_fd(),
        stderr: null.as_fd(),
        terminal: true,
    };
    let (running, terminal) = Running::interact(serial, asker, &process, container)?;
    let given = Given {
        streams: Streams {
            terminal: terminal.is_some(),
            ..Streams::default()
        },
        descriptors: terminal.into_iter().collect(),
    };
    Ok((running, given))
}

fn on_pipes(
    serial: u64,
    asker: Asker,
    asked: &Interact,
    container: &Container,
) -> Result<(Running, Given), Refusal> {
    let null = null()?;
    let pair = |wanted: bool, made: fn() -> Result<(OwnedFd, OwnedFd), pump::PipeError>| {
        let pipe = wanted.then(made).transpose();
        pipe.map_err(|error| failed(&error)).map(Option::unzip)
    };
    let (stdin, to_stdin) = pair(asked.stdin, pump::pipe_to_write)?;
    let (from_stdout, stdout) = pair(asked.stdout, pump::pipe)?;
    let (from_stderr, stderr) = pair(asked.stderr, pump::pipe)?;
    let process = ExecProcess {
        args: &asked.args,
        cgroups: &[],
        own: None,
        stdin: stdin.as_ref().map(AsFd::as_fd),
        stdout: stdout.as_ref().unwrap_or(&null).as_fd(),
        stderr: stderr.as_ref().unwrap_or(&null).as_fd(),
        terminal: false,
    };
    let (running, _) = Running::interact(serial, asker, &process, container)?;
    let given = Given {
        streams: Streams {
            stdin: asked.stdin,
            stdout: asked.stdout,
            stderr: asked.stderr,
            terminal: false,
        },
        descriptors: [to_stdin, from_stdout, from_stderr]
            .into_iter()
            .flatten()
            .collect(),
    };
    Ok((running, given))
}

fn null() -> Result<OwnedFd, Refusal> {
    let opened = std::fs::File::options().write(true).open("/dev/null");
    opened
        .map(OwnedFd::from)
        .map_err(|error| misplaced(format!("open /dev/null: {error}")))
}

impl Container {
    fn ends(&mut self, stdin: bool) -> Result<Given, Refusal> {
        let copy = |descriptor: &OwnedFd| {
            let copied = descriptor.try_clone();
            copied.map_err(|error| misplaced(format!("copy a descriptor: {error}")))
        };
        let stdout = self.pump.listen(Stream::Stdout);
        let stdout = stdout.map_err(|error| failed(&error))?;
        if let Some(terminal) = &self.terminal {
            let streams = Streams {
                stdout: true,
                terminal: true,
                ..Streams::default()
            };
            let descriptors = vec![stdout, copy(terminal)?];
            return Ok(Given {
                streams,
                descriptors,
            });
        }
        let stderr = self.pump.listen(Stream::Stderr);
        let stderr = stderr.map_err(|error| failed(&error))?;
        let input = match &self.stdin {
            // Nobody else holds it then, so that it ends with this one.
            Some(_) if stdin && self.stdin_once => self.stdin.take(),
            Some(open) if stdin => Some(copy(open)?),
            _ => None,
        };
        let streams = Streams {
            stdin: input.is_some(),
            stdout: true,
            stderr: true,
            terminal: false,
        };
        let descriptors = input.into_iter().chain([stdout, stderr]).collect();
        Ok(Given {
            streams,
            descriptors,
        })
    }
}
