//! Which container of the shim is which instance of which container of the Pod?

use std::collections::BTreeMap;

use outrigger_pod::{Signal, Slot};

/// What is remembered of one instance that was created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Instance {
    /// Its id, which the shim knows it by.
    pub(crate) id: String,
    /// The id of its image.
    pub(crate) image_id: String,
    /// What asks it to stop.
    pub(crate) stop_signal: Signal,
    /// Whether its first process has been seen to run, and not yet to end.
    pub(crate) runs: bool,
}

/// All instances of one Pod.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Instances {
    known: BTreeMap<(Slot, u32), Instance>,
}

impl Instances {
    /// Takes up a new one.
    pub(crate) fn insert(&mut self, slot: Slot, attempt: u32, instance: Instance) {
        self.known.insert((slot, attempt), instance);
    }

    /// Takes note that an instance runs, or does so no more.
    pub(crate) fn set_runs(&mut self, slot: Slot, attempt: u32, runs: bool) {
        if let Some(instance) = self.known.get_mut(&(slot, attempt)) {
            instance.runs = runs;
        }
    }

    /// Finds one.
    pub(crate) fn get(&self, slot: Slot, attempt: u32) -> Option<&Instance> {
        self.known.get(&(slot, attempt))
    }

    /// Finds one by the shim's name for it.
    pub(crate) fn by_id(&self, id: &str) -> Option<(Slot, u32, &Instance)> {
        let mut all = self.known.iter();
        all.find(|(_, instance)| instance.id == id)
            .map(|((slot, attempt), instance)| (*slot, *attempt, instance))
    }

    /// All that are remembered.
    pub(crate) fn all(&self) -> impl Iterator<Item = (Slot, u32)> {
        self.known.keys().copied()
    }

    /// All that are remembered, with what is remembered of them.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (Slot, u32, &Instance)> {
        let all = self.known.iter();
        all.map(|((slot, attempt), instance)| (*slot, *attempt, instance))
    }

    /// The highest attempt of a container.
    pub(crate) fn newest(&self, slot: Slot) -> Option<u32> {
        self.known
            .range((slot, 0)..=(slot, u32::MAX))
            .next_back()
            .map(|((_, attempt), _)| *attempt)
    }

    /// Forgets instances that no status speaks of any more.
    pub(crate) fn forget_before(&mut self, slot: Slot, attempt: u32) {
        self.known
            .retain(|(known, number), _| *known != slot || *number >= attempt);
    }
}

/// An id that was never used before: 64 hexadecimal digits as of other runtimes.
pub(crate) fn fresh_id() -> std::io::Result<String> {
    let mut id = String::with_capacity(64);
    for _ in 0..2 {
        let uuid = std::fs::read_to_string("/proc/sys/kernel/random/uuid")?;
        id.extend(uuid.chars().filter(char::is_ascii_hexdigit));
    }
    Ok(id)
}

/// A uid for a Pod that has none: a random UUID.
#[must_use]
pub fn fresh_uid() -> String {
    match std::fs::read_to_string("/proc/sys/kernel/random/uuid") {
        Ok(uuid) => uuid.trim().to_owned(),
        // Without /proc no Pod can run; the manifest can still be read and checked.
        Err(_) => format!("{:08x}-{:016x}", std::process::id(), crate::clock::now().0),
    }
}
