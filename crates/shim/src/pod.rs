//! What does a Pod stand on before its first container, and how is it taken down?

use std::path::PathBuf;

use outrigger_runtime::cgroup::{Cgroup, Layout, Level};
use outrigger_runtime::pod::{self, PodNamespaces};
use outrigger_runtime::{Filters, Reaper, rootfs};
use outrigger_sys::clock::boot_ns;
use outrigger_wire::{Lease, Prepare, Refusal};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::clock::MS;
use crate::lent;
use crate::refusal::{chain, failed, misplaced};

/// How long processes that a killed shim has left may take to die.
const HEIRLOOMS_NS: u64 = 5000 * MS;
/// How long the reaper of a PID namespace in which nothing else runs may take to die.
const REAPER_MS: u64 = 1000;

/// What the Pod's containers share.
#[derive(Debug)]
pub(crate) struct Sandbox {
    pub(crate) layout: Layout,
    /// The first process of the shared PID namespace, if there is one.
    pub(crate) reaper: Option<Reaper>,
    pub(crate) lease: Lease,
    /// Whether all of it was made; if not, it can only be released.
    pub(crate) complete: bool,
    pub(crate) cgroup: Cgroup,
    /// The compiled seccomp profiles of its containers.
    pub(crate) filters: Filters,
    tmpfs: Vec<PathBuf>,
}

impl Sandbox {
    /// Makes the Pod's cgroup, and nothing that can fail after it. The rest follows in
    /// [`Sandbox::complete`], so that what was made before a failure is known and released.
    pub(crate) fn begin(prepare: &Prepare) -> Result<Sandbox, Refusal> {
        let layout = Layout::detect().map_err(|error| failed(&error))?;
        let resources = serde_json::from_value(prepare.cgroup.resources.clone())
            .map_err(|error| misplaced(format!("resources of the Pod's cgroup: {error}")))?;
        let cgroup = layout
            .create(&prepare.cgroup.path, &resources, Level::Pod)
            .map_err(|error| failed(&error))?;
        Ok(Sandbox {
            layout,
            reaper: None,
            lease: prepare.lease,
            complete: false,
            cgroup,
            filters: Filters::new(prepare.filters.clone()),
            tmpfs: Vec::new(),
        })
    }

    /// Ends what a killed shim has left in the cgroup, and makes namespaces and mounts, in which the
    /// shim itself lives from now on.
    pub(crate) fn complete(&mut self, prepare: &Prepare) -> Result<(), Refusal> {
        end_what_was_left(&self.cgroup)?;
        let namespaces = &prepare.namespaces;
        let own = PodNamespaces {
            net: namespaces.net,
            ipc: namespaces.ipc,
            uts: namespaces.uts,
        };
        pod::enter_new(own, prepare.hostname.as_deref()).map_err(|error| failed(&error))?;
        pod::write_sysctls(own, &prepare.sysctls).map_err(|error| failed(&error))?;
        for tmpfs in &prepare.tmpfs {
            pod::mount_tmpfs(&tmpfs.path, tmpfs.size_bytes, None, tmpfs.mode, tmpfs.gid)
                .map_err(|error| failed(&error))?;
            self.tmpfs.push(tmpfs.path.clone());
        }
        if let Some(lent) = &prepare.lent {
            lent::lend(lent, &mut self.tmpfs)?;
        }
        if namespaces.pid {
            self.reaper = Some(Reaper::start().map_err(|error| failed(&error))?);
        }
        self.complete = true;
        Ok(())
    }

    /// Takes it down as far as it goes; gives what could not be released. `quiet` says that nothing
    /// of the Pod runs.
    pub(crate) fn take_down(mut self, quiet: bool) -> Vec<String> {
        let mut leftovers = Vec::new();
        if let Some(reaper) = self.reaper.take() {
            leftovers.extend(end(reaper, quiet));
        }
        for path in self.tmpfs.iter().rev() {
            leftovers.extend(rootfs::unmount(path).err().map(|error| chain(&error)));
        }
        // What is left of a container that could not be removed; its end shows in the removal.
        if self.cgroup.is_empty().is_ok_and(|empty| !empty) {
            leftovers.extend(self.cgroup.kill_all().err().map(|error| chain(&error)));
        }
        leftovers.extend(self.cgroup.remove().err().map(|left| chain(&left)));
        leftovers
    }
}

/// Containers die with their shim, unless a program in them has cleared that tie: setuid programs
/// do. A Pod has one shim, so whatever runs in its group before the first container is what a killed
/// shim has left, and belongs to nobody.
fn end_what_was_left(cgroup: &Cgroup) -> Result<(), Refusal> {
    let is_empty = || cgroup.is_empty().map_err(|error| failed(&error));
    if is_empty()? {
        return Ok(());
    }
    cgroup.kill_all().map_err(|error| failed(&error))?;
    let until_ns = boot_ns() + HEIRLOOMS_NS;
    while !is_empty()? {
        if boot_ns() >= until_ns {
            let path = cgroup.path();
            let message = format!("cgroup {path}: a process of the Pod's former life survives");
            return Err(failed(&std::io::Error::other(message)));
        }
        // Nothing tells on v1, and the notice of v2 comes late. A signal only makes it shorter.
        let _rested = poll(&mut [], Some(&milliseconds(1)));
    }
    Ok(())
}

/// Ends the reaper. Its end waits for the end of all in its namespace, which may never come when
/// something hangs there: then it is left over, and the kernel ends it with this process.
fn end(reaper: Reaper, quiet: bool) -> Option<String> {
    reaper.kill();
    let patience = milliseconds(if quiet { REAPER_MS } else { 0 });
    let mut ended = [PollFd::from_borrowed_fd(reaper.pidfd(), PollFlags::IN)];
    // All signals are blocked, so that nothing but its end and the time ends this.
    match poll(&mut ended, Some(&patience)) {
        Ok(0) | Err(Errno::INTR) => Some(format!(
            "process {} of the Pod's PID namespace",
            reaper.pid()
        )),
        // Its zombie goes with the value.
        Ok(_) | Err(_) => None,
    }
}

fn milliseconds(count: u64) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(count / 1000).unwrap_or(0),
        tv_nsec: i64::try_from(count % 1000 * MS).unwrap_or(0),
    }
}
