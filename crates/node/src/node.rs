//! The loop: one event at a time is observed, planned for, and its steps handed out. Whatever takes
//! time is a task that comes back as an event.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1 as core;
use outrigger_lifecycle::{Fact, Phase, Plan, Sandbox, Seen, State, Status, Time, plan};
use outrigger_pod::{Kind, Pod, PodUid, Signal, Slot};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::clock::{WallClock, now};
use crate::hands::{Hands, Surroundings};
use crate::logs::{Follower, Sink};
use crate::preflight::Missing;
use crate::settings::Settings;
use crate::status::{Transitions, View};

/// Everything that can happen to a node.
#[derive(Debug)]
pub(crate) enum Event {
    /// Something of a Pod was observed: now, or when somebody else stamped it.
    Fact {
        pod: PodUid,
        fact: Fact,
        stamped: Option<Time>,
    },
    /// Something to tell people that the planner does not need to know.
    Remark { pod: PodUid, remark: Remark },
}

/// Something that people should know and the planner need not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Remark {
    /// Something was done in another way than asked for, such as without a right that is missing.
    Warning(String),
    /// Something could not be done.
    Error(String),
}

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
    /// A Pod's life is over and nothing of it is left.
    fn on_end(&mut self, end: &Finished, at: Time);
}

/// Asks a running node for things.
#[derive(Debug, Clone)]
pub struct Handle {
    events: UnboundedSender<Event>,
}

impl Handle {
    /// Asks for the deletion of a Pod, with another grace period than its own if one is given.
    pub fn delete(&self, pod: PodUid, grace_s: Option<u64>) {
        // A node that has ended has no Pods left to delete.
        self.events
            .send(Event::Fact {
                pod,
                fact: Fact::DeleteRequested { grace_s },
                stamped: None,
            })
            .ok();
    }
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

struct Life {
    pod: Arc<Pod>,
    seen: Seen,
    hands: Arc<Hands>,
    status: Option<Status>,
    transitions: Transitions,
    wake: Option<Time>,
    remarks: BTreeSet<Remark>,
    over: Option<Finished>,
}

/// The node.
pub struct Node {
    around: Arc<Surroundings>,
    lives: BTreeMap<PodUid, Life>,
    events: UnboundedReceiver<Event>,
    sender: UnboundedSender<Event>,
    observer: Box<dyn Observer>,
    wall: WallClock,
}

impl Node {
    /// A node without Pods. It must live on a tokio runtime.
    ///
    /// # Errors
    /// If this machine cannot be asked what it is, or its logs cannot be followed.
    pub fn new(
        settings: Settings,
        observer: Box<dyn Observer>,
        sink: Box<dyn Sink>,
    ) -> Result<Node, String> {
        let follower = Follower::start(sink).map_err(|error| {
            format!("follow logs with inotify: {error} (perhaps fs.inotify.max_user_instances is too low)")
        })?;
        let around = Arc::new(Surroundings::new(settings, follower)?);
        let (sender, events) = unbounded_channel();
        Ok(Node {
            around,
            lives: BTreeMap::new(),
            events,
            sender,
            observer,
            wall: WallClock::read(),
        })
    }

    /// A way to ask this node for things while it runs.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle {
            events: self.sender.clone(),
        }
    }

    /// What this Pod would wait for in vain, because nobody brings images or objects later.
    #[must_use]
    pub fn missing(&self, pod: &Pod) -> Vec<Missing> {
        crate::preflight::missing(pod, &self.around.settings.objects, &self.around.images)
    }

    /// Takes up a Pod; its life begins at once.
    pub fn accept(&mut self, pod: Pod) {
        let pod = Arc::new(pod);
        let accepted = now();
        self.observer.on_accepted(&pod, accepted);
        let hands = Arc::new(Hands::new(
            Arc::clone(&pod),
            Arc::clone(&self.around),
            self.sender.clone(),
        ));
        let life = Life {
            seen: Seen::new(&pod, accepted),
            pod: Arc::clone(&pod),
            hands,
            status: None,
            transitions: Transitions::default(),
            wake: None,
            remarks: BTreeSet::new(),
            over: None,
        };
        let uid = pod.uid.clone();
        self.lives.insert(uid.clone(), life);
        self.turn(&uid, None);
    }

    /// Runs until every Pod's life is over, and gives their ends in the order of their uids.
    pub async fn run(&mut self) -> Vec<Finished> {
        while self.lives.values().any(|life| life.over.is_none()) {
            let wake = self.lives.values().filter_map(|life| life.wake).min();
            tokio::select! {
                Some(event) = self.events.recv() => self.take(event),
                () = sleep_until(wake) => self.wake_up(),
            }
        }
        self.lives
            .values()
            .filter_map(|life| life.over.clone())
            .collect()
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Fact { pod, fact, stamped } => self.turn(&pod, Some((fact, stamped))),
            Event::Remark { pod, remark } => {
                if let Some(life) = self.lives.get_mut(&pod)
                    && life.remarks.insert(remark.clone())
                {
                    self.observer.on_remark(&life.pod, now(), &remark);
                }
            }
        }
    }

    fn wake_up(&mut self) {
        let now = now();
        let due: Vec<PodUid> = self
            .lives
            .iter()
            .filter(|(_, life)| life.wake.is_some_and(|wake| wake <= now))
            .map(|(uid, _)| uid.clone())
            .collect();
        for uid in due {
            self.turn(&uid, None);
        }
    }

    /// Observes a fact of a Pod, if there is one, and does what is to be done then.
    fn turn(&mut self, uid: &PodUid, fact: Option<(Fact, Option<Time>)>) {
        let Some(life) = self.lives.get_mut(uid) else {
            return;
        };
        if life.over.is_some() {
            return;
        }
        let now = now();
        if let Some((fact, stamped)) = fact {
            observe(
                life,
                &mut *self.observer,
                stamped.map_or(now, |at| at.min(now)),
                &fact,
            );
        }
        loop {
            let Plan {
                steps,
                wake,
                status,
            } = plan(&life.pod, &life.seen, now);
            publish(life, &mut *self.observer, now, status);
            life.wake = wake;
            if steps.is_empty() {
                break;
            }
            for (step, because) in steps {
                observe(
                    life,
                    &mut *self.observer,
                    now,
                    &Fact::Began(step.clone(), because),
                );
                life.hands.perform(&step);
            }
        }
        if matches!(life.seen.sandbox, Sandbox::Released { .. }) {
            life.over = finished(life, self.wall);
            life.over
                .iter()
                .for_each(|end| self.observer.on_end(end, now));
        }
    }
}

fn finished(life: &Life, wall: WallClock) -> Option<Finished> {
    let status = life.status.clone()?;
    let view = View {
        pod: &life.pod,
        status: &status,
        transitions: &life.transitions,
        instances: &life
            .hands
            .instances
            .lock()
            .unwrap_or_else(PoisonError::into_inner),
        accepted: life.seen.accepted,
        wall,
    };
    let object = view.object();
    Some(Finished {
        pod: Arc::clone(&life.pod),
        status,
        object,
    })
}

fn observe(life: &mut Life, observer: &mut dyn Observer, at: Time, fact: &Fact) {
    tracing::debug!(pod = %life.pod.name, at_ns = at.0, ?fact, "observed");
    life.seen.observe(&life.pod, at, fact);
    let stop_signal = about(fact).and_then(|(slot, attempt)| {
        let instances = life
            .hands
            .instances
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        instances
            .get(slot, attempt)
            .map(|instance| instance.stop_signal)
    });
    observer.on_fact(&Telling {
        pod: &life.pod,
        at,
        fact,
        seen: &life.seen,
        stop_signal,
    });
}

fn publish(life: &mut Life, observer: &mut dyn Observer, at: Time, status: Status) {
    if life.status.as_ref() != Some(&status) {
        life.transitions.note(&status, at);
        observer.on_status(&life.pod, at, life.status.as_ref(), &status);
        life.status = Some(status);
    }
}

/// The instance whose signal a fact speaks of.
fn about(fact: &Fact) -> Option<(Slot, u32)> {
    match fact {
        Fact::Began(outrigger_lifecycle::Step::Signal { slot, attempt, .. }, _) => {
            Some((*slot, *attempt))
        }
        _ => None,
    }
}

/// Sleeps until a time of the planner's clock; for ever without one.
async fn sleep_until(wake: Option<Time>) {
    match wake {
        // A millisecond more, so that the timer's coarseness never wakes us too early.
        Some(wake) => {
            tokio::time::sleep((wake - now()).saturating_add(Duration::from_micros(100))).await
        }
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
