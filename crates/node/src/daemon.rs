//! How does the node live as a daemon? It opens what is on the disk, takes up the Pods that went on
//! running, opens the doors, and then does what the store says until it is told to stop. Pods outlive it.
//!
//! What people want: `source.rs` and `manifests.rs`; what is told them: `publish.rs` and `events.rs`; what
//! they ask of a running Pod: `cluster.rs`.

mod cluster;
mod counts;
mod doors;
mod events;
mod journal;
mod logs;
mod lost_store;
mod manifests;
mod metrics;
mod node_object;
mod objects;
mod outbox;
mod publish;
mod service;
mod source;
mod streams;
mod usage;
mod words;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use outrigger_api::Store;
use outrigger_wire::Lease;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::unbounded_channel;
use tokio::task::JoinSet;

use self::cluster::Ward;
use self::counts::Counts;
use self::doors::Doors;
use self::manifests::Manifests;
use self::node_object::NodeObject;
use self::outbox::Outbox;
use self::publish::Publisher;
use self::service::{Lock, Service};
use self::source::Source;
use crate::hands::chain;
use crate::logs::Sink;
use crate::node::{Adopted, Handle, Node};
use crate::settings::Settings;

/// What a daemon needs to know.
#[derive(Debug, Clone)]
pub struct DaemonSettings {
    /// The node's settings. Its lease is taken to be [`Lease::Forever`].
    pub settings: Settings,
    /// The folder of manifests; it need not exist.
    pub manifests: PathBuf,
    /// Where the API listens with TLS.
    pub listen: SocketAddr,
    /// Where the kubeconfig is written.
    pub kubeconfig: PathBuf,
    /// The unix socket of our own commands.
    pub socket: PathBuf,
    /// Whether to go on with an empty store of API objects where Pods have lived.
    pub accept_empty_store: bool,
    /// Gives memory that is free back to the machine; called after a burst of work. Only what is `unsafe`
    /// elsewhere can do that.
    pub relax: fn(),
}

/// How long the doors stay closed at most until the Pods that were taken up are shown.
const SHOWN_WITHIN: Duration = Duration::from_secs(1);

/// Nobody reads along: logs are read from their files when somebody asks.
struct Nobody;

impl Sink for Nobody {
    fn line(&mut self, _: &crate::logs::Source, _: crate::Stream, _: &[u8]) {}

    fn rest(&mut self) {}
}

/// Runs until SIGTERM or SIGINT. It must be called on a tokio runtime with all of its drivers.
///
/// # Errors
/// If it cannot start, or cannot go on; the message says what to do.
pub async fn daemon(mut settings: DaemonSettings) -> Result<(), String> {
    settings.settings.lease = Lease::Forever;
    settings.settings.directories.make()?;
    let directories = settings.settings.directories.clone();
    let _lock = Lock::take(&directories.root)?;
    let mut end = End::listen()?;
    let host = crate::names::node_name();
    let accepted_empty = lost_store::check(&directories, settings.accept_empty_store)?;
    let store = Store::open(&directories.root).map_err(|error| chain(&error))?;
    let node_object = NodeObject::new(store.clone(), host.clone(), directories.root.clone());
    node_object::ensure_namespace(&store, "default")
        .and_then(|()| node_object.refresh())
        .map_err(|error| chain(&error))?;

    let (outbox, counts) = (Arc::<Outbox>::default(), Arc::<Mutex<Counts>>::default());
    let writer = publish::start(Arc::clone(&outbox), store.clone(), host.clone())
        .map_err(|error| format!("start a thread: {error}"))?;
    let (mut node, source) = take_up(&settings, &store, &outbox, &counts, accepted_empty).await?;
    let shown = Arc::clone(&outbox);
    // Nobody is to find a Pod that goes on running without its status.
    let shown = tokio::task::spawn_blocking(move || shown.settle(SHOWN_WITHIN));
    shown
        .await
        .map_err(|error| format!("show the pods: {error}"))?;

    let ward = Ward::new(node.residents(), store.clone(), &directories, counts);
    let mut doors = Doors::open(&settings, store.clone(), ward, &host)?;
    let manifests = Manifests::new(
        store.clone(),
        Arc::clone(&outbox),
        settings.manifests.clone(),
        host,
    );
    let mut tasks = JoinSet::new();
    tasks.spawn(source.run());
    tasks.spawn(manifests.run());
    tasks.spawn(node_object.run());
    (settings.relax)();
    let service = Service::ready(&settings.listen);
    tasks.spawn(service.keep_alive(store));

    let result = tokio::select! {
        () = node.serve() => Err("the loop over all Pods ended by itself".to_owned()),
        () = end.awaited() => Ok(()),
        problem = doors.broken() => Err(problem),
        Some(ended) = tasks.join_next() => Err(match ended {
            Ok(()) => "a task of the daemon ended by itself".to_owned(),
            Err(error) => format!("a task of the daemon broke off: {error}"),
        }),
    };
    Service::stopping();
    doors.close().await;
    tasks.shutdown().await;
    // What the loop has taken up is written; what it has not is taken up again at the next start.
    node.handle().stop();
    node.serve().await;
    drop(node);
    outbox.close();
    if tokio::task::spawn_blocking(|| writer.join()).await.is_err() {
        tracing::error!("the thread that shows statuses broke off");
    }
    result
}

/// A node with the Pods that went on running, and what brings it to what the store says.
async fn take_up(
    settings: &DaemonSettings,
    store: &Store,
    outbox: &Arc<Outbox>,
    counts: &Arc<Mutex<Counts>>,
    accepted_empty: bool,
) -> Result<(Node, Source<Handle>), String> {
    let (sender, standings) = unbounded_channel();
    let publisher = Publisher {
        outbox: Arc::clone(outbox),
        counts: Arc::clone(counts),
        standings: sender,
    };
    let mut node = Node::new(
        settings.settings.clone(),
        Box::new(publisher),
        Box::new(Nobody),
    )?;
    crate::open_files::tell_if_few();
    let (handle, held) = (node.handle(), Arc::clone(outbox));
    let outbox = Arc::clone(outbox);
    let mut source = Source::new(store.clone(), handle, outbox, standings);
    // A Pod that is put back into the store must be there before its status.
    held.hold();
    adopt(&mut node, &mut source, counts, accepted_empty).await?;
    held.release();
    Ok((node, source))
}

/// Takes up the Pods that went on running, and brings them to what the store says.
async fn adopt(
    node: &mut Node,
    source: &mut Source<Handle>,
    counts: &Mutex<Counts>,
    accepted_empty: bool,
) -> Result<(), String> {
    let begun = Instant::now();
    let Adopted { pods, left } = node.adopt(source.lived()).await?;
    let took_s = begun.elapsed().as_secs_f64();
    if !pods.is_empty() {
        tracing::info!(
            pods = pods.len(),
            took_s,
            "took up the pods of the daemon before"
        );
    }
    {
        let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.on_adopted(pods.len(), took_s);
    }
    if !accepted_empty {
        // Otherwise nobody knows what is known to nobody.
        node.sweep(source.wanted())?;
    }
    let problems = left.into_iter().map(|(uid, left)| (uid, left.problem));
    source.adopted(&pods, &problems.collect());
    if node.takes_up_singly() {
        for (uid, stored) in source.newcomers() {
            node.alone(&uid, || source.see(stored)).await?;
        }
    }
    // Whoever comes through the doors finds this done; the watches begin anew in the source's task.
    source.catch_up();
    node.adopted();
    Ok(())
}

/// The wish that the daemon end.
struct End {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl End {
    fn listen() -> Result<End, String> {
        let of = |kind| signal(kind).map_err(|error| format!("listen for signals: {error}"));
        Ok(End {
            terminate: of(SignalKind::terminate())?,
            interrupt: of(SignalKind::interrupt())?,
        })
    }

    async fn awaited(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
