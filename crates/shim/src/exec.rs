//! How is a command run in a container, and what becomes of all that it starts?

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use outrigger_runtime::ExecProcess;
use outrigger_runtime::cgroup::Cgroup;
use outrigger_sys::clock::boot_ns;
use outrigger_sys::pidfd::{self, Exit};
use outrigger_wire::{Exec, ExecResult, Refusal, Reply};
use rustix::io::Errno;

use crate::buffers::Buffers;
use crate::clock::MS;
use crate::container::Container;
use crate::pump;
use crate::refusal::{chain, failed, not_started};
use crate::shim::Shim;

/// How many reads its output gets before something else has its turn.
const READS_A_TURN: usize = 16;

/// A command that runs in a container.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) serial: u64,
    /// The connection that asked for it.
    pub(crate) peer: u64,
    /// The call to answer.
    pub(crate) call: u64,
    pub(crate) pid: u32,
    pidfd: OwnedFd,
    cgroup: Cgroup,
    output: Option<OwnedFd>,
    kept: Vec<u8>,
    limit: usize,
    deadline_ns: Option<u64>,
    timed_out: bool,
}

impl Running {
    /// Starts the command in a group of its own below the container's.
    pub(crate) fn start(
        serial: u64,
        from: (u64, u64),
        exec: Exec,
        container: &Container,
    ) -> Result<Running, Refusal> {
        let (peer, call) = from;
        let cgroup = container
            .cgroup
            .sub(&format!("exec-{serial}"))
            .map_err(|error| failed(&error))?;
        let started = || {
            let (output, to_output) = pump::pipe().map_err(|error| failed(&error))?;
            let join = cgroup.join().map_err(|error| failed(&error))?;
            let process = ExecProcess {
                args: &exec.args,
                cgroups: &[&join],
                stdout: to_output.as_fd(),
                stderr: to_output.as_fd(),
            };
            let execed = container
                .process
                .exec(&process)
                .map_err(|error| not_started(&error))?;
            Ok((execed, output))
        };
        match started() {
            Ok((execed, output)) => Ok(Running {
                serial,
                peer,
                call,
                pid: execed.pid,
                pidfd: execed.pidfd,
                cgroup,
                output: Some(output),
                kept: Vec::new(),
                limit: exec.output_limit,
                deadline_ns: exec
                    .timeout_ms
                    .map(|limit_ms| boot_ns().saturating_add(limit_ms.saturating_mul(MS))),
                timed_out: false,
            }),
            Err(refusal) => Err(without_group(&cgroup, refusal)),
        }
    }

    /// The pipe to wait for.
    pub(crate) fn output(&self) -> Option<BorrowedFd<'_>> {
        self.output.as_ref().map(AsFd::as_fd)
    }

    /// Readable when the command has ended.
    pub(crate) fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// When it will have run for too long.
    pub(crate) fn deadline_ns(&self) -> Option<u64> {
        self.deadline_ns
    }

    /// Kills it with all its descendants.
    pub(crate) fn kill(&self) -> Result<(), String> {
        self.cgroup.kill_all().map_err(|error| chain(&error))
    }

    /// Reads output and keeps what is below the limit; the rest is read all the same, so that the
    /// command is never stopped by a full pipe.
    pub(crate) fn read(&mut self, buffers: &mut Buffers) {
        for _ in 0..READS_A_TURN {
            let Some(pipe) = &self.output else { return };
            buffers.prepare();
            match rustix::io::read(pipe, &mut buffers.input) {
                Ok(0) => self.output = None,
                Ok(count) => {
                    let room = self.limit.saturating_sub(self.kept.len());
                    self.kept
                        .extend_from_slice(&buffers.input[..count.min(room)]);
                    buffers.is_filled_by(count);
                }
                Err(Errno::INTR) => {}
                Err(_) => return,
            }
        }
    }
}

fn without_group(cgroup: &Cgroup, mut refusal: Refusal) -> Refusal {
    if let Err(left) = cgroup.remove() {
        refusal.message = format!("{}; and then: {}", refusal.message, chain(&left));
    }
    refusal
}

impl Shim {
    /// A command has ended: it is answered as soon as nothing that it started can run on.
    pub(crate) fn exec_exited(&mut self, serial: u64) {
        let Some(at) = self.execs.iter().position(|exec| exec.serial == serial) else {
            return;
        };
        let exit = match pidfd::try_wait(&self.execs[at].pidfd) {
            Ok(Some(exit)) => exit,
            Ok(None) => return,
            Err(errno) => {
                self.complain(format!("wait for an exec: {errno}"));
                // Nobody else waits for it, so this cannot be; 255 is what an unknown end is told as.
                Exit::Code(255)
            }
        };
        let mut exec = self.execs.swap_remove(at);
        if !exec.cgroup.is_empty().unwrap_or(false)
            && let Err(complaint) = exec.kill()
        {
            self.complain(complaint);
        }
        exec.read(&mut self.buffers);
        let code = match exit {
            Exit::Code(code) => code,
            Exit::Signal(signal) => 128 + signal,
        };
        let output = String::from_utf8_lossy(&exec.kept).into_owned();
        let result = ExecResult {
            code,
            timed_out: exec.timed_out,
            output,
        };
        self.reply(exec.peer, exec.call, Ok(Reply::ExecDone(result)));
        if let Err(left) = exec.cgroup.remove() {
            self.complain(chain(&left));
        }
    }

    /// Kills the commands whose time is over. They are answered when they have ended.
    pub(crate) fn end_late_execs(&mut self, now_ns: u64) {
        let mut complaints = Vec::new();
        for exec in &mut self.execs {
            if exec.deadline_ns.is_some_and(|deadline| deadline <= now_ns) {
                exec.deadline_ns = None;
                exec.timed_out = true;
                complaints.extend(exec.kill().err());
            }
        }
        complaints
            .into_iter()
            .for_each(|complaint| self.complain(complaint));
    }
}
