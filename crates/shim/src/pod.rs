//! What does a Pod stand on before its first container, and how is it taken down?

use std::path::PathBuf;

use outrigger_runtime::cgroup::{Cgroup, Layout, Level};
use outrigger_runtime::pod::{self, PodNamespaces};
use outrigger_runtime::{Reaper, rootfs};
use outrigger_wire::{Lease, Prepare, Refusal};

use crate::refusal::{chain, failed, misplaced};

/// What the Pod's containers share.
#[derive(Debug)]
pub(crate) struct Sandbox {
    pub(crate) layout: Layout,
    /// The first process of the shared PID namespace, if there is one.
    pub(crate) reaper: Option<Reaper>,
    pub(crate) lease: Lease,
    /// Whether all of it was made; if not, it can only be released.
    pub(crate) complete: bool,
    cgroup: Cgroup,
    tmpfs: Vec<PathBuf>,
}

impl Sandbox {
    /// Makes the Pod's cgroup. The rest follows in [`Sandbox::complete`], so that what was made
    /// before a failure is known and released.
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
            tmpfs: Vec::new(),
        })
    }

    /// Makes namespaces and mounts, in which the shim itself lives from now on.
    pub(crate) fn complete(&mut self, prepare: &Prepare) -> Result<(), Refusal> {
        let namespaces = &prepare.namespaces;
        let own = PodNamespaces {
            net: namespaces.net,
            ipc: namespaces.ipc,
            uts: namespaces.uts,
        };
        pod::enter_new(own, prepare.hostname.as_deref()).map_err(|error| failed(&error))?;
        pod::write_sysctls(own, &prepare.sysctls).map_err(|error| failed(&error))?;
        for tmpfs in &prepare.tmpfs {
            pod::mount_tmpfs(&tmpfs.path, tmpfs.size_bytes, tmpfs.mode, tmpfs.gid)
                .map_err(|error| failed(&error))?;
            self.tmpfs.push(tmpfs.path.clone());
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
        match self.reaper.take() {
            // Its end waits for the end of all in its namespace, which may never come.
            Some(reaper) if !quiet => {
                leftovers.push(format!(
                    "process {} of the Pod's PID namespace",
                    reaper.pid()
                ));
                std::mem::forget(reaper);
            }
            reaper => drop(reaper),
        }
        for path in self.tmpfs.iter().rev() {
            leftovers.extend(rootfs::unmount(path).err().map(|error| chain(&error)));
        }
        leftovers.extend(self.cgroup.remove().err().map(|left| chain(&left)));
        leftovers
    }
}
