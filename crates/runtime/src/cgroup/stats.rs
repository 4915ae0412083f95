//! What has a group used, and how often did it run out of memory?

use super::controller::Controller;
use super::error::CgroupError;
use super::file;
use super::group::{Cgroup, Member};
use super::make;

/// What a group has used. A value is `None` where the machine does not count it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// CPU time used, in microseconds.
    pub cpu_us: Option<u64>,
    /// Time spent throttled by a CPU quota, in microseconds.
    pub throttled_us: Option<u64>,
    /// Memory in use, page cache included.
    pub memory_bytes: Option<u64>,
    /// Memory in use without the part of the page cache that is easily dropped, as kubectl shows it.
    pub working_set_bytes: Option<u64>,
    /// The limit of memory.
    pub memory_limit_bytes: Option<u64>,
    /// Processes and threads.
    pub pids: Option<u64>,
}

/// v1 shows "no limit" as the largest number of whole pages.
const NO_LIMIT_BYTES: u64 = 0x7fff_ffff_ffff_0000;

impl Cgroup {
    /// Reads what the group has used.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut stats = Stats::default();
        match self.members.first().filter(|member| member.tree.unified) {
            Some(member) if self.member(Controller::Cpuacct).is_none() => {
                unified_cpu(member, &mut stats)
            }
            _ => self.v1_cpu(&mut stats),
        }
        if let Some(member) = self.member(Controller::Memory) {
            memory(member, &mut stats);
        }
        stats.pids = self
            .member(Controller::Pids)
            .and_then(|member| file::number(&member.dir, "pids.current"));
        stats
    }

    /// How many processes the kernel killed for want of memory, in the group and below it. They
    /// count whether the group's own limit was reached or that of a group above.
    ///
    /// # Errors
    /// When the counter exists and cannot be read. A machine that does not count has killed none.
    pub fn oom_kills(&self) -> Result<u64, CgroupError> {
        let Some(member) = self.member(Controller::Memory) else {
            return Ok(0);
        };
        if member.tree.unified {
            return oom_kills_in(member, "memory.events");
        }
        // The counter of v1 leaves out the groups below.
        let mut kills = oom_kills_in(member, "memory.oom_control")?;
        for below in
            file::groups_below(&member.dir).map_err(|source| member.failed("list", "", source))?
        {
            kills += oom_kills_in(member, &format!("{below}/memory.oom_control"))?;
        }
        Ok(kills)
    }

    fn v1_cpu(&self, stats: &mut Stats) {
        if let Some(member) = self.member(Controller::Cpuacct) {
            stats.cpu_us = file::number(&member.dir, "cpuacct.usage").map(|time_ns| time_ns / 1000);
        }
        if let Some(member) = self.member(Controller::Cpu) {
            let text = file::read(&member.dir, "cpu.stat").unwrap_or_default();
            stats.throttled_us = file::keyed(&text, "throttled_time").map(|time_ns| time_ns / 1000);
        }
    }
}

fn unified_cpu(member: &Member, stats: &mut Stats) {
    let text = file::read(&member.dir, "cpu.stat").unwrap_or_default();
    stats.cpu_us = file::keyed(&text, "usage_usec");
    stats.throttled_us = file::keyed(&text, "throttled_usec");
}

fn memory(member: &Member, stats: &mut Stats) {
    let (usage, limit, inactive) = if member.tree.unified {
        ("memory.current", "memory.max", "inactive_file")
    } else {
        (
            "memory.usage_in_bytes",
            "memory.limit_in_bytes",
            "total_inactive_file",
        )
    };
    stats.memory_bytes = file::number(&member.dir, usage);
    stats.memory_limit_bytes =
        file::number(&member.dir, limit).filter(|bytes| *bytes < NO_LIMIT_BYTES);
    let text = file::read(&member.dir, "memory.stat").unwrap_or_default();
    let inactive_bytes = file::keyed(&text, inactive);
    stats.working_set_bytes = stats
        .memory_bytes
        .zip(inactive_bytes)
        .map(|(used, inactive)| used.saturating_sub(inactive));
}

fn oom_kills_in(member: &Member, name: &str) -> Result<u64, CgroupError> {
    match file::read(&member.dir, name) {
        Ok(text) => Ok(file::keyed(&text, "oom_kill").unwrap_or(0)),
        Err(error) if make::vanished(&error) => Ok(0),
        Err(source) => Err(member.failed("read", name, source)),
    }
}
