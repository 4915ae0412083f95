//! Who waits for the processes whose parents have gone? The shim, as their subreaper. It must not
//! take a process away whose exit somebody here still wants to know.

use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};

use crate::shim::Shim;

impl Shim {
    /// Takes ended orphans away, until the next ended child is one that is waited for by its pidfd.
    pub(crate) fn reap_orphans(&mut self) {
        while self.orphans_due {
            let peek = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
            let ended = waitid(Id::All, peek)
                .ok()
                .and_then(|status: WaitStatus| status.pid());
            let Some(pid) = ended else {
                self.orphans_due = false;
                return;
            };
            if self.waits_for(pid.as_raw().unsigned_abs()) {
                // Its pidfd is readable; it is this function's turn again after that.
                return;
            }
            let taken = waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG);
            self.orphans_due = taken.is_ok();
        }
    }

    fn waits_for(&self, pid: u32) -> bool {
        let reaper = self
            .sandbox
            .as_ref()
            .and_then(|sandbox| sandbox.reaper.as_ref());
        self.containers
            .iter()
            .any(|one| one.is_running() && one.process.pid == pid)
            || self.execs.iter().any(|one| one.pid == pid)
            || reaper.is_some_and(|reaper| reaper.pid() == pid)
    }
}
