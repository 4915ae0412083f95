//! Which Pods are to be there because their manifests lie in a folder? The folder is read, compared with
//! the store, and what differs is written there; the rest is as with any other Pod. A file that has
//! become bad changes nothing: what it last said well still holds.

mod decide;
mod folder;
mod put;
mod watch;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use outrigger_api::{Change, Resource, Store};

use self::decide::{Action, decide};
use self::folder::{Complaint, Folder, WARNING};
use self::watch::Changes;
use super::events::Incident;
use super::journal::Subject;
use super::outbox::Outbox;

/// Where an object comes from: `file` for ours.
pub(crate) const SOURCE: &str = "kubernetes.io/config.source";
/// What the document was when the object was made of it.
pub(crate) const HASH: &str = "kubernetes.io/config.hash";
/// What a node's own Pods carry: `kubectl drain` leaves a Pod alone that has it. Its value is the hash.
pub(crate) const MIRROR: &str = "kubernetes.io/config.mirror";
/// The name of the file.
pub(crate) const FILE: &str = "outrigger.run/config.file";

/// Keeps the store as the folder says.
pub(crate) struct Manifests {
    store: Store,
    outbox: Arc<Outbox>,
    path: PathBuf,
    host: String,
    folder: Folder,
    /// What was complained of, so that it is not said at each look.
    told: BTreeSet<String>,
}

impl Manifests {
    /// Manifests below this folder.
    pub(crate) fn new(store: Store, outbox: Arc<Outbox>, path: PathBuf, host: String) -> Manifests {
        Manifests {
            store,
            outbox,
            folder: Folder::new(path.clone()),
            path,
            host,
            told: BTreeSet::new(),
        }
    }

    /// Looks whenever something changes, until the future is dropped.
    pub(crate) async fn run(mut self) {
        let mut changes = Changes::of(&self.path);
        if let Some(problem) = changes.problem() {
            tracing::warn!("the manifests folder is looked at each second: {problem}");
        }
        loop {
            let version = self.store.list(Resource::Pods, None).version;
            let watch = self.store.watch(Resource::Pods, version);
            // Reading files and writing the store may wait for the disk.
            let looked = tokio::task::spawn_blocking(move || {
                self.look();
                self
            });
            self = match looked.await {
                Ok(this) => this,
                Err(error) => {
                    return tracing::error!("looking after the manifests broke off: {error}");
                }
            };
            let Ok(mut watch) = watch else {
                tokio::task::yield_now().await;
                continue;
            };
            let name_is_free = async {
                while let Some(notice) = watch.next().await {
                    if notice.change == Change::Deleted {
                        return;
                    }
                }
            };
            tokio::select! {
                () = changes.next() => {}
                () = name_is_free => {}
            }
        }
    }

    /// Brings the store to what the folder says.
    fn look(&mut self) {
        let (wanted, complaints) = self.folder.read();
        let mut told = BTreeSet::new();
        for complaint in complaints {
            self.complain(&complaint, &mut told);
        }
        for resource in [Resource::ConfigMaps, Resource::Secrets, Resource::Pods] {
            let listed = self.store.list(resource, None).items;
            for action in decide(&wanted, resource, &listed) {
                if let Action::Refuse { file, text } = &action {
                    let complaint = Complaint::new("NameConflict", file, text.clone());
                    self.complain(&complaint, &mut told);
                    continue;
                }
                if let Some(text) = action.told() {
                    tracing::info!("{text}");
                }
                if let Err(problem) = put::carry_out(&self.store, &self.host, action) {
                    let complaint = Complaint::new("FailedSync", "", problem);
                    self.complain(&complaint, &mut told);
                }
            }
        }
        // What is no longer wrong is said again when it is wrong again.
        self.told = told;
    }

    fn complain(&self, complaint: &Complaint, told: &mut BTreeSet<String>) {
        let id = format!("{} {} {}", complaint.reason, complaint.file, complaint.text);
        if !self.told.contains(&id) {
            let subject = Subject {
                kind: "Node",
                namespace: "default".to_owned(),
                name: self.host.clone(),
                uid: self.host.clone(),
            };
            let text = match complaint.file.as_str() {
                "" => complaint.text.clone(),
                // Problems that have a place name the file themselves.
                file if complaint.text.starts_with(file) => complaint.text.clone(),
                file => format!("{file}: {}", complaint.text),
            };
            match complaint.reason {
                WARNING => tracing::warn!("{text}"),
                _ => tracing::error!("{text}"),
            }
            self.outbox
                .tell(subject, Incident::warning(complaint.reason, text));
        }
        told.insert(id);
    }
}

#[cfg(test)]
mod tests;
