//! What may the Pod and its containers use, and what do they use?

use outrigger_runtime::cgroup::Cgroup;
use outrigger_wire::{Refusal, Reply, Stats, Usage};

use crate::container::Container;
use crate::refusal::{failed, misplaced};
use crate::shim::Shim;

impl Shim {
    /// Changes the limits of a container, or of the Pod.
    pub(crate) fn update(
        &mut self,
        container: Option<&str>,
        resources: serde_json::Value,
    ) -> Result<Reply, Refusal> {
        let resources = serde_json::from_value(resources)
            .map_err(|error| misplaced(format!("the new resources: {error}")))?;
        let sandbox = self.sandbox.as_ref();
        let sandbox = sandbox.ok_or_else(|| misplaced("the Pod has not been prepared"))?;
        let cgroup = match container {
            Some(id) => &self.running(id)?.cgroup,
            None => &sandbox.cgroup,
        };
        let updated = sandbox.layout.update(cgroup, &resources);
        updated.map_err(|error| failed(&error))?;
        Ok(self.done())
    }

    /// What the Pod uses, and each container that runs.
    pub(crate) fn stats(&self) -> Reply {
        let running = self.containers.iter().filter(|one| one.is_running());
        let of = |one: &Container| (one.id.clone(), usage(&one.cgroup));
        let sandbox = self.sandbox.as_ref();
        Reply::Stats(Stats {
            pod: sandbox.map(|one| usage(&one.cgroup)).unwrap_or_default(),
            containers: running.map(of).collect(),
        })
    }
}

/// What the machine does not count is nothing.
fn usage(cgroup: &Cgroup) -> Usage {
    let stats = cgroup.stats();
    Usage {
        cpu_ns: stats.cpu_us.unwrap_or(0).saturating_mul(1000),
        memory_bytes: stats.working_set_bytes.unwrap_or(0),
        pids: stats.pids.unwrap_or(0),
    }
}
