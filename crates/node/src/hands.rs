//! What is at hand to carry out one Pod's steps: its directories, its shim, its instances, and the
//! way back to the loop.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use outrigger_bundle::HostFacts;
use outrigger_image::Store;
use outrigger_lifecycle::{Fact, Time};
use outrigger_pod::Pod;
use outrigger_wire::Lease;
use tokio::sync::mpsc::UnboundedSender;

use crate::directories::PodDirectories;
use crate::instances::Instances;
use crate::lock::PodLock;
use crate::logs::Follower;
use crate::node::{Event, Remark};
use crate::settings::Settings;
use crate::shim::Shim;
use crate::volumes::Volumes;

/// What all Pods of a node have around them.
pub(crate) struct Surroundings {
    /// The node's settings.
    pub(crate) settings: Settings,
    /// What this machine is.
    pub(crate) host: HostFacts,
    /// The images.
    pub(crate) images: Store,
    /// Follows logs.
    pub(crate) follower: Follower,
}

impl Surroundings {
    /// Asks the machine what it is and opens the image store.
    pub(crate) fn new(settings: Settings, follower: Follower) -> Result<Surroundings, String> {
        crate::sweep::sweep(&settings.directories);
        let host = crate::host::facts()?;
        let images = Store::open(&settings.directories.root).map_err(|error| chain(&error))?;
        Ok(Surroundings {
            settings,
            host,
            images,
            follower,
        })
    }
}

/// One Pod's hands.
pub(crate) struct Hands {
    /// The Pod.
    pub(crate) pod: Arc<Pod>,
    /// What is around it.
    pub(crate) around: Arc<Surroundings>,
    /// Where its things are.
    pub(crate) dirs: PodDirectories,
    /// Its instances.
    pub(crate) instances: Mutex<Instances>,
    /// Its shim, while there is one.
    shim: Mutex<Option<Arc<Shim>>>,
    /// Whether the newest shim was lost.
    lost_shim: AtomicBool,
    /// The right to work in the Pod's directories, once it is taken.
    lock: Mutex<Option<PodLock>>,
    /// The number of the newest event that was taken in.
    last_event: AtomicU64,
    /// Where its volumes are, once they are.
    volumes: Mutex<Arc<Volumes>>,
    /// Held while something of the Pod is removed from the disk.
    pub(crate) removing: tokio::sync::Mutex<()>,
    events: UnboundedSender<Event>,
}

impl Hands {
    /// Empty hands.
    pub(crate) fn new(
        pod: Arc<Pod>,
        around: Arc<Surroundings>,
        events: UnboundedSender<Event>,
    ) -> Hands {
        let dirs = around.settings.directories.of(&pod);
        Hands {
            pod,
            around,
            dirs,
            instances: Mutex::default(),
            shim: Mutex::default(),
            lost_shim: AtomicBool::new(false),
            lock: Mutex::default(),
            last_event: AtomicU64::new(0),
            volumes: Mutex::default(),
            removing: tokio::sync::Mutex::default(),
            events,
        }
    }

    /// Tells the loop what was observed.
    pub(crate) fn report(&self, fact: Fact) {
        // Without a loop nobody is interested any more.
        self.events
            .send(Event::Fact {
                pod: self.pod.uid.clone(),
                fact,
                stamped: None,
            })
            .ok();
    }

    /// Tells the loop what the shim observed at that time.
    pub(crate) fn report_at(&self, at: Time, fact: Fact) {
        self.events
            .send(Event::Fact {
                pod: self.pod.uid.clone(),
                fact,
                stamped: Some(at),
            })
            .ok();
    }

    /// Tells people that something was done in another way than asked for.
    pub(crate) fn warn(&self, text: String) {
        self.remark(Remark::Warning(text));
    }

    /// Tells people that something could not be done.
    pub(crate) fn complain(&self, text: String) {
        self.remark(Remark::Error(text));
    }

    fn remark(&self, remark: Remark) {
        self.events
            .send(Event::Remark {
                pod: self.pod.uid.clone(),
                remark,
            })
            .ok();
    }

    /// The Pod's shim, if there is one.
    pub(crate) fn shim(&self) -> Option<Arc<Shim>> {
        self.shim
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Takes up a shim, or lets it go.
    pub(crate) fn set_shim(&self, shim: Option<Arc<Shim>>) {
        self.lost_shim.store(false, Ordering::Relaxed);
        *self.shim.lock().unwrap_or_else(PoisonError::into_inner) = shim;
    }

    /// The shim went away on its own.
    pub(crate) fn lose_shim(&self) {
        self.set_shim(None);
        self.lost_shim.store(true, Ordering::Relaxed);
    }

    /// Whether the newest shim was lost, with what it held.
    pub(crate) fn has_lost_shim(&self) -> bool {
        self.lost_shim.load(Ordering::Relaxed)
    }

    /// Takes the right to work in the Pod's directories; says whether it is new to us.
    pub(crate) fn take_up_lock(&self) -> Result<bool, String> {
        let mut lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        if lock.is_some() {
            return Ok(false);
        }
        let bound = self.around.settings.lease == Lease::Connection;
        *lock = Some(PodLock::take(&self.dirs.lock(), bound)?);
        Ok(true)
    }

    /// Hands out the right to work in the Pod's directories, if we have it.
    pub(crate) fn take_lock(&self) -> Option<PodLock> {
        self.lock
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// The number of the newest event that was taken in; 0 for none.
    pub(crate) fn last_event(&self) -> u64 {
        self.last_event.load(Ordering::Relaxed)
    }

    /// Takes note that an event was taken in.
    pub(crate) fn took_event(&self, seq: u64) {
        self.last_event.fetch_max(seq, Ordering::Relaxed);
    }

    /// Where the Pod's volumes are.
    pub(crate) fn volumes(&self) -> Arc<Volumes> {
        Arc::clone(&self.volumes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes note of where the Pod's volumes are.
    pub(crate) fn set_volumes(&self, volumes: Volumes) {
        *self.volumes.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(volumes);
    }
}

/// Does something that may wait for the disk, where nobody else has to wait with it.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(format!("a task of the node broke off: {error}")),
    }
}

/// An error with everything that caused it, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
