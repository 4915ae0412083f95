//! What does the API say of this machine? The one Node, its namespaces and their service accounts.

mod machine;

use std::path::PathBuf;
use std::time::Duration;

use outrigger_api::{Key, Resource, Store, StoreError, Write};
use serde_json::{Value, json};

use self::machine::Machine;
use super::words;

/// How often the machine is looked at.
const PERIOD: Duration = Duration::from_secs(60);
/// The Kubernetes version whose behaviour this is.
const KUBERNETES: &str = "v1.36.0";
/// The most Pods of the node.
const PODS: usize = outrigger_api::MOST_PODS;

/// Makes the namespace and its service account if they are not there.
pub(crate) fn ensure_namespace(store: &Store, name: &str) -> Result<(), StoreError> {
    let namespace = Key {
        resource: Resource::Namespaces,
        namespace: String::new(),
        name: name.to_owned(),
    };
    let labels = json!({ "kubernetes.io/metadata.name": name });
    ensure(store, &namespace, || {
        json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": { "name": name, "labels": labels },
            "spec": { "finalizers": ["kubernetes"] },
            "status": { "phase": "Active" },
        })
    })?;
    let account = Key {
        resource: Resource::ServiceAccounts,
        namespace: name.to_owned(),
        name: "default".to_owned(),
    };
    ensure(store, &account, || {
        json!({
            "apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": { "name": "default", "namespace": name },
        })
    })
}

fn ensure(store: &Store, key: &Key, object: impl FnOnce() -> Value) -> Result<(), StoreError> {
    if store.get(key).is_some() {
        return Ok(());
    }
    store
        .write(key, |stored| {
            Ok(match stored {
                Some(_) => Write::Keep,
                None => {
                    let mut object = object();
                    object["metadata"]["uid"] = json!(crate::fresh_uid());
                    let now = words::seconds(words::today());
                    object["metadata"]["creationTimestamp"] = json!(now);
                    Write::Durable(object)
                }
            })
        })
        .map(drop)
}

/// Keeps the Node object as the machine is.
pub(crate) struct NodeObject {
    store: Store,
    host: String,
    root: PathBuf,
    version: &'static str,
}

impl NodeObject {
    /// Of the node with this name, which works below `root`.
    pub(crate) fn new(store: Store, host: String, root: PathBuf) -> NodeObject {
        NodeObject {
            store,
            host,
            root,
            version: env!("CARGO_PKG_VERSION"),
        }
    }

    /// Looks again and again until the future is dropped.
    pub(crate) async fn run(mut self) {
        loop {
            tokio::time::sleep(PERIOD).await;
            let looked = tokio::task::spawn_blocking(move || {
                let refreshed = self.refresh();
                (self, refreshed)
            });
            match looked.await {
                Ok((this, refreshed)) => {
                    if let Err(error) = refreshed {
                        tracing::error!("show the node: {error}");
                    }
                    self = this;
                }
                Err(error) => return tracing::error!("looking after the node broke off: {error}"),
            }
        }
    }

    /// Makes the Node if it is not there, and says how the machine is.
    pub(crate) fn refresh(&self) -> Result<(), StoreError> {
        let key = Key {
            resource: Resource::Nodes,
            namespace: String::new(),
            name: self.host.clone(),
        };
        ensure(&self.store, &key, || self.identity())?;
        let machine = Machine::look(&self.root);
        let now = words::seconds(words::today());
        self.store
            .write(&key, |stored| {
                let Some(stored) = stored else {
                    return Ok(Write::Keep);
                };
                let status = self.status(&machine, &stored.object["status"], &now);
                // Heartbeats alone are no news.
                if same_but_for_heartbeats(&status, &stored.object["status"]) {
                    return Ok(Write::Keep);
                }
                let mut object = (*stored.object).clone();
                object["status"] = status;
                Ok(Write::Volatile(object))
            })
            .map(drop)
    }

    fn identity(&self) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {
                "name": self.host,
                "labels": {
                    "kubernetes.io/hostname": self.host,
                    "kubernetes.io/os": "linux",
                    "kubernetes.io/arch": machine::architecture(),
                },
            },
            "spec": {},
        })
    }

    fn status(&self, machine: &Machine, before: &Value, now: &str) -> Value {
        let amounts = json!({
            "cpu": machine.cpus.to_string(),
            "memory": format!("{}Ki", machine.memory_bytes / 1024),
            "ephemeral-storage": format!("{}Ki", machine.disk_bytes / 1024),
            "pods": PODS.to_string(),
        });
        let mut addresses = vec![json!({ "type": "Hostname", "address": self.host })];
        if let Some(address) = machine.address {
            addresses.insert(
                0,
                json!({ "type": "InternalIP", "address": address.to_string() }),
            );
        }
        let conditions: Vec<Value> = machine
            .conditions()
            .into_iter()
            .map(|condition| {
                let holds = if condition.holds { "True" } else { "False" };
                let before = before["conditions"].as_array().into_iter().flatten();
                let since = before
                    .filter(|one| one["type"] == condition.kind && one["status"] == holds)
                    .map(|one| one["lastTransitionTime"].clone())
                    .next();
                json!({
                    "type": condition.kind, "status": holds,
                    "reason": condition.reason, "message": condition.message,
                    "lastHeartbeatTime": now,
                    "lastTransitionTime": since.unwrap_or_else(|| json!(now)),
                })
            })
            .collect();
        json!({
            "capacity": amounts, "allocatable": amounts,
            "conditions": conditions, "addresses": addresses,
            "nodeInfo": {
                "machineID": machine.id, "systemUUID": machine.id, "bootID": machine.boot_id,
                "kernelVersion": machine.kernel, "osImage": machine.os,
                "containerRuntimeVersion": format!("outrigger://{}", self.version),
                "kubeletVersion": format!("{KUBERNETES}-outrigger.{}", self.version),
                "kubeProxyVersion": "",
                "operatingSystem": "linux", "architecture": machine::architecture(),
            },
        })
    }
}

fn same_but_for_heartbeats(new: &Value, old: &Value) -> bool {
    let plain = |status: &Value| {
        let mut status = status.clone();
        for condition in status["conditions"].as_array_mut().into_iter().flatten() {
            condition["lastHeartbeatTime"] = Value::Null;
        }
        status
    };
    plain(new) == plain(old)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    fn fixture() -> (Scratch, Store, NodeObject) {
        let scratch = Scratch::new();
        let store = Store::open(&scratch.path).unwrap();
        let node = NodeObject::new(store.clone(), "here".to_owned(), scratch.path.clone());
        (scratch, store, node)
    }

    fn machine() -> Machine {
        Machine {
            cpus: 2,
            memory_bytes: 4 << 30,
            available_bytes: 2 << 30,
            disk_bytes: 100 << 30,
            disk_free_bytes: 50 << 30,
            inodes_free_percent: 90,
            threads: 100,
            threads_max: 32_768,
            ..Machine::default()
        }
    }

    #[test]
    fn a_namespace_comes_with_its_service_account_and_is_made_once() {
        let (_scratch, store, _) = fixture();
        ensure_namespace(&store, "shop").unwrap();
        let versions = |store: &Store| {
            let namespaces = store.list(Resource::Namespaces, None).items;
            let accounts = store.list(Resource::ServiceAccounts, Some("shop")).items;
            (namespaces[0].version, accounts[0].version)
        };
        let first = versions(&store);
        ensure_namespace(&store, "shop").unwrap();
        assert_eq!(versions(&store), first);
    }

    #[test]
    fn a_node_that_has_not_changed_is_not_written_again() {
        let (_scratch, store, node) = fixture();
        node.refresh().unwrap();
        let listed = store.list(Resource::Nodes, None);
        let status = &listed.items[0].object["status"];
        assert_eq!(status["capacity"]["pods"], "500");
        assert!(
            status["nodeInfo"]["kubeletVersion"]
                .as_str()
                .unwrap()
                .starts_with("v1.36.0-outrigger.")
        );
        let again = node.status(&machine(), &Value::Null, "2026-01-01T00:00:00Z");
        let later = node.status(&machine(), &again, "2026-01-01T01:00:00Z");
        assert!(same_but_for_heartbeats(&later, &again));
    }

    #[test]
    fn a_machine_under_pressure_says_so_and_since_when() {
        let (_scratch, _, node) = fixture();
        let before = node.status(&machine(), &Value::Null, "2026-01-01T00:00:00Z");
        let poor = Machine {
            available_bytes: 50 << 20,
            ..machine()
        };
        let now = node.status(&poor, &before, "2026-01-01T01:00:00Z");
        let condition = |status: &Value, kind: &str| {
            let all = status["conditions"].as_array().unwrap().clone();
            all.into_iter().find(|one| one["type"] == kind).unwrap()
        };
        assert_eq!(condition(&before, "MemoryPressure")["status"], "False");
        assert_eq!(condition(&now, "MemoryPressure")["status"], "True");
        assert_eq!(
            condition(&now, "MemoryPressure")["lastTransitionTime"],
            "2026-01-01T01:00:00Z"
        );
        assert_eq!(
            condition(&now, "Ready")["lastTransitionTime"],
            "2026-01-01T00:00:00Z"
        );
    }
}
