//! How is a command run in a container, and what becomes of all that it starts?

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use outrigger_runtime::cgroup::Cgroup;
use outrigger_runtime::{ExecProcess, Execed, News, Notice};
use outrigger_sys::clock::boot_ns;
use outrigger_sys::pidfd::{self, Exit};
use outrigger_wire::{Exec, ExecResult, Message, Refusal, Reply};
use rustix::io::Errno;

use crate::buffers::Buffers;
use crate::clock::MS;
use crate::container::Container;
use crate::pump;
use crate::refusal::{chain, failed, not_started};
use crate::shim::Shim;

/// How many reads its output gets before something else has its turn.
const READS_A_TURN: usize = 16;
/// How long a killed command's supervisor may take to wait for it: the container may have stopped it.
const KILLED_GOES_WITHIN_NS: u64 = 1000 * MS;

/// The same numbers on every machine that is supported.
const SIGKILL: i32 = 9;
const SIGCONT: i32 = 18;

/// A call that waits for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asker {
    /// The connection.
    pub(crate) peer: u64,
    /// The call's id.
    pub(crate) call: u64,
}

/// A command that runs in a container.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) serial: u64,
    /// Who wants to know how it ends.
    pub(crate) askers: Vec<Asker>,
    /// The process id of the command or, if there is one, of its supervisor.
    pub(crate) pid: u32,
    pidfd: OwnedFd,
    /// Where its supervisor, if it has one, tells of its end.
    notice: Option<Notice>,
    cgroup: Cgroup,
    /// The serial of its container.
    container: u64,
    purpose: Purpose,
    deadline_ns: Option<u64>,
    /// When a supervisor that does not tell of the killed command's end is killed too.
    patience_ns: Option<u64>,
    timed_out: bool,
}

/// What becomes of what it writes.
#[derive(Debug)]
enum Purpose {
    /// It goes into the answer.
    Told(Kept),
    /// The node has the other ends itself.
    Interactive,
}

#[derive(Debug)]
struct Kept {
    output: Option<OwnedFd>,
    kept: Vec<u8>,
    limit: usize,
    token: Option<String>,
}

impl Running {
    /// Starts a command whose answer tells what it wrote.
    pub(crate) fn start(
        serial: u64,
        asker: Asker,
        exec: Exec,
        container: &Container,
    ) -> Result<Running, Refusal> {
        let (output, to_output) = pump::pipe().map_err(|error| failed(&error))?;
        let process = ExecProcess {
            args: &exec.args,
            cgroups: &[],
            own: None,
            stdin: None,
            stdout: to_output.as_fd(),
            stderr: to_output.as_fd(),
            terminal: false,
        };
        let purpose = Purpose::Told(Kept {
            output: Some(output),
            kept: Vec::new(),
            limit: exec.output_limit,
            token: exec.token,
        });
        let (mut running, _) = launch(serial, asker, &process, purpose, container)?;
        running.deadline_ns = exec
            .timeout_ms
            .map(|limit_ms| boot_ns().saturating_add(limit_ms.saturating_mul(MS)));
        Ok(running)
    }

    /// Starts a command on these streams, or on a terminal whose controlling side it gives.
    pub(crate) fn interact(
        serial: u64,
        asker: Asker,
        process: &ExecProcess<'_>,
        container: &Container,
    ) -> Result<(Running, Option<OwnedFd>), Refusal> {
        launch(serial, asker, process, Purpose::Interactive, container)
    }

    /// Whether it is the command with this name in the container.
    pub(crate) fn is_named(&self, container: u64, wanted: &str) -> bool {
        let Purpose::Told(told) = &self.purpose else {
            return false;
        };
        self.container == container && told.token.as_deref() == Some(wanted)
    }

    /// Whether it goes on though nobody waits for it any more.
    pub(crate) fn outlives_askers(&self) -> bool {
        matches!(&self.purpose, Purpose::Told(Kept { token: Some(_), .. }))
    }

    /// The pipe to wait for.
    pub(crate) fn output(&self) -> Option<BorrowedFd<'_>> {
        match &self.purpose {
            Purpose::Told(told) => told.output.as_ref().map(AsFd::as_fd),
            Purpose::Interactive => None,
        }
    }

    /// One of them is readable when the command has ended.
    pub(crate) fn ends(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let notice = self.notice.as_ref().map(Notice::descriptor);
        notice.into_iter().chain([self.pidfd.as_fd()])
    }

    /// When it is to be looked at, though nothing has come of it.
    pub(crate) fn deadline_ns(&self) -> Option<u64> {
        self.deadline_ns.into_iter().chain(self.patience_ns).min()
    }

    /// Kills it with all its descendants.
    pub(crate) fn kill(&mut self) -> Result<(), String> {
        if self.notice.is_some() {
            // Its supervisor is not of its group, and waits for it; it does so if it is not stopped.
            let _gone = pidfd::send_signal(&self.pidfd, SIGCONT);
            self.patience_ns = Some(boot_ns() + KILLED_GOES_WITHIN_NS);
        }
        self.cgroup.kill_all().map_err(|error| chain(&error))
    }

    /// How it has ended, if it has.
    fn ended(&mut self) -> Result<Option<Exit>, Errno> {
        match self.notice.as_ref().map(Notice::take) {
            // Its supervisor goes when what it has left is dead, and is waited for as an orphan.
            Some(News::Ended(code)) => return Ok(Some(Exit::Code(code))),
            Some(News::Over) => self.notice = None,
            Some(News::None) | None => {}
        }
        pidfd::try_wait(&self.pidfd)
    }

    /// Reads output and keeps what is below the limit; the rest is read all the same, so that the
    /// command is never stopped by a full pipe.
    pub(crate) fn read(&mut self, buffers: &mut Buffers) {
        let Purpose::Told(told) = &mut self.purpose else {
            return;
        };
        for _ in 0..READS_A_TURN {
            let Some(pipe) = &told.output else { return };
            buffers.prepare();
            match rustix::io::read(pipe, &mut buffers.input) {
                Ok(0) => told.output = None,
                Ok(count) => {
                    let room = told.limit.saturating_sub(told.kept.len());
                    told.kept
                        .extend_from_slice(&buffers.input[..count.min(room)]);
                    buffers.is_filled_by(count);
                }
                Err(Errno::INTR) => {}
                Err(_) => return,
            }
        }
    }
}

/// Starts a command in a group of its own below the container's.
fn launch(
    serial: u64,
    asker: Asker,
    process: &ExecProcess<'_>,
    purpose: Purpose,
    container: &Container,
) -> Result<(Running, Option<OwnedFd>), Refusal> {
    let cgroup = container
        .cgroup
        .sub(&format!("exec-{serial}"))
        .map_err(|error| failed(&error))?;
    let started = || -> Result<Execed, Refusal> {
        let around = container.cgroup.join().map_err(|error| failed(&error))?;
        let own = cgroup.join_from_above().map_err(|error| failed(&error))?;
        let process = ExecProcess {
            cgroups: &[&around],
            own: Some(&own),
            ..*process
        };
        let execed = container.process.exec(&process);
        execed.map_err(|error| not_started(&error))
    };
    match started() {
        Ok(execed) => {
            let running = Running {
                serial,
                askers: vec![asker],
                pid: execed.pid,
                pidfd: execed.pidfd,
                notice: execed.notice,
                cgroup,
                container: container.serial,
                purpose,
                deadline_ns: None,
                patience_ns: None,
                timed_out: false,
            };
            Ok((running, execed.terminal))
        }
        Err(refusal) => Err(without_group(&cgroup, refusal)),
    }
}

/// Takes the group of a command away that could not be started, or whose supervisor was killed when it was.
fn without_group(cgroup: &Cgroup, mut refusal: Refusal) -> Refusal {
    if !cgroup.is_empty().unwrap_or(true)
        && let Err(error) = cgroup.kill_all()
    {
        refusal.message = format!("{}; and then: {}", refusal.message, chain(&error));
    }
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
        let exit = match self.execs[at].ended() {
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
        let cgroup = self.tell_end(exec, code);
        if let Err(left) = cgroup.remove() {
            self.complain(chain(&left));
        }
    }

    /// Answers all who wait for a command, and keeps the answer of one that has a name. Gives its
    /// group back, which has to go.
    fn tell_end(&mut self, exec: Running, code: i32) -> Cgroup {
        let told = match exec.purpose {
            Purpose::Told(told) => told,
            Purpose::Interactive => {
                for asker in exec.askers {
                    let id = asker.call;
                    self.send(asker.peer, &Message::Ended { id, code }, Vec::new());
                }
                return exec.cgroup;
            }
        };
        let result = ExecResult {
            code,
            timed_out: exec.timed_out,
            output: String::from_utf8_lossy(&told.kept).into_owned(),
        };
        let mut containers = self.containers.iter_mut();
        if let (Some(token), Some(container)) = (
            told.token,
            containers.find(|one| one.serial == exec.container),
        ) {
            container.results.push((token, result.clone()));
        }
        for asker in exec.askers {
            self.reply(asker.peer, asker.call, Ok(Reply::ExecDone(result.clone())));
        }
        exec.cgroup
    }

    /// Nobody at this connection waits any more. Commands for which nobody else does are killed,
    /// because their results could reach nobody, unless they have a name to be asked for again.
    pub(crate) fn forget_askers(&mut self, peer: u64) {
        let mut complaints = Vec::new();
        for exec in &mut self.execs {
            let before = exec.askers.len();
            exec.askers.retain(|asker| asker.peer != peer);
            let abandoned = exec.askers.is_empty() && before > 0;
            if abandoned && !exec.outlives_askers() {
                complaints.extend(exec.kill().err());
            }
        }
        complaints
            .into_iter()
            .for_each(|complaint| self.complain(complaint));
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
            if exec.patience_ns.is_some_and(|patience| patience <= now_ns) {
                exec.patience_ns = None;
                // One that has ended already refuses it.
                let _gone = pidfd::send_signal(&exec.pidfd, SIGKILL);
            }
        }
        complaints
            .into_iter()
            .for_each(|complaint| self.complain(complaint));
    }
}
