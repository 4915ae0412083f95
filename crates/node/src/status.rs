//! What does the Pod's status look like to someone who knows Kubernetes? The planner's status with
//! times of day, ids and the Pod object around it.

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Text;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time as MetaTime;
use outrigger_lifecycle::{ContainerStatus, Exit, Phase, Sizes, State, Status, Time};
use outrigger_pod::quantity::Quantity;
use outrigger_pod::text::cut;
use outrigger_pod::{Kind, Pod, Slot};

use crate::clock::WallClock;
use crate::instances::Instances;

/// How many bytes the last words of all containers of a Pod may have together, as in a kubelet.
const LAST_WORDS_BYTES: usize = 12 << 10;

/// Since when each condition is as it is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Transitions {
    since: Vec<(String, bool, Time)>,
}

impl Transitions {
    /// As they were recorded.
    pub(crate) fn recalled(since: Vec<(String, bool, Time)>) -> Transitions {
        Transitions { since }
    }

    /// To be recorded.
    pub(crate) fn since(&self) -> Vec<(String, bool, Time)> {
        self.since.clone()
    }

    /// Takes note of a status that holds from `at` on; says whether that changes anything.
    pub(crate) fn note(&mut self, status: &Status, at: Time) -> bool {
        let since = status.conditions.iter().map(|condition| {
            let same = self
                .since
                .iter()
                .find(|(kind, holds, _)| *kind == condition.kind && *holds == condition.holds);
            let new = || (condition.kind.to_owned(), condition.holds, at);
            same.cloned().unwrap_or_else(new)
        });
        let since: Vec<_> = since.collect();
        let changed = since != self.since;
        self.since = since;
        changed
    }

    fn of(&self, kind: &str) -> Option<Time> {
        self.since
            .iter()
            .find(|(known, ..)| *known == kind)
            .map(|(.., since)| *since)
    }
}

/// What the status of one Pod is made from.
pub(crate) struct View<'a> {
    /// The Pod.
    pub(crate) pod: &'a Pod,
    /// The planner's view of it.
    pub(crate) status: &'a Status,
    /// Since when its conditions are as they are.
    pub(crate) transitions: &'a Transitions,
    /// Ids of containers and images.
    pub(crate) instances: &'a Instances,
    /// When the Pod was accepted.
    pub(crate) accepted: Time,
    /// The time of day.
    pub(crate) wall: WallClock,
}

impl View<'_> {
    /// The Pod object with its status, as the API would show it.
    pub(crate) fn object(&self) -> core::Pod {
        let mut object = self.pod.manifest.clone();
        object.metadata.uid = Some(self.pod.uid.0.clone());
        object.metadata.namespace = Some(self.pod.namespace.clone());
        object.metadata.creation_timestamp = Some(self.time(self.accepted));
        object.status = Some(self.status());
        object
    }

    fn status(&self) -> core::PodStatus {
        let of = |kinds: &[Kind]| -> Vec<core::ContainerStatus> {
            let mut slots: Vec<_> = self
                .pod
                .slots()
                .filter(|(_, container)| kinds.contains(&container.kind))
                .collect();
            if kinds == [Kind::Main] {
                slots.sort_by(|(_, a), (_, b)| a.name.cmp(&b.name));
            }
            slots
                .into_iter()
                .map(|(slot, _)| self.container(slot))
                .collect()
        };
        let has = |kind: Kind| self.pod.of_kind(kind).next().is_some();
        let mut before_mains: Vec<Kind> = self.pod.containers.iter().map(|c| c.kind).collect();
        before_mains.retain(|kind| !matches!(kind, Kind::Main | Kind::Ephemeral));
        core::PodStatus {
            phase: Some(phase_word(self.status.phase).to_owned()),
            reason: text(self.status.reason),
            message: text(&self.status.message),
            conditions: Some(self.conditions()),
            start_time: Some(self.time(self.accepted)),
            qos_class: self
                .pod
                .manifest
                .spec
                .as_ref()
                .map(|spec| outrigger_pod::resources::qos(spec).word().to_owned()),
            init_container_statuses: (!before_mains.is_empty()).then(|| of(&before_mains)),
            container_statuses: Some(of(&[Kind::Main])),
            ephemeral_container_statuses: has(Kind::Ephemeral).then(|| of(&[Kind::Ephemeral])),
            observed_generation: self.pod.manifest.metadata.generation,
            ..core::PodStatus::default()
        }
    }

    fn conditions(&self) -> Vec<core::PodCondition> {
        let conditions = self
            .status
            .conditions
            .iter()
            .map(|condition| core::PodCondition {
                type_: condition.kind.to_owned(),
                status: match (condition.unknown, condition.holds) {
                    (true, _) => "Unknown",
                    (false, true) => "True",
                    (false, false) => "False",
                }
                .to_owned(),
                reason: text(condition.reason),
                message: text(&condition.message),
                last_transition_time: self
                    .transitions
                    .of(condition.kind)
                    .map(|since| self.time(since)),
                ..core::PodCondition::default()
            });
        conditions.collect()
    }

    fn container(&self, slot: Slot) -> core::ContainerStatus {
        let spec = &self.pod[slot].spec;
        let Some(status) = self.status.containers.get(slot.0) else {
            return core::ContainerStatus {
                name: spec.name.clone(),
                ..Default::default()
            };
        };
        let newest = self.newest_instance(slot, status);
        let instance = newest.and_then(|attempt| self.instances.get(slot, attempt));
        core::ContainerStatus {
            name: spec.name.clone(),
            image: spec.image.clone().unwrap_or_default(),
            image_id: instance
                .map(|instance| instance.image_id.clone())
                .unwrap_or_default(),
            container_id: instance.map(|instance| id(&instance.id)),
            state: Some(self.state(slot, status)),
            last_state: Some(self.last_state(slot, status, newest)),
            ready: status.ready,
            started: Some(status.started),
            restart_count: i32::try_from(status.restart_count).unwrap_or(i32::MAX),
            resources: resources(spec, status.has_still),
            ..core::ContainerStatus::default()
        }
    }

    /// The attempt of the instance that the status speaks of: the newest that was created.
    fn newest_instance(&self, slot: Slot, status: &ContainerStatus) -> Option<u32> {
        self.instances
            .newest(slot)
            .filter(|attempt| *attempt <= status.restart_count)
    }

    fn state(&self, slot: Slot, status: &ContainerStatus) -> core::ContainerState {
        match &status.state {
            State::Waiting { reason, message } => core::ContainerState {
                waiting: Some(core::ContainerStateWaiting {
                    reason: text(reason),
                    message: text(message),
                }),
                ..Default::default()
            },
            State::Running { since } => core::ContainerState {
                running: Some(core::ContainerStateRunning {
                    started_at: Some(self.time(*since)),
                }),
                ..Default::default()
            },
            State::Terminated { started, exit } => self.terminated(
                *started,
                exit,
                self.instance_id(slot, Some(status.restart_count)),
            ),
        }
    }

    fn last_state(
        &self,
        slot: Slot,
        status: &ContainerStatus,
        newest: Option<u32>,
    ) -> core::ContainerState {
        let Some((started, exit)) = &status.last else {
            return core::ContainerState::default();
        };
        // A container that waits for its next start shows the newest instance as its last state.
        let waiting = matches!(status.state, State::Waiting { .. });
        let attempt = if waiting {
            newest
        } else {
            newest.and_then(|attempt| attempt.checked_sub(1))
        };
        self.terminated(*started, exit, self.instance_id(slot, attempt))
    }

    fn instance_id(&self, slot: Slot, attempt: Option<u32>) -> Option<String> {
        attempt
            .and_then(|attempt| self.instances.get(slot, attempt))
            .map(|instance| id(&instance.id))
    }

    fn terminated(
        &self,
        started: Option<Time>,
        exit: &Exit,
        id: Option<String>,
    ) -> core::ContainerState {
        let terminated = core::ContainerStateTerminated {
            exit_code: exit.code,
            reason: text(exit.reason.word()),
            message: text(&cut(
                &exit.message,
                LAST_WORDS_BYTES / self.pod.containers.len().max(1),
            )),
            started_at: Some(self.time(started.unwrap_or(exit.at))),
            finished_at: Some(self.time(exit.at)),
            container_id: id,
            signal: None,
        };
        core::ContainerState {
            terminated: Some(terminated),
            ..Default::default()
        }
    }

    fn time(&self, time: Time) -> MetaTime {
        MetaTime(self.wall.seconds_at(time))
    }
}

/// As Kubernetes spells it.
#[must_use]
pub fn phase_word(phase: Phase) -> &'static str {
    match phase {
        Phase::Pending => "Pending",
        Phase::Running => "Running",
        Phase::Succeeded => "Succeeded",
        Phase::Failed => "Failed",
    }
}

fn id(id: &str) -> String {
    format!("outrigger://{id}")
}

fn text(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// What a container may use: what its manifest says, but for what it has not got yet.
fn resources(
    spec: &core::Container,
    has_still: Option<Sizes>,
) -> Option<core::ResourceRequirements> {
    let mut resources = spec.resources.clone();
    let Some(sizes) = has_still else {
        return resources;
    };
    let shown = resources.get_or_insert_default();
    for (table, cpu_milli, memory_bytes) in [
        (
            &mut shown.requests,
            sizes.cpu_request_milli,
            sizes.memory_request_bytes,
        ),
        (
            &mut shown.limits,
            sizes.cpu_limit_milli,
            sizes.memory_limit_bytes,
        ),
    ] {
        let table = table.get_or_insert_default();
        let amounts = [
            ("cpu", cpu_milli.map(Quantity::milli)),
            ("memory", memory_bytes.map(Quantity::whole)),
        ];
        for (name, amount) in amounts {
            match amount {
                Some(amount) => table.insert(name.to_owned(), Text(amount.to_string())),
                None => table.remove(name),
            };
        }
    }
    resources
}

#[cfg(test)]
mod tests;
