//! What is told of Pods' lives, to whoever shows them to people?

use std::sync::Arc;

use k8s_openapi::api::core::v1 as core;
use outrigger_lifecycle::{Fact, Phase, Seen, State, Status, Time};
use outrigger_pod::{Kind, Pod, PodUid, Signal};

use crate::node::Remark;

/// What is told of a fact, to whoever shows it to people.
#[derive(Debug)]
pub struct Telling<'a> {
    /// The Pod.
    pub pod: &'a Pod,
    /// When.
    pub at: Time,
    /// What.
    pub fact: &'a Fact,
    /// Everything that is known after it.
    pub seen: &'a Seen,
    /// The stop signal of the container that the fact is about, if it has been created.
    pub stop_signal: Option<Signal>,
}

/// Hears of everything that happens, as it happens. It must not block.
pub trait Observer: Send {
    /// A Pod was accepted.
    fn on_accepted(&mut self, pod: &Pod, at: Time);
    /// A fact was observed.
    fn on_fact(&mut self, telling: &Telling<'_>);
    /// The Pod's status changed.
    fn on_status(&mut self, pod: &Pod, at: Time, old: Option<&Status>, new: &Status);
    /// Something of which the planner need not know. The same is never told twice of one Pod.
    fn on_remark(&mut self, pod: &Pod, at: Time, remark: &Remark);
    /// A Pod's life is over: nothing of it runs any more.
    fn on_end(&mut self, end: &Finished, at: Time);
    /// The whole Pod object with its status, after every change of it, for a node that Pods outlive.
    fn on_object(&mut self, _pod: &Pod, _object: &core::Pod) {}
    /// Nothing of a Pod is left on the disk, its logs and record included.
    fn on_gone(&mut self, _pod: &Pod) {}
    /// A Pod of an earlier node is left as it is, and why.
    fn on_left(&mut self, _pod: &PodUid, _problem: &str) {}
    /// A Pod that was left has been taken up.
    fn on_taken_up(&mut self, _pod: &Arc<Pod>) {}
    /// A Pod that was left has turned out never to have lived.
    fn on_never_begun(&mut self, _pod: &PodUid) {}
    /// A Pod that was left has been ended, and nothing of it is there any more.
    fn on_discarded(&mut self, _pod: &PodUid) {}
}

/// How a Pod's life ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Finished {
    /// The Pod.
    pub pod: Arc<Pod>,
    /// The planner's last word on it.
    pub status: Status,
    /// The whole Pod object with its status.
    pub object: core::Pod,
}

impl Finished {
    /// The exit code that a Pod's life amounts to: 0 when it Succeeded, else the code of the main
    /// container that failed first, and 1 if none did.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        if self.status.phase == Phase::Succeeded {
            return 0;
        }
        let failed = self.pod.of_kind(Kind::Main).filter_map(|(slot, _)| {
            match &self.status.containers.get(slot.0)?.state {
                State::Terminated { exit, .. } if exit.code != 0 => {
                    Some((exit.at, slot, exit.code))
                }
                _ => None,
            }
        });
        failed
            .min()
            .and_then(|(_, _, code)| u8::try_from(code).ok())
            .unwrap_or(1)
    }
}

#[cfg(test)]
mod tests;
