//! What does the shim wait for, and who takes care of what has come?

use std::os::fd::AsFd;

use nix::sys::signalfd::SignalFd;
use outrigger_sys::clock::boot_ns;
use outrigger_wire::{Event, Message, Refusal, Reply};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::buffers::Buffers;
use crate::clock::MS;
use crate::container::Container;
use crate::exec::Running;
use crate::ledger::Ledger;
use crate::listener::Listener;
use crate::peer::Peer;
use crate::pod::Sandbox;
use crate::release::Release;

/// How long nothing must have happened before memory is given back.
const TIDY_AFTER_NS: u64 = 1000 * MS;
/// How soon a ledger is written again that could not be.
const LEDGER_RETRY_NS: u64 = 500 * MS;
/// How long a shim without a Pod waits for its first node.
const LONELY_NS: u64 = 30_000 * MS;
/// Connections at the same time, those included that have not said `Hello`.
const MAX_PEERS: usize = 4;
/// How many complaints are kept for the next reply that can carry them.
const MAX_COMPLAINTS: usize = 16;

/// Something that is ready.
#[derive(Debug, Clone, Copy)]
enum Ready {
    Output(u64, usize),
    Exit(u64),
    ExecOutput(u64),
    ExecExit(u64),
    Children,
    Door,
    Listener(u64),
    Peer(u64),
}

/// The shim's whole state.
#[derive(Debug)]
pub(crate) struct Shim {
    pub(crate) listener: Listener,
    pub(crate) children: SignalFd,
    pub(crate) peers: Vec<Peer>,
    /// The connection that said `Hello` last.
    pub(crate) node: Option<u64>,
    pub(crate) ledger: Ledger,
    pub(crate) sandbox: Option<Sandbox>,
    pub(crate) containers: Vec<Container>,
    pub(crate) execs: Vec<Running>,
    pub(crate) release: Option<Release>,
    pub(crate) buffers: Buffers,
    /// What went wrong where there was nobody to tell; goes out with the next reply.
    pub(crate) complaints: Vec<String>,
    pub(crate) orphans_due: bool,
    last_serial: u64,
    ledger_retry_ns: u64,
    tidy_at_ns: Option<u64>,
    /// Whether it has tidied up and nothing has happened since.
    rests: bool,
    lonely_until_ns: Option<u64>,
    pub(crate) finished: bool,
}

impl Shim {
    /// A shim that has no Pod yet.
    pub(crate) fn new(listener: Listener, children: SignalFd, ledger: Ledger) -> Shim {
        let now = boot_ns();
        Shim {
            listener,
            children,
            peers: Vec::new(),
            node: None,
            ledger,
            sandbox: None,
            containers: Vec::new(),
            execs: Vec::new(),
            release: None,
            buffers: Buffers::new(),
            complaints: Vec::new(),
            orphans_due: false,
            last_serial: 0,
            ledger_retry_ns: now,
            tidy_at_ns: Some(now),
            rests: false,
            lonely_until_ns: Some(now + LONELY_NS),
            finished: false,
        }
    }

    /// Serves until everything is released.
    pub(crate) fn run(&mut self) -> Result<(), rustix::io::Errno> {
        while !self.finished {
            let ready = self.wait()?;
            if !ready.is_empty() {
                self.tidy_at_ns = Some(boot_ns() + TIDY_AFTER_NS);
                self.rests = false;
            }
            for one in ready {
                self.take(one);
            }
            self.reap_orphans();
            self.keep_time();
        }
        Ok(())
    }

    /// A number that was never used before.
    pub(crate) fn serial(&mut self) -> u64 {
        self.last_serial += 1;
        self.last_serial
    }

    /// Keeps what went wrong until somebody asks.
    pub(crate) fn complain(&mut self, complaint: String) {
        if self.complaints.len() < MAX_COMPLAINTS && !self.complaints.contains(&complaint) {
            self.complaints.push(complaint);
        }
    }

    /// Waits until something is ready or a time has come. Outputs come before exits, and exits
    /// before calls, so that a call sees what had happened before it was made.
    fn wait(&self) -> Result<Vec<Ready>, rustix::io::Errno> {
        let mut fds = Vec::with_capacity(16);
        let mut what = Vec::with_capacity(16);
        let mut add = |fd, flags, ready| {
            fds.push(PollFd::from_borrowed_fd(fd, flags));
            what.push(ready);
        };
        for container in &self.containers {
            for (index, pipe) in container.pump.pipes() {
                add(pipe, PollFlags::IN, Ready::Output(container.serial, index));
            }
            for ear in container.pump.ears() {
                add(ear, PollFlags::empty(), Ready::Listener(container.serial));
            }
            if container.is_running() {
                add(
                    container.process.pidfd.as_fd(),
                    PollFlags::IN,
                    Ready::Exit(container.serial),
                );
            }
        }
        for exec in &self.execs {
            if let Some(pipe) = exec.output() {
                add(pipe, PollFlags::IN, Ready::ExecOutput(exec.serial));
            }
            for end in exec.ends() {
                add(end, PollFlags::IN, Ready::ExecExit(exec.serial));
            }
        }
        add(self.children.as_fd(), PollFlags::IN, Ready::Children);
        add(self.listener.descriptor(), PollFlags::IN, Ready::Door);
        for peer in &self.peers {
            let (socket, flags) = peer.interest();
            add(socket, flags, Ready::Peer(peer.serial));
        }
        let timeout = self
            .next_time_ns()
            .map(|at| at.saturating_sub(boot_ns()))
            .map(timespec);
        let waited = if self.rests {
            outrigger_sys::memory::forget_code_and_poll(&mut fds, timeout.as_ref())
        } else {
            poll(&mut fds, timeout.as_ref())
        };
        match waited {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error),
        }
        let ready = fds
            .iter()
            .zip(what)
            .filter(|(fd, _)| !fd.revents().is_empty());
        Ok(ready.map(|(_, ready)| ready).collect())
    }

    fn take(&mut self, ready: Ready) {
        match ready {
            Ready::Output(serial, index) => {
                if let Some(container) = self.containers.iter_mut().find(|one| one.serial == serial)
                {
                    container.pump.turn(index, &mut self.buffers);
                }
            }
            Ready::Exit(serial) => self.container_exited(serial),
            Ready::ExecOutput(serial) => {
                if let Some(exec) = self.execs.iter_mut().find(|one| one.serial == serial) {
                    exec.read(&mut self.buffers);
                }
            }
            Ready::ExecExit(serial) => self.exec_exited(serial),
            Ready::Children => {
                while let Ok(Some(_)) = self.children.read_signal() {}
                self.orphans_due = true;
            }
            Ready::Door => self.accept(),
            Ready::Listener(serial) => {
                if let Some(container) = self.containers.iter_mut().find(|one| one.serial == serial)
                {
                    container.pump.forget_the_gone();
                }
            }
            Ready::Peer(serial) => self.converse(serial),
        }
    }

    fn accept(&mut self) {
        while let Some(socket) = self.listener.accept() {
            let serial = self.serial();
            if self.peers.len() == MAX_PEERS
                && let Some(oldest) = self
                    .peers
                    .iter()
                    .find(|peer| !peer.greeted)
                    .map(|peer| peer.serial)
            {
                self.hang_up(oldest);
            }
            self.peers.push(Peer::new(serial, socket));
            self.lonely_until_ns = None;
        }
    }

    /// Does what a connection asks, and sends what waits for it.
    fn converse(&mut self, serial: u64) {
        let Some(peer) = self.peers.iter_mut().find(|peer| peer.serial == serial) else {
            return;
        };
        match peer.flush().and_then(|()| peer.read()) {
            Ok(calls) => {
                for call in calls {
                    // An answer that could not be sent has ended the connection.
                    if self.peers.iter().any(|peer| peer.serial == serial) {
                        self.answer(serial, call);
                    }
                }
            }
            // What ails a connection is nobody's business but its other end's, who knows it.
            Err(_) => self.hang_up(serial),
        }
    }

    /// Ends a connection. Calls of it that nobody has looked at are never carried out.
    pub(crate) fn hang_up(&mut self, serial: u64) {
        self.peers.retain(|peer| peer.serial != serial);
        self.forget_askers(serial);
        if self.node == Some(serial) {
            self.node = None;
            self.lease_ended();
        }
    }

    /// Sends a message to a connection, if it is still there.
    pub(crate) fn send(
        &mut self,
        serial: u64,
        message: &Message,
        descriptors: Vec<std::os::fd::OwnedFd>,
    ) {
        let Some(peer) = self.peers.iter_mut().find(|peer| peer.serial == serial) else {
            return;
        };
        if peer.send(message, descriptors).is_err() {
            self.hang_up(serial);
        }
    }

    /// Sends an answer to a call.
    pub(crate) fn reply(&mut self, serial: u64, id: u64, result: Result<Reply, Refusal>) {
        self.send(serial, &Message::Reply { id, result }, Vec::new());
    }

    /// Brings what was noted to the disk, and only then tells the node.
    pub(crate) fn publish(&mut self) {
        if !self.ledger.is_behind() {
            return;
        }
        match self.ledger.commit() {
            Ok(events) => self.tell(events),
            Err(error) => {
                self.ledger_retry_ns = boot_ns() + LEDGER_RETRY_NS;
                self.complain(crate::refusal::chain(&error));
            }
        }
    }

    /// Tells the node of events that are on the disk.
    pub(crate) fn tell(&mut self, events: Vec<Event>) {
        for event in events {
            if let Some(node) = self.node {
                self.send(node, &Message::Event(event), Vec::new());
            }
        }
    }

    /// When there is something to do though nothing is ready.
    fn next_time_ns(&self) -> Option<u64> {
        let execs = self.execs.iter().filter_map(Running::deadline_ns);
        let endings = self.containers.iter().filter_map(Container::next_look_ns);
        let ledger = self.ledger.is_behind().then_some(self.ledger_retry_ns);
        let release = self.release.as_ref().map(|release| release.deadline_ns);
        let others = [ledger, release, self.tidy_at_ns, self.lonely_until_ns];
        execs
            .chain(endings)
            .chain(others.into_iter().flatten())
            .min()
    }

    /// Does what is due.
    fn keep_time(&mut self) {
        let now = boot_ns();
        self.end_late_execs(now);
        self.look_at_endings(now);
        if self.ledger.is_behind() && self.ledger_retry_ns <= now {
            self.publish();
        }
        self.go_on_releasing(now);
        if self.tidy_at_ns.is_some_and(|at| at <= now) {
            self.tidy_at_ns = None;
            self.buffers.release();
            self.containers
                .iter_mut()
                .for_each(|container| container.pump.shrink());
            outrigger_sys::memory::trim();
            self.rests = true;
        }
        if self.lonely_until_ns.is_some_and(|at| at <= now) {
            self.finished = true;
        }
    }
}

fn timespec(ns: u64) -> Timespec {
    let seconds = i64::try_from(ns / 1_000_000_000).unwrap_or(i64::MAX);
    let rest = i64::try_from(ns % 1_000_000_000).unwrap_or(0);
    Timespec {
        tv_sec: seconds,
        tv_nsec: rest,
    }
}
