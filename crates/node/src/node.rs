//! The loop: one event at a time is observed, planned for, and its steps handed out. Whatever takes
//! time is a task that comes back as an event.

mod adoption;
mod event;
mod life;
mod observer;
pub(crate) mod silence;
mod taking_up;
mod waiting;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use outrigger_lifecycle::{Fact, Seen, Time};
use outrigger_pod::{Objects, Pod, PodUid};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::adopt::{Lived, Progress};
use crate::clock::{WallClock, now};
use crate::hands::{Hands, Surroundings};
use crate::logs::{Follower, Sink};
use crate::preflight::Missing;
use crate::record::{self, Complain, Record};
use crate::residents::Residents;
use crate::settings::Settings;
use crate::shim::Home;
use crate::sources;
use crate::status::Transitions;

pub use adoption::Adopted;
pub(crate) use event::Event;
pub use event::{Handle, Remark};
pub use observer::{Finished, Observer, Telling};

use life::Life;
use waiting::Waiting;

/// How long a node that stops waits for a slow disk.
const FAREWELL: Duration = Duration::from_secs(5);

/// The node.
pub struct Node {
    around: Arc<Surroundings>,
    lives: BTreeMap<PodUid, Life>,
    /// Pods of an earlier node that are not taken up.
    waiting: BTreeMap<PodUid, Waiting>,
    /// What is known of Pods of an earlier node beside their records.
    lived: BTreeMap<PodUid, Lived>,
    /// Those of the waiting that are being removed.
    discarding: BTreeSet<PodUid>,
    /// How far it has come with taking up Pods.
    progress: Progress,
    /// Held by whoever takes up one alone.
    turn: Arc<tokio::sync::Mutex<()>>,
    residents: Residents,
    events: UnboundedReceiver<Event>,
    sender: UnboundedSender<Event>,
    observer: Box<dyn Observer>,
    wall: WallClock,
    /// When the shims are looked at next; never while there are none.
    look_at: Option<Time>,
    stopping: bool,
}

impl Node {
    /// A node without Pods. It must live on a tokio runtime. Logs are followed only by one that its
    /// Pods do not outlive.
    ///
    /// # Errors
    /// If this machine cannot be asked what it is, or its logs cannot be followed.
    pub fn new(
        settings: Settings,
        observer: Box<dyn Observer>,
        sink: Box<dyn Sink>,
    ) -> Result<Node, String> {
        crate::open_files::raise()?;
        let follower = match settings.lease {
            outrigger_wire::Lease::Forever => None,
            outrigger_wire::Lease::Connection => Some(Follower::start(sink).map_err(|error| {
                format!("follow logs with inotify: {error} (perhaps fs.inotify.max_user_instances is too low)")
            })?),
        };
        let mut settings = settings;
        if settings.lease == outrigger_wire::Lease::Forever {
            settings.shim.home = Home::find(&settings.cgroup);
        }
        let progress = Progress::begin(&settings.directories.root, settings.note_crashes);
        let around = Arc::new(Surroundings::new(settings, follower)?);
        let (sender, events) = unbounded_channel();
        Ok(Node {
            around,
            lives: BTreeMap::new(),
            waiting: BTreeMap::new(),
            lived: BTreeMap::new(),
            discarding: BTreeSet::new(),
            progress,
            turn: Arc::default(),
            residents: Residents::default(),
            events,
            sender,
            observer,
            wall: WallClock::read(),
            look_at: None,
            stopping: false,
        })
    }

    /// A way to ask this node for things while it runs.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle::new(self.sender.clone())
    }

    /// The Pods that it has, for whoever needs what only a running Pod can give.
    #[must_use]
    pub(crate) fn residents(&self) -> Residents {
        self.residents.clone()
    }

    /// What this Pod would wait for in vain, because nobody brings images or objects later.
    #[must_use]
    pub fn missing(&self, pod: &Pod) -> Vec<Missing> {
        crate::preflight::missing(pod, &self.around.settings.objects, &self.around.images)
    }

    /// Takes up a Pod; its life begins at once. One whose uid is known already is left as it is.
    pub fn accept(&mut self, pod: Pod) {
        if self.lives.contains_key(&pod.uid) || self.waiting.contains_key(&pod.uid) {
            return;
        }
        let pod = Arc::new(pod);
        let accepted = now();
        self.observer.on_accepted(&pod, accepted);
        let record = self.around.lasting().then(|| {
            let path = record::path(&self.around.settings.directories.root, &pod.uid.0);
            let head = life::head(&pod, accepted, self.wall);
            Record::begin(path, head, complain(self.sender.clone(), &pod.uid))
        });
        let seen = Seen::new(&pod, accepted);
        let hands = Arc::new(Hands::new(
            pod,
            Arc::clone(&self.around),
            self.sender.clone(),
            record,
        ));
        let mut life = Life::new(hands, seen, Transitions::default(), self.wall);
        life.turn(&mut *self.observer);
        self.insert(life);
    }

    fn insert(&mut self, life: Life) {
        self.watch();
        self.residents.insert(Arc::clone(&life.hands));
        self.lives.insert(life.hands.uid.clone(), life);
    }

    /// Runs until every Pod's life is over, and gives their ends in the order of their uids.
    pub async fn run(&mut self) -> Vec<Finished> {
        while self.lives.values().any(|life| life.over.is_none()) {
            self.step().await;
        }
        self.around.departures.seen_off().await;
        self.lives
            .values()
            .filter_map(|life| life.over.clone())
            .collect()
    }

    /// Runs until somebody calls [`Handle::stop`]; Pods go on.
    pub async fn serve(&mut self) {
        // What went while no node was there left it behind.
        self.around.see_off(None);
        while !self.stopping {
            self.step().await;
        }
        // What a disk does not take in time is found out anew by the next node.
        tokio::time::timeout(FAREWELL, self.written_down())
            .await
            .ok();
        self.around.see_off(None);
        self.around.departures.seen_off().await;
        self.ends_well().await;
    }

    /// Waits until everything is recorded; what a disk refused that may take it by now is handed in once more.
    async fn written_down(&self) {
        for life in self.lives.values() {
            life.hands.settled().await;
            if life.write_what_is_missing() {
                life.hands.settled().await;
            }
        }
    }

    async fn step(&mut self) {
        let lives = self.lives.values().filter_map(|life| life.wake);
        let wake = lives.chain(self.next_retry()).min();
        tokio::select! {
            Some(event) = self.events.recv() => self.take(event),
            () = sleep_until(wake) => self.wake_up(),
            () = sleep_until(self.look_at) => self.look(),
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Fact {
                pod,
                fact,
                stamped,
                seq,
            } => self.take_fact(&pod, (stamped, seq), &fact),
            Event::Remark { pod, remark } => {
                if let Some(life) = self.lives.get_mut(&pod) {
                    life.remark(&mut *self.observer, remark);
                    // It may be the record that complains.
                    life.mend_record();
                }
            }
            Event::Accept(pod) => self.accept(*pod),
            Event::Update(pod) => {
                if let Some(life) = self.lives.get_mut(&pod.uid) {
                    life.update(&mut *self.observer, *pod);
                }
            }
            Event::Objects(objects) => self.replace_objects(*objects),
            Event::Reached { pod, reach } => self.reached(&pod, reach),
            Event::Retry(pod) => self.retry(&pod),
            Event::Recalled { pod, recall } => self.recalled(pod, *recall),
            Event::Discard { pod, grace } => self.discard(pod, grace),
            Event::Discarded(pod) => self.discarded(&pod),
            Event::Gone(pod) => {
                self.residents.remove(&pod);
                if let Some(life) = self.lives.remove(&pod) {
                    self.observer.on_gone(&life.pod);
                }
            }
            Event::Stop => self.stopping = true,
        }
    }

    /// Observes a fact, and does what is to be done then.
    fn take_fact(
        &mut self,
        uid: &PodUid,
        (stamped, seq): (Option<Time>, Option<u64>),
        fact: &Fact,
    ) {
        if *fact == Fact::SandboxReady {
            self.watch();
        }
        let Some(life) = self.lives.get_mut(uid) else {
            return;
        };
        let now = now();
        let at = (stamped.map_or(now, |at| at.min(now)), seq);
        if life.over.is_none() {
            life.observe(&mut *self.observer, at, fact);
            life.turn(&mut *self.observer);
        } else if matches!(fact, Fact::DeleteRequested { .. }) {
            life.observe(&mut *self.observer, at, fact);
            life.go();
        }
    }

    fn wake_up(&mut self) {
        let now = now();
        for life in self.lives.values_mut() {
            if life.wake.is_some_and(|wake| wake <= now) {
                life.turn(&mut *self.observer);
            }
        }
        self.retry_due();
    }

    fn replace_objects(&mut self, objects: Objects) {
        let new = Arc::new(objects);
        let old = {
            let around = self.around.objects.write();
            let mut around = around.unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *around, Arc::clone(&new))
        };
        for life in self.lives.values_mut().filter(|life| life.over.is_none()) {
            life.hands.refresh_volumes();
            if life.seen.awaits_sources() && sources::changed(&life.pod, &old, &new) {
                life.observe(&mut *self.observer, (now(), None), &Fact::SourcesChanged);
                life.turn(&mut *self.observer);
            }
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Whatever it had in hand has broken the loop.
        if std::thread::panicking() {
            self.progress.crashed();
        }
    }
}

/// Tells people of trouble with a Pod's record, by way of the loop.
fn complain(sender: UnboundedSender<Event>, uid: &PodUid) -> Complain {
    let pod = uid.clone();
    Box::new(move |text| {
        let (pod, remark) = (pod.clone(), Remark::Error(text));
        // Without a loop nobody is interested any more.
        sender.send(Event::Remark { pod, remark }).ok();
    })
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
