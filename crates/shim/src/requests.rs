//! What does the shim do when it is asked something?

use std::os::fd::AsFd;

use outrigger_sys::pidfd;
use outrigger_wire::{
    Call, Connect, EventKind, Exec, Family, Prepare, Refusal, Reply, Request, Start, VERSION,
};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use crate::clock::stamp;
use crate::container::Container;
use crate::exec::{Asker, Running};
use crate::pod::Sandbox;
use crate::refusal::{chain, failed, misplaced};
use crate::shim::Shim;

impl Shim {
    /// Carries a call out and answers it, at once or when it is done.
    pub(crate) fn answer(&mut self, peer: u64, call: Call) {
        let id = call.id;
        let asker = Asker { peer, call: id };
        let greeted = self
            .peers
            .iter()
            .any(|one| one.serial == peer && one.greeted);
        let releasing = self.release.is_some();
        let result = match call.request {
            Request::Hello {
                version,
                resume_after,
            } => return self.hello(peer, id, version, resume_after),
            _ if !greeted => Err(misplaced("the first request must be Hello")),
            Request::Release => return self.begin_release(Some((peer, id))),
            _ if releasing => Err(misplaced("the Pod is being released")),
            Request::Prepare(prepare) => self.prepare(&prepare),
            _ if !self
                .sandbox
                .as_ref()
                .is_some_and(|sandbox| sandbox.complete) =>
            {
                Err(misplaced("the Pod has not been prepared"))
            }
            Request::Start(start) => self.start(*start),
            Request::Signal { container, signal } => self.signal(&container, signal),
            Request::Kill { container } => self.kill(&container),
            Request::Exec(exec) => match self.exec(asker, exec) {
                Ok(()) => return,
                Err(refusal) => Err(refusal),
            },
            Request::Interact(asked) => match self.interact(asker, &asked) {
                Ok(()) => return,
                Err(refusal) => Err(refusal),
            },
            Request::Attach { container, stdin } => match self.attach(asker, &container, stdin) {
                Ok(()) => return,
                Err(refusal) => Err(refusal),
            },
            Request::Update {
                container,
                resources,
            } => self.update(container.as_deref(), resources),
            Request::Stats => Ok(self.stats()),
            Request::CancelExec { call } => self.cancel_exec(peer, call),
            Request::Connect(connect) => return self.connect(peer, id, connect),
            Request::Remove {
                container,
                recorded,
            } => {
                if let Err(error) = self.ledger.forget(recorded) {
                    self.complain(chain(&error));
                }
                self.remove(&container)
            }
        };
        self.reply(peer, id, result);
    }

    fn hello(&mut self, peer: u64, id: u64, version: u32, resume_after: u64) {
        if version != VERSION {
            let refusal = misplaced(format!(
                "this shim speaks version {VERSION} of the protocol, not {version}"
            ));
            return self.reply(peer, id, Err(refusal));
        }
        let events = match self.ledger.after(resume_after) {
            Ok(events) => events,
            Err(error) => return self.reply(peer, id, Err(failed(&error))),
        };
        if let Some(former) = self.node.replace(peer).filter(|former| *former != peer) {
            self.hang_up(former);
        }
        if let Some(one) = self.peers.iter_mut().find(|one| one.serial == peer) {
            one.greeted = true;
        }
        let prepared = self
            .sandbox
            .as_ref()
            .is_some_and(|sandbox| sandbox.complete);
        self.reply(
            peer,
            id,
            Ok(Reply::Hello {
                pid: std::process::id(),
                prepared,
                containers: self.containers.iter().map(|one| one.id.clone()).collect(),
                seccomp: true,
            }),
        );
        self.tell(events);
    }

    fn prepare(&mut self, prepare: &Prepare) -> Result<Reply, Refusal> {
        if self.sandbox.is_some() {
            return Err(misplaced(
                "the Pod has been prepared already, or it could not be and has to be released",
            ));
        }
        let mut sandbox = Sandbox::begin(prepare)?;
        let completed = sandbox.complete(prepare);
        self.sandbox = Some(sandbox);
        completed.map(|()| self.done())
    }

    fn start(&mut self, start: Start) -> Result<Reply, Refusal> {
        if self.containers.iter().any(|one| one.id == start.container) {
            return Err(misplaced(format!(
                "container {} has been started already",
                start.container
            )));
        }
        let serial = self.serial();
        let Some(sandbox) = &self.sandbox else {
            return Err(misplaced("the Pod has not been prepared"));
        };
        let joined = match &start.join_pid_of {
            Some(target) => Some(self.running(target)?.process.pidfd.as_fd()),
            None => None,
        };
        let container = Container::start(serial, start, sandbox, joined)?;
        let (at, pid) = (stamp(), container.process.pid);
        let mut warnings = container.process.warnings.clone();
        self.ledger.note(
            at,
            EventKind::Started {
                container: container.id.clone(),
                pid,
            },
        );
        self.containers.push(container);
        self.publish();
        warnings.append(&mut self.complaints);
        Ok(Reply::Started { pid, at, warnings })
    }

    /// It is sent once, however often it is asked for.
    fn signal(&mut self, id: &str, signal: i32) -> Result<Reply, Refusal> {
        let Ok(container) = self.running_mut(id) else {
            return Ok(self.done());
        };
        if container.signalled {
            return Ok(self.done());
        }
        match pidfd::send_signal(&container.process.pidfd, signal) {
            Ok(()) | Err(Errno::SRCH) => {
                container.signalled = true;
                Ok(self.done())
            }
            Err(errno) => Err(misplaced(format!(
                "send signal {signal} to container {id}: {errno}"
            ))),
        }
    }

    fn kill(&mut self, id: &str) -> Result<Reply, Refusal> {
        let container = self
            .containers
            .iter()
            .find(|one| one.id == id && !one.has_ended());
        container
            .map_or(Ok(()), Container::kill)
            .map_err(misplaced)?;
        Ok(self.done())
    }

    fn exec(&mut self, asker: Asker, exec: Exec) -> Result<(), Refusal> {
        if let Some(token) = &exec.token
            && self.is_known(asker, &exec.container, token)
        {
            return Ok(());
        }
        let serial = self.serial();
        let container = self.running(&exec.container)?;
        let running = Running::start(serial, asker, exec, container)?;
        self.execs.push(running);
        Ok(())
    }

    /// Whether a command with this name ran or runs in the container; if so it is answered, now or
    /// when it has ended.
    fn is_known(&mut self, asker: Asker, id: &str, token: &str) -> bool {
        let Some(container) = self.containers.iter().find(|one| one.id == id) else {
            return false;
        };
        let serial = container.serial;
        let mut results = container.results.iter();
        if let Some((_, result)) = results.find(|(known, _)| known == token) {
            let result = result.clone();
            self.reply(asker.peer, asker.call, Ok(Reply::ExecDone(result)));
            return true;
        }
        let mut execs = self.execs.iter_mut();
        let Some(exec) = execs.find(|exec| exec.is_named(serial, token)) else {
            return false;
        };
        exec.askers.push(asker);
        true
    }

    fn cancel_exec(&mut self, peer: u64, call: u64) -> Result<Reply, Refusal> {
        let asker = Asker { peer, call };
        let mut execs = self.execs.iter_mut();
        let exec = execs.find(|exec| exec.askers.contains(&asker));
        exec.map_or(Ok(()), Running::kill).map_err(misplaced)?;
        Ok(self.done())
    }

    fn connect(&mut self, peer: u64, id: u64, connect: Connect) {
        let family = match connect.family {
            Family::V4 => AddressFamily::INET,
            Family::V6 => AddressFamily::INET6,
        };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        match socket_with(family, SocketType::STREAM, flags, None) {
            Ok(socket) => {
                let message = outrigger_wire::Message::Reply {
                    id,
                    result: Ok(Reply::Socket),
                };
                self.send(peer, &message, vec![socket]);
            }
            Err(errno) => {
                let refusal = misplaced(format!(
                    "make a socket in the Pod's network namespace: {errno}"
                ));
                self.reply(peer, id, Err(refusal));
            }
        }
    }

    /// What cannot be released stays with the shim, which tries again when all is released.
    fn remove(&mut self, id: &str) -> Result<Reply, Refusal> {
        let Some(at) = self.containers.iter().position(|one| one.id == id) else {
            return Ok(self.done());
        };
        if !self.containers[at].has_ended() {
            return Err(misplaced(format!("container {id} has not ended")));
        }
        match self.containers[at].cgroup.remove() {
            Ok(()) => drop(self.containers.swap_remove(at)),
            Err(left) => self.complain(chain(&left)),
        }
        Ok(self.done())
    }

    pub(crate) fn done(&mut self) -> Reply {
        Reply::Done {
            warnings: std::mem::take(&mut self.complaints),
        }
    }
}
