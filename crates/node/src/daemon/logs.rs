//! How does a container's log come to whoever asks? Its files are read piece by piece, oldest first, by
//! the rules of the kubelet; a follower is fed until the container has ended and all is read.

mod changes;
mod choose;
mod entries;
mod files;
mod tail;

use std::path::{Path, PathBuf};

use outrigger_api::{Bytes, Key, LogQuery, PodRef, Refused, Resource, Store};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use self::changes::{Changes, Ears};
use self::choose::{Pick, pick};
pub(super) use self::choose::{container_of, status_of};
use self::entries::Entries;
use self::files::{Walk, attempts};

/// How much is read at once, and how much may wait for a reader that is slow.
const PIECE: usize = 128 << 10;

/// Where a Pod's log is, and what says how its containers stand.
#[derive(Clone)]
pub(super) struct Logs {
    /// The objects, whose statuses say it.
    store: Store,
    /// Where all logs are.
    directory: PathBuf,
    ears: Ears,
}

impl Logs {
    /// Those in this directory, of the Pods of this store.
    pub(super) fn new(store: Store, directory: PathBuf) -> Logs {
        let ears = Ears::default();
        Logs {
            store,
            directory,
            ears,
        }
    }

    /// A container's log.
    pub(super) async fn read(&self, pod: &PodRef, query: LogQuery) -> Result<Bytes, Refused> {
        let object = self.object(pod)?;
        let container = container_of(&object, &pod.name, &query.container)?;
        let wish = pick(&object, &pod.name, &container, query.previous)?;
        let directory = self
            .directory
            .join(format!("{}_{}_{}", pod.namespace, pod.name, pod.uid))
            .join(&container);
        let Some(attempt) = found(&directory, wish) else {
            if query.previous {
                return Err(choose::no_previous(&container, &pod.name));
            }
            // It has been started, and its log was removed, or nothing of it is there yet.
            return Ok(Box::new(tokio::io::empty()));
        };
        let (writer, reader) = tokio::io::duplex(PIECE);
        let feeding = Feeding {
            logs: self.clone(),
            pod: pod.clone(),
            container,
            attempt,
            follow: query.follow,
        };
        tokio::spawn(feeding.feed(directory, query, writer));
        Ok(Box::new(reader))
    }

    fn object(&self, pod: &PodRef) -> Result<std::sync::Arc<Value>, Refused> {
        let stored = self.store.get(&key(pod));
        stored
            .filter(|stored| stored.object["metadata"]["uid"].as_str() == Some(&pod.uid))
            .map(|stored| stored.object)
            .ok_or_else(|| Refused::NotFound(format!("pods {:?} not found", pod.name)))
    }
}

fn key(pod: &PodRef) -> Key {
    Key {
        resource: Resource::Pods,
        namespace: pod.namespace.clone(),
        name: pod.name.clone(),
    }
}

fn found(directory: &Path, wish: Pick) -> Option<u32> {
    let attempts = attempts(directory);
    let mut newest_first = attempts.into_iter().rev();
    newest_first.find(|&attempt| match wish {
        Pick::Exactly(wanted) => attempt == wanted,
        Pick::Below(limit) => attempt < limit,
        Pick::UpTo(limit) => attempt <= limit,
    })
}

/// One reader's log.
struct Feeding {
    logs: Logs,
    pod: PodRef,
    container: String,
    attempt: u32,
    follow: bool,
}

impl Feeding {
    async fn feed(self, directory: PathBuf, query: LogQuery, mut writer: DuplexStream) {
        let attempt = self.attempt;
        // Before anything is read, so that nothing is missed.
        let mut changes = self.follow.then(|| {
            let Logs { store, ears, .. } = &self.logs;
            Changes::of(ears, &directory, store, key(&self.pod))
        });
        let opened = tokio::task::spawn_blocking(move || {
            let mut walk = Walk::open(&directory, attempt);
            if let Some(lines) = query.tail_lines {
                tail::seek(&mut walk, lines);
            }
            (walk, Entries::new(&query))
        });
        let Ok((mut walk, mut entries)) = opened.await else {
            return;
        };
        loop {
            // In this order: what is in the files after the container has ended is all there will be.
            let complete = changes.is_none() || self.has_ended();
            let piece = tokio::task::spawn_blocking(move || {
                let mut bytes = vec![0; PIECE];
                let count = walk.read(&mut bytes);
                let text = entries.take(&bytes[..count]);
                (walk, entries, count, text)
            });
            let Ok((next_walk, next_entries, count, text)) = piece.await else {
                return;
            };
            (walk, entries) = (next_walk, next_entries);
            // A reader that is gone wants nothing any more.
            if writer.write_all(&text).await.is_err() || entries.is_over() {
                return;
            }
            if count == 0 {
                let Some(changes) = changes.as_mut().filter(|_| !complete) else {
                    return;
                };
                if is_left(&mut writer, changes).await {
                    return;
                }
            }
        }
    }

    fn has_ended(&self) -> bool {
        let Ok(object) = self.logs.object(&self.pod) else {
            return true;
        };
        let status = status_of(&object, &self.container);
        let runs = status.is_some_and(|status| {
            status["state"]["running"].is_object()
                && status["restartCount"].as_u64() == Some(u64::from(self.attempt))
        });
        !runs
    }
}

/// Waits for more to be written; says whether the reader went away meanwhile.
async fn is_left(writer: &mut DuplexStream, changes: &mut Changes) -> bool {
    // Nobody writes to our side, so that it can be read only when the other side is gone.
    let mut nothing = [0; 1];
    tokio::select! {
        _ = writer.read(&mut nothing) => true,
        () = changes.next() => false,
    }
}

#[cfg(test)]
mod tests;
