//! How does everything in a group die, without missing a process that is being forked?

use std::collections::BTreeSet;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

use super::error::CgroupError;
use super::group::{Cgroup, Member};
use super::{file, make};

/// How often the list of processes is read again where nothing can be frozen.
const ROUNDS: usize = 64;

impl Cgroup {
    /// Sends SIGKILL to every process in the group and below it. They are gone when their parent
    /// has reaped them, not when this returns. A group that was removed has nothing to kill.
    ///
    /// # Errors
    /// When a process cannot be listed or signalled.
    pub fn kill_all(&self) -> Result<(), CgroupError> {
        let Some(member) = self.members.first() else {
            return Ok(());
        };
        if member.tree.unified {
            match file::write(&member.dir, "cgroup.kill", "1") {
                Ok(()) => return Ok(()),
                // Kernels before 5.14 have no such file; neither has a group that was removed.
                Err(error) if make::vanished(&error) => {}
                Err(source) => return Err(member.failed("write", "cgroup.kill", source)),
            }
        }
        if self.freezing().is_err() {
            return self.kill_in_rounds();
        }
        // What stands still neither forks nor ends, so that every listed id is whom we mean.
        match self.freeze() {
            Ok(()) => {}
            Err(CgroupError::Use { source, .. }) if make::vanished(&source) => return Ok(()),
            Err(error) => return Err(error),
        }
        let killed = self.kill_in_rounds();
        self.thaw()?;
        killed
    }

    fn kill_in_rounds(&self) -> Result<(), CgroupError> {
        let mut killed = BTreeSet::new();
        for _ in 0..ROUNDS {
            let new: Vec<i32> = self
                .processes()?
                .into_iter()
                .filter(|id| !killed.contains(id))
                .collect();
            if new.is_empty() {
                return Ok(());
            }
            for id in new {
                killed.insert(id);
                signal(id)?;
            }
        }
        Ok(())
    }

    /// The processes in the group and below it; none if the group was removed.
    pub(super) fn processes(&self) -> Result<Vec<i32>, CgroupError> {
        let Some(member) = self.members.first() else {
            return Ok(Vec::new());
        };
        let mut all = listed(member, "cgroup.procs")?;
        for below in
            file::groups_below(&member.dir).map_err(|source| member.failed("list", "", source))?
        {
            all.extend(listed(member, &format!("{below}/cgroup.procs"))?);
        }
        Ok(all)
    }
}

/// The process ids in one `cgroup.procs`. A process outside our pid namespace is listed as 0 and
/// cannot be named.
fn listed(member: &Member, name: &str) -> Result<Vec<i32>, CgroupError> {
    match file::read(&member.dir, name) {
        Ok(text) => Ok(text
            .lines()
            .filter_map(|line| line.parse().ok())
            .filter(|id| *id > 0)
            .collect()),
        Err(error) if make::vanished(&error) => Ok(Vec::new()),
        Err(source) => Err(member.failed("read", name, source)),
    }
}

fn signal(id: i32) -> Result<(), CgroupError> {
    let Some(pid) = Pid::from_raw(id) else {
        return Ok(());
    };
    match kill_process(pid, Signal::KILL) {
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        Err(errno) => Err(CgroupError::Use {
            operation: "kill",
            object: format!("process {id}"),
            source: errno.into(),
        }),
    }
}
