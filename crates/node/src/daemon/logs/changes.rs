//! When may there be more of a log to read? One inotify instance hears of all directories whose logs are
//! followed, however many follow them; the store says when a Pod changed. Nobody is woken while nothing
//! is written.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use outrigger_api::{Key, Resource, Store, Watch};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;

use crate::awaited::readable;
use crate::beneath;

/// How often a log is looked at for which there was no inotify to be had.
const IMPATIENCE: Duration = Duration::from_millis(200);
/// Who writes one line often writes more.
const SETTLING: Duration = Duration::from_millis(5);

/// Hears of logs that grow. Clones share the inotify instance, which is made when it is first needed.
#[derive(Clone, Default)]
pub(super) struct Ears {
    ear: Arc<Mutex<Option<Arc<Ear>>>>,
}

struct Ear {
    inotify: AsyncFd<OwnedFd>,
    /// By watch descriptors: whoever wants to know of the directory.
    places: Mutex<BTreeMap<i32, watch::Sender<()>>>,
}

impl Ears {
    /// Listens to a directory. It needs a tokio runtime.
    ///
    /// # Errors
    /// If there is no inotify instance or watch left.
    fn listen(&self, directory: &Path) -> io::Result<Place> {
        let ear = {
            let mut kept = self.ear.lock().unwrap_or_else(PoisonError::into_inner);
            match &*kept {
                Some(ear) => Arc::clone(ear),
                None => Arc::clone(kept.insert(Ear::open()?)),
            }
        };
        let flags = WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::MOVED_TO;
        // Under the lock: a follower that leaves must not take away what this one has just been given.
        let mut places = ear.places();
        let folder = beneath::folder(directory)?;
        let descriptor = inotify::add_watch(
            ear.inotify.get_ref(),
            beneath::by_descriptor(&folder),
            flags,
        )?;
        let sender = places
            .entry(descriptor)
            .or_insert_with(|| watch::Sender::new(()));
        let news = sender.subscribe();
        drop(places);
        Ok(Place {
            ear,
            descriptor,
            news: Some(news),
        })
    }
}

impl Ear {
    fn open() -> io::Result<Arc<Ear>> {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let ear = Arc::new(Ear {
            inotify: readable(inotify)?,
            places: Mutex::default(),
        });
        tokio::spawn(Arc::clone(&ear).pass_on());
        Ok(ear)
    }

    fn places(&self) -> MutexGuard<'_, BTreeMap<i32, watch::Sender<()>>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells everybody what concerns them, as long as the runtime lives.
    async fn pass_on(self: Arc<Ear>) {
        while let Ok(heard) = self.inotify.async_io(Interest::READABLE, drain).await {
            for (descriptor, sender) in &*self.places() {
                if heard
                    .as_ref()
                    .is_none_or(|heard| heard.contains(descriptor))
                {
                    sender.send_replace(());
                }
            }
        }
    }
}

/// The directories that something happened in; `None` is any of them, for the queue ran over.
fn drain(inotify: &OwnedFd) -> io::Result<Option<BTreeSet<i32>>> {
    let mut space = [MaybeUninit::uninit(); 4096];
    let mut reader = inotify::Reader::new(inotify, &mut space);
    let mut heard = BTreeSet::new();
    let mut overflow = false;
    let mut next = reader.next()?;
    loop {
        overflow |= next.events().contains(ReadFlags::QUEUE_OVERFLOW);
        heard.insert(next.wd());
        next = match reader.next() {
            Ok(event) => event,
            // What is wrong now is still wrong at the next reading.
            Err(_) => return Ok((!overflow).then_some(heard)),
        };
    }
}

/// A directory that somebody listens to.
struct Place {
    ear: Arc<Ear>,
    descriptor: i32,
    /// Always there, but while this is dropped.
    news: Option<watch::Receiver<()>>,
}

impl Place {
    async fn heard(&mut self) {
        let heard = match &mut self.news {
            Some(news) => news.changed().await,
            None => return,
        };
        if heard.is_ok() {
            tokio::time::sleep(SETTLING).await;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = self.ear.places();
        self.news = None;
        let is_last = places
            .get(&self.descriptor)
            .is_some_and(|sender| sender.receiver_count() == 0);
        if is_last {
            places.remove(&self.descriptor);
            // The kernel has dropped the watch already if the directory is gone.
            inotify::remove_watch(self.ear.inotify.get_ref(), self.descriptor).ok();
        }
    }
}

/// What one follower waits for: its log's directory and its Pod.
pub(super) struct Changes {
    place: Option<Place>,
    store: Store,
    pod: Key,
    pods: Option<Watch>,
}

impl Changes {
    /// From now on. It needs a tokio runtime.
    pub(super) fn of(ears: &Ears, directory: &Path, store: &Store, pod: Key) -> Changes {
        Changes {
            // Without it the log is looked at again and again.
            place: ears.listen(directory).ok(),
            store: store.clone(),
            pod,
            pods: store.watch(Resource::Pods, 0).ok(),
        }
    }

    /// Waits until there may be more, or the Pod is not as it was.
    pub(super) async fn next(&mut self) {
        let Changes {
            place,
            store,
            pod,
            pods,
        } = self;
        let grown = async {
            match place {
                Some(place) => place.heard().await,
                None => tokio::time::sleep(IMPATIENCE).await,
            }
        };
        let changed = async {
            loop {
                match pods {
                    Some(watch) => match watch.next().await {
                        Some(notice) if notice.stored.key == *pod => return,
                        Some(_) => {}
                        None => *pods = None,
                    },
                    // It was too slow; what it has missed may have been its Pod.
                    None => {
                        *pods = store.watch(Resource::Pods, 0).ok();
                        return;
                    }
                }
            }
        };
        tokio::select! {
            () = grown => {}
            () = changed => {}
        }
    }
}
