//! What can happen to a node, and how others ask it for things?

use std::time::Duration;

use outrigger_lifecycle::{Fact, Time};
use outrigger_pod::text::bound;
use outrigger_pod::{Objects, Pod, PodUid};
use tokio::sync::mpsc::UnboundedSender;

use crate::adopt::{Reach, Recall};

/// Everything that can happen to a node.
#[derive(Debug)]
pub(crate) enum Event {
    /// Something of a Pod was observed: now, or when somebody else stamped it.
    Fact {
        pod: PodUid,
        fact: Fact,
        stamped: Option<Time>,
        /// The number of the shim's event that says so.
        seq: Option<u64>,
    },
    /// Something to tell people that the planner does not need to know.
    Remark { pod: PodUid, remark: Remark },
    /// A Pod is to be taken up.
    Accept(Box<Pod>),
    /// A Pod's manifest was replaced by a newer one.
    Update(Box<Pod>),
    /// The ConfigMaps and Secrets have changed.
    Objects(Box<Objects>),
    /// A shim that did not answer at the start has been reached, or is gone.
    Reached { pod: PodUid, reach: Reach },
    /// A Pod that was not taken up is to be tried again now.
    Retry(PodUid),
    /// It has been looked for again.
    Recalled { pod: PodUid, recall: Box<Recall> },
    /// A Pod that was not taken up is to be ended and removed, with so much time for its containers.
    Discard { pod: PodUid, grace: Duration },
    /// Nothing is left of it.
    Discarded(PodUid),
    /// Nothing of a Pod is left on the disk.
    Gone(PodUid),
    /// The node is to stop; Pods go on.
    Stop,
}

/// Something that people should know and the planner need not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Remark {
    /// Something was done in another way than asked for, such as without a right that is missing.
    Warning(String),
    /// Something could not be done.
    Error(String),
}

/// The most bytes of a remark: each Pod's are remembered, so that none is made twice.
const REMARK_MAX_BYTES: usize = 2 << 10;

impl Remark {
    /// Cuts its text: it quotes what others wrote.
    pub(crate) fn bound(&mut self) {
        match self {
            Remark::Warning(text) | Remark::Error(text) => bound(text, REMARK_MAX_BYTES),
        }
    }
}

/// Asks a running node for things. What is asked of a node that has ended is of no consequence.
#[derive(Debug, Clone)]
pub struct Handle {
    events: UnboundedSender<Event>,
}

impl Handle {
    pub(super) fn new(events: UnboundedSender<Event>) -> Handle {
        Handle { events }
    }

    /// Asks for the deletion of a Pod, with another grace period than its own if one is given.
    pub fn delete(&self, pod: PodUid, grace_s: Option<u64>) {
        self.send(Event::Fact {
            pod,
            fact: Fact::DeleteRequested { grace_s },
            stamped: None,
            seq: None,
        });
    }

    /// Asks for a Pod to be taken up. One whose uid is known already is left as it is.
    pub fn accept(&self, pod: Pod) {
        self.send(Event::Accept(Box::new(pod)));
    }

    /// Hands in a newer manifest of a Pod that was taken up.
    pub fn update(&self, pod: Pod) {
        self.send(Event::Update(Box::new(pod)));
    }

    /// Asks for a Pod that was not taken up to be tried again now.
    pub fn retry(&self, pod: PodUid) {
        self.send(Event::Retry(pod));
    }

    /// Asks for the end of a Pod that was not taken up; its containers have this long to end by themselves.
    pub fn discard(&self, pod: PodUid, grace: Duration) {
        self.send(Event::Discard { pod, grace });
    }

    /// Replaces the ConfigMaps and Secrets; volumes of running Pods that show them follow.
    pub fn set_objects(&self, objects: Objects) {
        self.send(Event::Objects(Box::new(objects)));
    }

    /// Lets [`crate::Node::serve`] return. Pods go on running.
    pub fn stop(&self) {
        self.send(Event::Stop);
    }

    fn send(&self, event: Event) {
        self.events.send(event).ok();
    }
}
