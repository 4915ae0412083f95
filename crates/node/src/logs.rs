//! What do the containers say, as they say it? One thread follows the log files of all containers:
//! inotify tells it that there is more, so it never polls, and nobody else waits for the terminal.

mod tail;

use std::collections::BTreeMap;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use outrigger_pod::{PodUid, Slot};
use outrigger_wire::cri_log::Stream;
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use tokio::sync::oneshot;

use crate::beneath;

use tail::Tail;

/// Whose output it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source {
    /// Which Pod.
    pub pod: PodUid,
    /// Which of its containers.
    pub slot: Slot,
}

/// Takes what containers say.
pub trait Sink: Send {
    /// One line, without its newline, in the order in which its container wrote it.
    fn line(&mut self, source: &Source, stream: Stream, text: &[u8]);

    /// There is no more for now.
    fn rest(&mut self);
}

enum Order {
    Begin {
        source: Source,
        directory: PathBuf,
        attempt: u32,
    },
    End {
        source: Source,
        attempt: u32,
    },
    Drain {
        pod: PodUid,
        done: oneshot::Sender<()>,
    },
}

/// Speaks to the thread that follows; the thread ends when the last of these is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Follower {
    orders: Sender<Order>,
    bell: Arc<OwnedFd>,
}

impl Follower {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the kernel gives no inotify instance.
    pub(crate) fn start(sink: Box<dyn Sink>) -> io::Result<Follower> {
        let changes = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let bell = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let (orders, inbox) = channel();
        let thread = Thread {
            changes,
            bell: Arc::clone(&bell),
            inbox,
            sink,
            tails: BTreeMap::new(),
        };
        std::thread::Builder::new()
            .name("outrigger-logs".to_owned())
            .spawn(move || thread.run())?;
        Ok(Follower { orders, bell })
    }

    /// An instance is about to write; its log directory exists.
    pub(crate) fn begin(&self, source: Source, directory: PathBuf, attempt: u32) {
        self.send(Order::Begin {
            source,
            directory,
            attempt,
        });
    }

    /// All that an instance wrote is in its file.
    pub(crate) fn end(&self, source: Source, attempt: u32) {
        self.send(Order::End { source, attempt });
    }

    /// Waits until everything that the Pod's containers wrote was handed to the sink. The files
    /// can be removed then.
    pub(crate) async fn drain(&self, pod: PodUid) {
        let (done, drained) = oneshot::channel();
        self.send(Order::Drain { pod, done });
        // If the thread is gone, nothing more will come.
        drained.await.ok();
    }

    fn send(&self, order: Order) {
        if self.orders.send(order).is_ok() {
            // A full counter rings as well.
            rustix::io::write(&*self.bell, &1_u64.to_ne_bytes()).ok();
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        rustix::io::write(&*self.bell, &1_u64.to_ne_bytes()).ok();
    }
}

struct Thread {
    changes: OwnedFd,
    bell: Arc<OwnedFd>,
    inbox: Receiver<Order>,
    sink: Box<dyn Sink>,
    tails: BTreeMap<Source, (i32, Tail)>,
}

impl Thread {
    fn run(mut self) {
        while self.wait() && self.obey() {
            self.sink.rest();
        }
        self.sink.rest();
    }

    /// Waits for changes and orders, and reads what the changes speak of.
    fn wait(&mut self) -> bool {
        let mut sources = [
            PollFd::new(&self.changes, PollFlags::IN),
            PollFd::new(&*self.bell, PollFlags::IN),
        ];
        match poll(&mut sources, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return false,
        }
        rustix::io::read(&*self.bell, &mut [0_u8; 8]).ok();
        let mut space = [MaybeUninit::uninit(); 4096];
        let mut changed = std::collections::BTreeSet::new();
        let mut overflow = false;
        let mut reader = inotify::Reader::new(&self.changes, &mut space);
        while let Ok(event) = reader.next() {
            overflow |= event.events().contains(ReadFlags::QUEUE_OVERFLOW);
            changed.insert(event.wd());
        }
        for (source, (watch, tail)) in &mut self.tails {
            if overflow || changed.contains(watch) {
                tail.pump(&mut |stream, text| self.sink.line(source, stream, text));
            }
        }
        true
    }

    fn obey(&mut self) -> bool {
        loop {
            match self.inbox.try_recv() {
                Ok(order) => self.carry_out(order),
                Err(std::sync::mpsc::TryRecvError::Empty) => return true,
                Err(std::sync::mpsc::TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn carry_out(&mut self, order: Order) {
        match order {
            Order::Begin {
                source,
                directory,
                attempt,
            } => {
                let flags = WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::MOVED_TO;
                let (_, tail) = self.tails.entry(source.clone()).or_insert_with(|| {
                    // Without a watch the lines come when the instance ends, which is late but complete.
                    let watch = beneath::folder(&directory).and_then(|folder| {
                        inotify::add_watch(&self.changes, beneath::by_descriptor(&folder), flags)
                    });
                    let watch = watch.unwrap_or(-1);
                    (watch, Tail::new(directory))
                });
                tail.begin(attempt);
                tail.pump(&mut |stream, text| self.sink.line(&source, stream, text));
            }
            Order::End { source, attempt } => {
                if let Some((_, tail)) = self.tails.get_mut(&source) {
                    tail.end(attempt);
                    tail.pump(&mut |stream, text| self.sink.line(&source, stream, text));
                }
            }
            Order::Drain { pod, done } => {
                let sources: Vec<_> = self
                    .tails
                    .keys()
                    .filter(|source| source.pod == pod)
                    .cloned()
                    .collect();
                for source in sources {
                    let Some((watch, mut tail)) = self.tails.remove(&source) else {
                        continue;
                    };
                    tail.end(u32::MAX);
                    tail.pump(&mut |stream, text| self.sink.line(&source, stream, text));
                    if watch >= 0 {
                        // The kernel drops the watch with the directory in any case.
                        inotify::remove_watch(&self.changes, watch).ok();
                    }
                }
                self.sink.rest();
                done.send(()).ok();
            }
        }
    }
}
