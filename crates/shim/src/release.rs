//! How does everything that the shim holds go, and when is it gone?

use outrigger_sys::clock::boot_ns;
use outrigger_wire::{Lease, Message, Reply};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::clock::MS;
use crate::container::Container;
use crate::refusal::chain;
use crate::shim::Shim;

/// How long killed processes may take to go before they are reported as left over.
const PATIENCE_NS: u64 = 10_000 * MS;
/// How long the node may take to read the last messages.
const FAREWELL_S: i64 = 5;

/// A release that is under way.
#[derive(Debug)]
pub(crate) struct Release {
    /// Connection and call to answer; none when a lease ended.
    reply_to: Option<(u64, u64)>,
    pub(crate) deadline_ns: u64,
}

impl Shim {
    /// The node's connection has closed.
    pub(crate) fn lease_ended(&mut self) {
        match &self.sandbox {
            // Without a Pod there is nothing to keep for another node.
            None => self.finished = true,
            Some(sandbox) if sandbox.lease == Lease::Connection && self.release.is_none() => {
                self.begin_release(None)
            }
            Some(_) => {}
        }
    }

    /// Kills everything; the rest follows when all of it is dead.
    pub(crate) fn begin_release(&mut self, reply_to: Option<(u64, u64)>) {
        if let Some(release) = &mut self.release {
            release.reply_to = reply_to;
            return;
        }
        self.release = Some(Release {
            reply_to,
            deadline_ns: boot_ns() + PATIENCE_NS,
        });
        let execs = self.execs.iter_mut().filter_map(|exec| exec.kill().err());
        let containers = self
            .containers
            .iter()
            .filter(|one| !one.has_ended())
            .filter_map(|one| one.kill().err());
        let complaints: Vec<_> = execs.chain(containers).collect();
        complaints
            .into_iter()
            .for_each(|complaint| self.complain(complaint));
    }

    /// Takes the Pod down once nothing of it runs.
    pub(crate) fn go_on_releasing(&mut self, now_ns: u64) {
        let Some(release) = &self.release else { return };
        let quiet = self.execs.is_empty() && self.containers.iter().all(Container::has_ended);
        if !quiet && now_ns < release.deadline_ns {
            return;
        }
        let reply_to = release.reply_to;
        self.publish();
        let leftovers = self.take_down(quiet);
        if let Some((peer, id)) = reply_to {
            self.send(
                peer,
                &Message::Reply {
                    id,
                    result: Ok(Reply::Released { leftovers }),
                },
                Vec::new(),
            );
            self.say_farewell(peer);
        }
        self.finished = true;
    }

    fn take_down(&mut self, quiet: bool) -> Vec<String> {
        let mut leftovers = std::mem::take(&mut self.complaints);
        if self.ledger.is_behind() {
            leftovers.push("exits that could not be written to the exit ledger".to_owned());
        }
        for container in std::mem::take(&mut self.containers) {
            if !container.has_ended() {
                leftovers.push(format!(
                    "process {} of container {}",
                    container.process.pid, container.id
                ));
            }
            leftovers.extend(container.cgroup.remove().err().map(|left| chain(&left)));
        }
        if let Some(sandbox) = self.sandbox.take() {
            leftovers.extend(sandbox.take_down(quiet));
        }
        leftovers.extend(
            self.listener
                .unlink()
                .err()
                .map(|error| format!("delete the shim's socket: {error}")),
        );
        leftovers
    }

    /// Waits until a connection has taken all that was sent to it.
    fn say_farewell(&mut self, serial: u64) {
        let until_ns = boot_ns() + FAREWELL_S.unsigned_abs() * 1000 * MS;
        while let Some(peer) = self
            .peers
            .iter_mut()
            .find(|peer| peer.serial == serial && !peer.is_flushed())
        {
            let (socket, _) = peer.interest();
            let mut fds = [PollFd::from_borrowed_fd(socket, PollFlags::OUT)];
            let waited = poll(
                &mut fds,
                Some(&Timespec {
                    tv_sec: FAREWELL_S,
                    tv_nsec: 0,
                }),
            );
            if waited.is_err() || peer.flush().is_err() || boot_ns() >= until_ns {
                return;
            }
        }
    }
}
