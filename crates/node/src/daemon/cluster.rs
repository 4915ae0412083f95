//! What can only a running Pod give to those who come through the API? The node's answers.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use outrigger_api::{
    Answering, Attach, Bytes, Cluster, Exec, Key, LogQuery, PodRef, Refused, Resource, Session,
    Store, UsageOf,
};
use outrigger_pod::PodUid;
use outrigger_wire::{Family, Interact};
use rustix::fs::StatVfsMountFlags;
use serde_json::Value;

use super::counts::Counts;
use super::logs::{Logs, container_of, status_of};
use super::usage::Usages;
use super::{metrics, streams};
use crate::directories::Directories;
use crate::residents::Residents;
use crate::shim::{CallError, Shim};

/// The node, as the API sees it.
pub(crate) struct Ward {
    residents: Residents,
    store: Store,
    logs: Logs,
    root: PathBuf,
    counts: Arc<Mutex<Counts>>,
    usages: Usages,
}

/// A container that runs.
struct Running {
    name: String,
    id: String,
    shim: Arc<Shim>,
}

impl Ward {
    /// Of the node with these Pods.
    pub(crate) fn new(
        residents: Residents,
        store: Store,
        directories: &Directories,
        counts: Arc<Mutex<Counts>>,
    ) -> Ward {
        Ward {
            logs: Logs::new(store.clone(), directories.logs.clone()),
            usages: Usages::default(),
            root: directories.root.clone(),
            residents,
            store,
            counts,
        }
    }

    fn object(&self, pod: &PodRef) -> Result<Arc<Value>, Refused> {
        let key = Key {
            resource: Resource::Pods,
            namespace: pod.namespace.clone(),
            name: pod.name.clone(),
        };
        let stored = self
            .store
            .get(&key)
            .filter(|stored| stored.object["metadata"]["uid"].as_str() == Some(pod.uid.as_str()));
        stored
            .map(|stored| stored.object)
            .ok_or_else(|| Refused::NotFound(format!("pods {:?} not found", pod.name)))
    }

    fn shim(&self, pod: &PodRef) -> Result<Arc<Shim>, Refused> {
        let hands = self.residents.get(&PodUid(pod.uid.clone()));
        hands.and_then(|hands| hands.shim()).ok_or_else(|| {
            Refused::BadRequest(format!("pod {} does not run: it has no sandbox", pod.name))
        })
    }

    fn running(&self, pod: &PodRef, named: &str) -> Result<Running, Refused> {
        let object = self.object(pod)?;
        let phase = object["status"]["phase"].as_str().unwrap_or_default();
        if matches!(phase, "Succeeded" | "Failed") {
            return Err(Refused::BadRequest(format!(
                "cannot exec into a container in a completed pod; current phase is {phase}"
            )));
        }
        // As of the API server: the first of several, if none is named.
        let name = container_of(&object, &pod.name, named).or_else(|refused| {
            let first = object["spec"]["containers"][0]["name"].as_str();
            match (named, first) {
                ("", Some(first)) => Ok(first.to_owned()),
                _ => Err(refused),
            }
        })?;
        let status = status_of(&object, &name);
        let runs = status.filter(|status| status["state"]["running"].is_object());
        let id = runs.and_then(|status| status["containerID"].as_str()?.split("://").nth(1));
        let Some(id) = id else {
            return Err(Refused::BadRequest(format!(
                "container not found ({name:?}): it does not run"
            )));
        };
        Ok(Running {
            id: id.to_owned(),
            shim: self.shim(pod)?,
            name,
        })
    }

    async fn run_in(&self, pod: &PodRef, exec: Exec) -> Result<Session, Refused> {
        let running = self.running(pod, &exec.container)?;
        let wanted = exec.streams;
        let interact = Interact {
            container: running.id,
            args: exec.command,
            stdin: wanted.stdin,
            stdout: wanted.stdout,
            stderr: wanted.stderr && !wanted.tty,
            tty: wanted.tty,
        };
        let begun = running.shim.interact(interact).await;
        let (streams, descriptors, ended, call) = begun.map_err(refused)?;
        let ended = streams::Ended::new(running.shim, call, ended);
        streams::of_exec(streams, descriptors, wanted, ended)
            .map_err(|error| Refused::Internal(format!("take up the command's streams: {error}")))
    }

    async fn take_part(&self, pod: &PodRef, attach: Attach) -> Result<Session, Refused> {
        let running = self.running(pod, &attach.container)?;
        let wanted = attach.streams;
        let begun = running.shim.attach(running.id.clone(), wanted.stdin).await;
        let (streams, descriptors) = begun.map_err(refused)?;
        let end = end_of(self.store.clone(), pod.clone(), running.name, running.id);
        streams::of_attach(streams, descriptors, wanted, Box::pin(end))
            .map_err(|error| Refused::Internal(format!("take up the container's streams: {error}")))
    }

    async fn dial(&self, pod: &PodRef, port: u16) -> Result<tokio::net::TcpStream, Refused> {
        let shim = self.shim(pod)?;
        let failed = |problem: String| {
            // Which port of which Pod it is, says whoever asked.
            Refused::Internal(format!(
                "failed to connect to localhost:{port} inside the pod: {problem}"
            ))
        };
        let mut problem = String::new();
        for (family, host) in [(Family::V4, "127.0.0.1"), (Family::V6, "::1")] {
            let socket = shim.unless_silent(shim.socket(family)).await;
            let socket = socket.map_err(refused)?;
            match streams::connect(socket, host, port).await {
                Ok(stream) => return Ok(stream),
                // The first is told: hardly anybody listens on the other only.
                Err(error) if problem.is_empty() => problem = error.to_string(),
                Err(_) => {}
            }
        }
        Err(failed(problem))
    }

    fn metrics_text(&self) -> String {
        let pods = self.store.list(Resource::Pods, None).items;
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        metrics::text(&pods, &counts, &metrics::Process::look())
    }
}

/// A call that the shim refused.
fn refused(error: CallError) -> Refused {
    match error {
        CallError::Refused(refusal) => Refused::BadRequest(refusal.message),
        other => Refused::Internal(other.to_string()),
    }
}

/// Waits until the container has ended, and gives its exit code.
async fn end_of(store: Store, pod: PodRef, container: String, id: String) -> Result<i32, Refused> {
    let key = Key {
        resource: Resource::Pods,
        namespace: pod.namespace,
        name: pod.name,
    };
    loop {
        let version = store.list(Resource::Pods, Some(&key.namespace)).version;
        let watch = store.watch(Resource::Pods, version);
        let mut object = store.get(&key).map(|stored| stored.object);
        let Ok(mut watch) = watch else {
            tokio::task::yield_now().await;
            continue;
        };
        loop {
            if let Some(code) = code_of(object.as_deref(), &container, &id) {
                return Ok(code);
            }
            object = loop {
                match watch.next().await {
                    Some(notice) if notice.stored.key == key => {
                        let there = notice.change != outrigger_api::Change::Deleted;
                        break there.then_some(notice.stored.object);
                    }
                    Some(_) => {}
                    None => break None,
                }
            };
            if object.is_none() {
                break;
            }
        }
        if store.get(&key).is_none() {
            return Ok(137);
        }
    }
}

/// The exit code of that instance; `None` while it runs. An instance of which nothing is known any more
/// was killed.
fn code_of(object: Option<&Value>, container: &str, id: &str) -> Option<i32> {
    let Some(status) = object.and_then(|object| status_of(object, container)) else {
        return Some(137);
    };
    let is = |of: &Value| of.as_str().and_then(|of| of.split("://").nth(1)) == Some(id);
    if status["state"]["running"].is_object() && is(&status["containerID"]) {
        return None;
    }
    let ends = [
        &status["state"]["terminated"],
        &status["lastState"]["terminated"],
    ];
    let code = ends
        .into_iter()
        .find(|end| is(&end["containerID"]))
        .and_then(|end| i32::try_from(end["exitCode"].as_i64()?).ok());
    Some(code.unwrap_or(137))
}

impl Cluster for Ward {
    fn logs<'a>(&'a self, pod: &'a PodRef, query: LogQuery) -> Answering<'a, Bytes> {
        Box::pin(self.logs.read(pod, query))
    }

    fn exec<'a>(&'a self, pod: &'a PodRef, exec: Exec) -> Answering<'a, Session> {
        Box::pin(self.run_in(pod, exec))
    }

    fn attach<'a>(&'a self, pod: &'a PodRef, attach: Attach) -> Answering<'a, Session> {
        Box::pin(self.take_part(pod, attach))
    }

    fn connect<'a>(&'a self, pod: &'a PodRef, port: u16) -> Answering<'a, tokio::net::TcpStream> {
        Box::pin(self.dial(pod, port))
    }

    fn usage<'a>(&'a self, pod: &'a PodRef) -> Answering<'a, UsageOf> {
        Box::pin(async move {
            let hands = self.residents.get(&PodUid(pod.uid.clone()));
            let hands = hands
                .ok_or_else(|| Refused::NotFound(format!("podmetrics {:?} not found", pod.name)))?;
            self.usages.of_pod(&hands).await
        })
    }

    fn node_usage(&self) -> Answering<'_, UsageOf> {
        Box::pin(self.usages.of_node())
    }

    fn metrics(&self) -> Answering<'_, String> {
        Box::pin(async { Ok(self.metrics_text()) })
    }

    fn unready(&self) -> Vec<String> {
        // The API is served only after the Pods were adopted; what can be amiss then is the disk.
        match rustix::fs::statvfs(&self.root) {
            Ok(disk) if disk.f_flag.contains(StatVfsMountFlags::RDONLY) => {
                vec![format!("{} is mounted read-only", self.root.display())]
            }
            Ok(disk) if disk.f_bavail == 0 => vec![format!("{} is full", self.root.display())],
            Ok(_) => Vec::new(),
            Err(errno) => vec![format!("{} cannot be read: {errno}", self.root.display())],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::code_of;
    use serde_json::json;

    #[test]
    fn the_code_is_that_of_the_instance_that_was_attached_to() {
        let object = |state, last| {
            json!({ "status": { "containerStatuses": [
                { "name": "a", "containerID": "outrigger://1", "state": state, "lastState": last },
            ] } })
        };
        let ended = json!({ "terminated": { "containerID": "outrigger://1", "exitCode": 3 } });
        let runs = object(json!({ "running": {} }), json!({}));
        assert_eq!(code_of(Some(&runs), "a", "1"), None);
        assert_eq!(code_of(Some(&runs), "a", "0"), Some(137));
        assert_eq!(
            code_of(Some(&object(ended.clone(), json!({}))), "a", "1"),
            Some(3)
        );
        assert_eq!(
            code_of(Some(&object(json!({ "waiting": {} }), ended)), "a", "1"),
            Some(3)
        );
        assert_eq!(code_of(None, "a", "1"), Some(137));
    }
}
