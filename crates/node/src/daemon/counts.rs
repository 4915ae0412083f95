//! How often has what happened since the daemon's start? For `/metrics`.

use std::collections::BTreeMap;

use outrigger_lifecycle::{Fact, Outcome, Phase, Status, Time};
use outrigger_pod::{Pod, PodUid, ProbeKind};

/// The upper bounds of the start duration's buckets in seconds, as of the kubelet.
pub(crate) const BUCKETS_S: [f64; 19] = [
    0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 20.0, 30.0, 45.0, 60.0, 120.0, 180.0, 240.0,
    300.0, 360.0, 480.0,
];

/// A probe of a container, by its labels.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Probed {
    /// Whose.
    pub(crate) pod: PodUid,
    /// Which container.
    pub(crate) container: String,
    /// Which probe.
    pub(crate) kind: ProbeKind,
    /// `successful`, `failed` or `unknown`.
    pub(crate) result: &'static str,
}

/// The counts.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Pods that were accepted.
    pub(crate) pods: u64,
    /// Containers that were started.
    pub(crate) containers: u64,
    /// Starts that failed.
    pub(crate) failed_starts: u64,
    /// Sandboxes that were lost.
    pub(crate) lost_sandboxes: u64,
    /// How often each probe found what.
    pub(crate) probes: BTreeMap<Probed, u64>,
    /// How many Pods came to run within each of [`BUCKETS_S`], not added up.
    pub(crate) starts: [u64; BUCKETS_S.len()],
    /// How many Pods came to run.
    pub(crate) started: u64,
    /// How long all of them took together, in seconds.
    pub(crate) start_sum_s: f64,
    /// How long the adoption of all Pods took at the start, in seconds.
    pub(crate) adoption_s: f64,
    /// How many Pods were adopted.
    pub(crate) adopted: usize,
    accepted: BTreeMap<PodUid, Time>,
}

impl Counts {
    /// A Pod was accepted.
    pub(crate) fn on_accepted(&mut self, pod: &Pod, at: Time) {
        self.pods += 1;
        self.accepted.insert(pod.uid.clone(), at);
    }

    /// Pods of an earlier daemon were taken up.
    pub(crate) fn on_adopted(&mut self, pods: usize, took_s: f64) {
        (self.adopted, self.adoption_s) = (pods, took_s);
    }

    /// A fact was observed.
    pub(crate) fn on_fact(&mut self, pod: &Pod, fact: &Fact) {
        match fact {
            Fact::Started { .. } => self.containers += 1,
            Fact::StartFailed { .. } => self.failed_starts += 1,
            Fact::SandboxLost => self.lost_sandboxes += 1,
            Fact::Probed {
                slot,
                kind,
                outcome,
                ..
            } => {
                let result = match outcome {
                    Outcome::Success | Outcome::Warning(_) => "successful",
                    Outcome::Failure(_) => "failed",
                    Outcome::Error(_) => "unknown",
                };
                let probed = Probed {
                    pod: pod.uid.clone(),
                    container: pod[*slot].name.0.clone(),
                    kind: *kind,
                    result,
                };
                *self.probes.entry(probed).or_default() += 1;
            }
            _ => {}
        }
    }

    /// The status changed.
    pub(crate) fn on_status(&mut self, pod: &Pod, at: Time, new: &Status) {
        if new.phase == Phase::Pending {
            return;
        }
        // Once a Pod, and not for one that was adopted: nobody saw it begin.
        let Some(accepted) = self.accepted.remove(&pod.uid) else {
            return;
        };
        let took_s = at.since_ms(accepted) as f64 / 1e3;
        self.started += 1;
        self.start_sum_s += took_s;
        if let Some(bucket) = BUCKETS_S.iter().position(|bound| took_s <= *bound) {
            self.starts[bucket] += 1;
        }
    }

    /// A Pod is gone.
    pub(crate) fn on_gone(&mut self, uid: &PodUid) {
        self.accepted.remove(uid);
        self.probes.retain(|probed, _| probed.pod != *uid);
    }
}
