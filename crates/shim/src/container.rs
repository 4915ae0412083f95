//! How does a container start, and how does it end?

use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::PathBuf;

use outrigger_runtime::cgroup::{Cgroup, Level};
use outrigger_sys::clock::boot_ns;
use outrigger_sys::pidfd::Exit;
use outrigger_wire::{EventKind, ExecResult, Refusal, Stamp, Start};

use crate::clock::{MS, stamp};
use crate::launch::{launch, read};
use crate::lent;
use crate::log_file::LogFile;
use crate::pod::Sandbox;
use crate::pump::Pump;
use crate::refusal::{chain, failed, misplaced};
use crate::shim::Shim;

/// How long an ended container's other processes may take to die before its end is told all the
/// same: such a process hangs in the kernel and may do so for ever.
const PATIENCE_NS: u64 = 5000 * MS;
/// The longest pause between two looks at them.
const MAX_PAUSE_NS: u64 = 50 * MS;

/// A container that was started, until it is removed.
#[derive(Debug)]
pub(crate) struct Container {
    pub(crate) serial: u64,
    pub(crate) id: String,
    pub(crate) process: outrigger_runtime::Container,
    pub(crate) cgroup: Cgroup,
    pub(crate) pump: Pump,
    /// Where its stdin is written, until somebody has taken it over.
    pub(crate) stdin: Option<OwnedFd>,
    /// Whether the first who takes part in its stdin takes it over.
    pub(crate) stdin_once: bool,
    /// The controlling side of its terminal. Kept to its end, so that it does not hang up.
    pub(crate) terminal: Option<OwnedFd>,
    /// Whether its stop signal has been sent.
    pub(crate) signalled: bool,
    /// What the commands with a name gave that have ended.
    pub(crate) results: Vec<(String, ExecResult)>,
    /// The file of its termination message.
    message: Option<PathBuf>,
    phase: Phase,
}

/// How far its life has come.
#[derive(Debug)]
enum Phase {
    /// The first process runs.
    Running,
    /// The first process has ended, others die.
    Ending(Ending),
    /// Nothing runs, and the ledger has it.
    Ended,
}

#[derive(Debug, Clone, Copy)]
struct Ending {
    at: Stamp,
    exit: Exit,
    next_look_ns: u64,
    pause_ns: u64,
}

impl Container {
    /// Makes and starts a container, in the PID namespace of the process behind a pidfd if one is
    /// given.
    pub(crate) fn start(
        serial: u64,
        start: Start,
        sandbox: &Sandbox,
        joined: Option<BorrowedFd<'_>>,
    ) -> Result<Container, Refusal> {
        let spec = read(&start)?;
        let linux = spec.linux().as_ref();
        let path = linux.and_then(|linux| linux.cgroups_path().as_ref()?.to_str());
        let path =
            path.ok_or_else(|| misplaced("config.json of the bundle has no linux.cgroupsPath"))?;
        let log = LogFile::open(start.log.clone()).map_err(|error| failed(&error))?;
        let resources = linux
            .and_then(|linux| linux.resources().clone())
            .unwrap_or_default();
        let cgroup = sandbox
            .layout
            .create(path, &resources, Level::Container)
            .map_err(|error| failed(&error))?;
        let message = start.message.clone();
        let made = message.as_deref().map_or(Ok(()), lent::make);
        match made.and_then(|()| launch(&start, &spec, &cgroup, sandbox, joined)) {
            Ok(launched) => Ok(Container {
                serial,
                id: start.container,
                process: launched.process,
                cgroup,
                pump: Pump::new(launched.stdout, launched.stderr, log),
                stdin: launched.stdin,
                stdin_once: start.stdio.stdin_once,
                terminal: launched.terminal,
                signalled: false,
                results: Vec::new(),
                message,
                phase: Phase::Running,
            }),
            Err(mut refusal) => {
                // What is left of it goes with the Pod.
                message.as_deref().and_then(|path| lent::remove(path).ok());
                if let Err(left) = cgroup.remove() {
                    refusal.message = format!("{}; and then: {}", refusal.message, chain(&left));
                }
                Err(refusal)
            }
        }
    }

    /// Whether its first process has not been waited for.
    pub(crate) fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running)
    }

    /// Whether nothing of it runs and the ledger has its end.
    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended)
    }

    /// When its dying processes are to be looked at.
    pub(crate) fn next_look_ns(&self) -> Option<u64> {
        match &self.phase {
            Phase::Ending(ending) => Some(ending.next_look_ns),
            _ => None,
        }
    }

    /// Sends SIGKILL to everything in it.
    pub(crate) fn kill(&self) -> Result<(), String> {
        let Err(error) = self.cgroup.kill_all() else {
            return Ok(());
        };
        // At least the first process, and with a PID namespace of its own that is all of them.
        let first = if self.is_running() {
            outrigger_sys::pidfd::send_signal(&self.process.pidfd, 9)
        } else {
            Ok(())
        };
        let and = first
            .err()
            .map(|errno| format!("; and its first process: {errno}"))
            .unwrap_or_default();
        Err(format!("{}{and}", chain(&error)))
    }
}

impl Shim {
    /// A container's first process has ended.
    pub(crate) fn container_exited(&mut self, serial: u64) {
        let Some(container) = self.containers.iter_mut().find(|one| one.serial == serial) else {
            return;
        };
        if !container.is_running() {
            return;
        }
        let exit = match outrigger_sys::pidfd::try_wait(&container.process.pidfd) {
            Ok(Some(exit)) => exit,
            Ok(None) => return,
            // Only a child that somebody else waited for is no child any more. Nobody else does.
            Err(errno) => {
                let id = container.id.clone();
                self.complain(format!("wait for container {id}: {errno}"));
                return;
            }
        };
        let ending = Ending {
            at: stamp(),
            exit,
            next_look_ns: 0,
            pause_ns: MS,
        };
        container.phase = Phase::Ending(ending);
        let killed = match container.cgroup.is_empty() {
            Ok(true) => Ok(()),
            _ => container.kill(),
        };
        killed.unwrap_or_else(|complaint| self.complain(complaint));
        self.look_at_endings(boot_ns());
    }

    /// Tells the end of those containers in which nothing runs any more.
    pub(crate) fn look_at_endings(&mut self, now_ns: u64) {
        let mut complaints = Vec::new();
        for container in &mut self.containers {
            let Phase::Ending(ending) = &mut container.phase else {
                continue;
            };
            if ending.next_look_ns > now_ns {
                continue;
            }
            let patient = now_ns < ending.at.boot_ns + PATIENCE_NS;
            match container.cgroup.is_empty() {
                Ok(false) if patient => {
                    ending.next_look_ns = now_ns + ending.pause_ns;
                    ending.pause_ns = (2 * ending.pause_ns).min(MAX_PAUSE_NS);
                    continue;
                }
                Ok(true) => {}
                Ok(false) => complaints.push(format!(
                    "container {}: a process survives SIGKILL",
                    container.id
                )),
                Err(error) => complaints.push(chain(&error)),
            }
            container.pump.drain(&mut self.buffers);
            let oom_kills = container.cgroup.oom_kills().unwrap_or_else(|error| {
                complaints.push(chain(&error));
                0
            });
            let (code, signal) = match ending.exit {
                Exit::Code(code) => (code, None),
                Exit::Signal(signal) => (128 + signal, Some(signal)),
            };
            let (at, container_id) = (ending.at, container.id.clone());
            container.phase = Phase::Ended;
            (container.stdin, container.terminal) = (None, None);
            let oom_killed = oom_kills > 0;
            let message = container.message.take();
            self.ledger.note(
                at,
                EventKind::Exited {
                    container: container_id,
                    code,
                    signal,
                    oom_killed,
                    message: message.as_deref().map(lent::take),
                },
            );
        }
        complaints
            .into_iter()
            .for_each(|complaint| self.complain(complaint));
        self.publish();
    }
}
