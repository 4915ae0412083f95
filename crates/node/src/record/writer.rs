//! Who writes records? One job of the blocking pool for each file that has something to be written, so
//! that a slow disk holds up nobody but those who wait for it.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::open_files::Stay;
use crate::record::Complain;

/// After a failure, the time until it is tried again.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What is to be done to the file.
#[derive(Debug)]
pub(super) enum Order {
    /// Add a line.
    Append {
        /// The line.
        bytes: Vec<u8>,
        /// Whether it must be on the disk.
        durable: bool,
    },
    /// Put this in the place of everything, on the disk.
    Replace(Vec<u8>),
    /// Remove the file.
    Remove,
}

/// One file and what is still to be written to it.
pub(super) struct Writer {
    path: PathBuf,
    state: Mutex<State>,
    /// Only the job holds it, so it never waits.
    file: Mutex<Target>,
    /// How many orders are carried out.
    written: watch::Sender<u64>,
    complain: Complain,
}

#[derive(Debug, Default)]
struct State {
    orders: Vec<Order>,
    given: u64,
    /// Whether a job is at work.
    busy: bool,
    size: u64,
    /// Since when lines are missing because they could not be written.
    broken: Option<Instant>,
    removed: Option<Result<(), String>>,
}

#[derive(Debug, Default)]
struct Target {
    open: Option<File>,
    /// The right to stay open until there is more to be written.
    stay: Option<Stay>,
    /// What a process that was killed left behind this is no whole line.
    good: u64,
}

impl Target {
    /// There is no more for now. The file, which has so many bytes, is closed if others need the descriptor.
    fn rest(&mut self, size: u64) {
        if self.open.is_some() && self.stay.is_none() {
            self.stay = Stay::take();
        }
        if self.stay.is_none() {
            self.open = None;
            self.good = size;
        }
    }
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("path", &self.path).finish()
    }
}

impl Writer {
    /// Writes to the file at `path`, behind its first `good` bytes.
    pub(super) fn new(path: PathBuf, good: u64, complain: Complain) -> Writer {
        let state = State {
            size: good,
            ..State::default()
        };
        Writer {
            path,
            state: Mutex::new(state),
            file: Mutex::new(Target {
                open: None,
                stay: None,
                good,
            }),
            written: watch::Sender::new(0),
            complain,
        }
    }

    /// Gives an order, which is carried out by and by.
    pub(super) fn send(self: &Arc<Writer>, order: Order) {
        let mut state = self.lock();
        state.given += 1;
        state.orders.push(order);
        if !std::mem::replace(&mut state.busy, true) {
            let here = Arc::clone(self);
            tokio::task::spawn_blocking(move || here.work());
        }
    }

    /// Takes note that something could not even be handed in.
    pub(super) fn fail(&self, error: &str) {
        self.lock().broken = Some(Instant::now());
        (self.complain)(error.to_owned());
    }

    /// Waits for all orders that were given.
    pub(super) fn settled(&self) -> impl Future<Output = ()> + Send + 'static {
        let given = self.lock().given;
        let mut written = self.written.subscribe();
        async move {
            // Without a writer there is nothing more to wait for.
            written.wait_for(|written| *written >= given).await.ok();
        }
    }

    pub(super) fn wants_replacing(&self, limit_bytes: u64) -> bool {
        let state = self.lock();
        match state.broken {
            Some(since) => since.elapsed() >= RETRY_AFTER,
            None => state.size > limit_bytes,
        }
    }

    /// Whether lines are missing that could not be written.
    pub(super) fn is_broken(&self) -> bool {
        let state = self.lock();
        state.broken.is_some() && state.removed.is_none()
    }

    /// How the removal went.
    pub(super) fn removed(&self) -> Result<(), String> {
        self.lock().removed.clone().unwrap_or(Ok(()))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let (orders, given) = {
                let mut state = self.lock();
                if state.orders.is_empty() {
                    file.rest(state.size);
                    state.busy = false;
                    return;
                }
                (std::mem::take(&mut state.orders), state.given)
            };
            self.carry_out(&mut file, orders);
            self.written.send_replace(given);
        }
    }

    /// Lines that follow each other are one write.
    fn carry_out(&self, file: &mut Target, orders: Vec<Order>) {
        let (mut gathered, mut sync) = (Vec::new(), false);
        for order in orders {
            match order {
                Order::Append { bytes, durable } => {
                    gathered.extend(bytes);
                    sync |= durable;
                }
                // What was removed stays so.
                Order::Replace(_) if self.lock().removed.is_some() => {}
                Order::Replace(bytes) => {
                    // What is gathered is in what replaces it.
                    (gathered, sync) = (Vec::new(), false);
                    let done = replace(&self.path, &bytes);
                    self.note(done.map(|open| {
                        file.open = Some(open);
                        bytes.len() as u64
                    }));
                }
                Order::Remove => {
                    (gathered, sync) = (Vec::new(), false);
                    (file.open, file.stay) = (None, None);
                    self.lock().removed = Some(remove(&self.path));
                }
            }
        }
        let (gone, broken) = {
            let state = self.lock();
            (state.removed.is_some(), state.broken.is_some())
        };
        if !gathered.is_empty() && !gone && !broken {
            let done = append(&self.path, file, &gathered, sync);
            let size = self.lock().size + gathered.len() as u64;
            self.note(done.map(|()| size));
        }
    }

    /// Whoever waits is let go on also if the disk is full: the Pod can still be stopped and removed
    /// then, which is what makes room.
    fn note(&self, done: std::io::Result<u64>) {
        let mut state = self.lock();
        match done {
            Ok(size) => {
                state.size = size;
                state.broken = None;
            }
            Err(error) => {
                state.broken = Some(Instant::now());
                drop(state);
                (self.complain)(format!(
                    "write the pod's record {}: {error}; what happens now would be done again \
                     after a restart of the daemon: make room on its disk",
                    self.path.display()
                ));
            }
        }
    }
}

fn append(path: &Path, file: &mut Target, bytes: &[u8], sync: bool) -> std::io::Result<()> {
    let open = match &mut file.open {
        Some(open) => open,
        None => {
            let open = File::options().append(true).open(path)?;
            open.set_len(file.good)?;
            file.open.insert(open)
        }
    };
    open.write_all(bytes)?;
    if sync {
        open.sync_data()?;
    }
    Ok(())
}

/// The old file, if there is one, is kept beside the new one.
fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<File> {
    let fresh = path.with_extension("new");
    let old = path.with_extension("jsonl.1");
    let folder = path.parent().unwrap_or(Path::new("/"));
    crate::directories::make(folder, 0o700).map_err(std::io::Error::other)?;
    let mut file = crate::directories::create(&fresh)?;
    file.write_all(bytes)?;
    file.sync_data()?;
    gone(std::fs::remove_file(&old))?;
    gone(std::fs::hard_link(path, &old))?;
    std::fs::rename(&fresh, path)?;
    File::open(folder)?.sync_all()?;
    Ok(file)
}

/// The record goes last: a node that is killed half-way leaves one behind that is found again.
pub(super) fn remove(path: &Path) -> Result<(), String> {
    for path in [
        path.with_extension("jsonl.damaged"),
        path.with_extension("jsonl.1"),
        path.with_extension("new"),
        path.to_owned(),
    ] {
        gone(std::fs::remove_file(&path))
            .map_err(|error| format!("remove {}: {error}", path.display()))?;
    }
    Ok(())
}

/// What was not there need not be taken away.
fn gone(result: std::io::Result<()>) -> std::io::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
