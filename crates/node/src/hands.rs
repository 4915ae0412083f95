//! What is at hand to carry out one Pod's steps: its directories, its shim, its instances, and the
//! way back to the loop.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, RwLock};

use outrigger_bundle::HostFacts;
use outrigger_image::Store;
use outrigger_lifecycle::{Fact, Time};
use outrigger_pod::{Objects, Pod, PodUid, Slot};
use outrigger_wire::Lease;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;

use crate::directories::PodDirectories;
use crate::instances::{Instance, Instances};
use crate::lock::PodLock;
use crate::logs::Follower;
use crate::node::{Event, Remark};
use crate::open_files::Share;
use crate::record::{InstanceLine, Line, Record};
use crate::settings::Settings;
use crate::shim::{Departures, Shim};
use crate::volumes::Volumes;

/// What all Pods of a node have around them.
pub(crate) struct Surroundings {
    /// The node's settings.
    pub(crate) settings: Settings,
    /// What this machine is.
    pub(crate) host: HostFacts,
    /// The images.
    pub(crate) images: Store,
    /// The ConfigMaps and Secrets as they are now.
    pub(crate) objects: RwLock<Arc<Objects>>,
    /// Follows logs, for a node that is bound to a terminal.
    pub(crate) follower: Option<Follower>,
    /// Their shims that are about to go.
    pub(crate) departures: Departures,
}

impl Surroundings {
    /// Asks the machine what it is and opens the image store.
    pub(crate) fn new(
        mut settings: Settings,
        follower: Option<Follower>,
    ) -> Result<Surroundings, String> {
        settings.directories.close()?;
        crate::sweep::sweep(&settings.directories);
        let host = crate::host::facts()?;
        let images = Store::open(&settings.directories.root).map_err(|error| chain(&error))?;
        Ok(Surroundings {
            objects: RwLock::new(Arc::new(settings.objects.clone())),
            settings,
            host,
            images,
            follower,
            departures: Departures::default(),
        })
    }

    /// Whether Pods outlive this node, which then keeps their records and logs.
    pub(crate) fn lasting(&self) -> bool {
        self.settings.lease == Lease::Forever
    }

    /// Removes the cgroup of shims behind this one, if it was the last.
    pub(crate) fn see_off(&self, shim: Option<OwnedFd>) {
        let home = self.settings.shim.home.as_ref();
        self.departures.see_off(shim, home);
    }

    /// The ConfigMaps and Secrets as they are now.
    pub(crate) fn objects(&self) -> Arc<Objects> {
        Arc::clone(&self.objects.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One Pod's hands.
pub(crate) struct Hands {
    /// Whose hands these are.
    pub(crate) uid: PodUid,
    /// The Pod as it was updated last.
    pod: RwLock<Arc<Pod>>,
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
    /// Whether its shim has released everything.
    pub(crate) released: AtomicBool,
    /// The right to work in the Pod's directories, once it is taken.
    lock: Mutex<Option<PodLock>>,
    /// The files that it has open in this process, once it has a sandbox.
    share: Mutex<Option<Share>>,
    /// The number of the newest event that was taken in.
    last_event: AtomicU64,
    /// Where its volumes are, once they are.
    volumes: Mutex<Arc<Volumes>>,
    /// The limits that the Pod's cgroup was given last, if that is known. Held while they change.
    pub(crate) given: tokio::sync::Mutex<Option<serde_json::Value>>,
    /// Held while something of the Pod is removed from the disk.
    pub(crate) removing: tokio::sync::Mutex<()>,
    /// Shared by those who write below the Pod's directories, alone with who takes them away for good.
    writing: RwLock<()>,
    /// What is written down of its life, if it outlives this node.
    record: Option<Record>,
    events: UnboundedSender<Event>,
}

impl Hands {
    /// Empty hands.
    pub(crate) fn new(
        pod: Arc<Pod>,
        around: Arc<Surroundings>,
        events: UnboundedSender<Event>,
        record: Option<Record>,
    ) -> Hands {
        let dirs = around.settings.directories.of(&pod);
        Hands {
            uid: pod.uid.clone(),
            pod: RwLock::new(pod),
            around,
            dirs,
            instances: Mutex::default(),
            shim: Mutex::default(),
            lost_shim: AtomicBool::new(false),
            released: AtomicBool::new(false),
            lock: Mutex::default(),
            share: Mutex::default(),
            last_event: AtomicU64::new(0),
            volumes: Mutex::default(),
            given: tokio::sync::Mutex::default(),
            removing: tokio::sync::Mutex::default(),
            writing: RwLock::default(),
            record,
            events,
        }
    }

    /// The Pod as it was updated last.
    pub(crate) fn pod(&self) -> Arc<Pod> {
        Arc::clone(&self.pod.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts a newer Pod of the same uid in its place.
    pub(crate) fn set_pod(&self, pod: Arc<Pod>) {
        *self.pod.write().unwrap_or_else(PoisonError::into_inner) = pod;
    }

    /// Its record, if it has one.
    pub(crate) fn record(&self) -> Option<&Record> {
        self.record.as_ref()
    }

    /// Waits until all that was recorded up to now is written. It borrows nothing.
    pub(crate) fn settled(&self) -> impl Future<Output = ()> + Send + 'static {
        let settled = self.record.as_ref().map(Record::settled);
        async move {
            if let Some(settled) = settled {
                settled.await;
            }
        }
    }

    /// Takes up an instance, in the record too: it must be known before the shim is asked for it, as
    /// the shim's events may come sooner than its reply, and to another node.
    pub(crate) async fn take_up_instance(&self, slot: Slot, attempt: u32, instance: Instance) {
        let line = InstanceLine::of(slot, attempt, &instance);
        // First what a record that is made anew is made of, so that it cannot miss the line.
        self.instances
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(slot, attempt, instance);
        if let Some(record) = &self.record {
            record.append(&Line::Instance(line), false);
        }
        self.settled().await;
    }

    /// Tells the loop what was observed.
    pub(crate) fn report(&self, fact: Fact) {
        self.send(fact, None, None);
    }

    /// Tells the loop what the shim's event with the number `seq` says, and when that was.
    pub(crate) fn report_event(&self, seq: u64, at: Option<Time>, fact: Fact) {
        self.send(fact, at, Some(seq));
    }

    fn send(&self, mut fact: Fact, stamped: Option<Time>, seq: Option<u64>) {
        fact.bound();
        // Without a loop nobody is interested any more.
        self.events
            .send(Event::Fact {
                pod: self.uid.clone(),
                fact,
                stamped,
                seq,
            })
            .ok();
    }

    /// Tells the loop that nothing of the Pod is left.
    pub(crate) fn report_gone(&self) {
        self.events.send(Event::Gone(self.uid.clone())).ok();
    }

    /// Tells the loop what became of the search for the Pod's shim.
    pub(crate) fn report_reached(&self, reach: crate::adopt::Reach) {
        let pod = self.uid.clone();
        self.events.send(Event::Reached { pod, reach }).ok();
    }

    /// Tells people that something was done in another way than asked for.
    pub(crate) fn warn(&self, text: String) {
        self.remark(Remark::Warning(text));
    }

    /// Tells people that something could not be done.
    pub(crate) fn complain(&self, text: String) {
        self.remark(Remark::Error(text));
    }

    fn remark(&self, mut remark: Remark) {
        remark.bound();
        self.events
            .send(Event::Remark {
                pod: self.uid.clone(),
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

    /// Takes the files that a Pod with a sandbox has open here, unless it has them.
    ///
    /// # Errors
    /// If there are none left; with what can be done.
    pub(crate) fn take_up_share(&self) -> Result<(), String> {
        let mut share = self.share.lock().unwrap_or_else(PoisonError::into_inner);
        if share.is_none() {
            *share = Some(Share::take()?);
        }
        Ok(())
    }

    /// Does something in the Pod's directories, unless they were given up: what would come into being
    /// after the release would stay for ever. It may wait for the release, and that for it.
    pub(crate) fn while_ours<T>(&self, work: impl FnOnce() -> T) -> Option<T> {
        let _shared = self.writing.read().unwrap_or_else(PoisonError::into_inner);
        let ours = {
            let lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
            lock.is_some()
        };
        ours.then(work)
    }

    /// Hands out the right to work in the Pod's directories, if we have it, as soon as nobody uses it.
    pub(crate) fn take_lock(&self) -> Option<PodLock> {
        let _alone = self.writing.write().unwrap_or_else(PoisonError::into_inner);
        *self.share.lock().unwrap_or_else(PoisonError::into_inner) = None;
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

/// How many pieces of work the threads beside the loop have in hand. It is the process' own, as they are.
static IN_HAND: LazyLock<watch::Sender<usize>> = LazyLock::new(watch::Sender::default);

/// Counts a piece of work as long as it is done.
struct InHand;

impl InHand {
    fn begin() -> InHand {
        IN_HAND.send_modify(|count| *count += 1);
        InHand
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        IN_HAND.send_modify(|count| *count -= 1);
    }
}

/// Does something that may wait for the disk, where nobody else has to wait with it.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    let in_hand = InHand::begin();
    let done = tokio::task::spawn_blocking(move || {
        let _until_done = in_hand;
        work()
    });
    match done.await {
        Ok(result) => result,
        Err(error) => Err(format!("a task of the node broke off: {error}")),
    }
}

/// Waits until no such work is in hand.
pub(crate) async fn nothing_in_hand() {
    let mut count = IN_HAND.subscribe();
    // The sender is never dropped.
    count.wait_for(|count| *count == 0).await.ok();
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

#[cfg(test)]
mod tests;
