//! May a new Pod go to the node? On a node that is cordoned or has a taint that the Pod does not tolerate it waits, as
//! it would on a cluster of this one node, until people let Pods come again. Who names the node asks nobody.

use serde_json::{Value, json};

use super::{Desk, now, stamp, text};
use crate::admission;
use crate::route::WriteOptions;
use crate::store::{Key, Stored, Write};
use crate::{Failure, Resource};

/// The taint of a node that is cordoned.
pub(crate) const CORDONED: &str = "node.kubernetes.io/unschedulable";

/// The node of a Pod; empty as long as it waits for one.
pub(super) fn node_of(pod: &Value) -> &str {
    text(pod, "/spec/nodeName")
}

impl Desk {
    fn node_object(&self) -> Option<Stored> {
        self.store.get(&Key {
            resource: Resource::Nodes,
            namespace: String::new(),
            name: self.node.as_ref().to_owned(),
        })
    }

    /// Why a Pod has to wait, in the scheduler's words.
    fn objection(&self, pod: &Value) -> Option<String> {
        let node = self.node_object()?;
        let taints = node
            .object
            .pointer("/spec/taints")
            .and_then(Value::as_array);
        let is_hard = |taint: &&Value| text(taint, "/effect") == "NoSchedule";
        let mut hard = taints.into_iter().flatten().filter(is_hard);
        let taint = hard.find(|taint| !tolerates(pod, taint))?;
        let (key, value) = (text(taint, "/key"), text(taint, "/value"));
        Some(if key == CORDONED {
            "0/1 nodes are available: 1 node(s) were unschedulable.".to_owned()
        } else {
            format!("0/1 nodes are available: 1 node(s) had untolerated taint {{{key}: {value}}}.")
        })
    }

    /// Makes a new Pod wait if it has to; gives back why.
    pub(super) fn hold_back(&self, pod: &mut Value) -> Option<String> {
        let why = self.objection(pod)?;
        if let Some(spec) = pod["spec"].as_object_mut() {
            spec.remove("nodeName");
        }
        pod["status"]["conditions"] = json!([{
            "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": why,
            "lastProbeTime": null, "lastTransitionTime": stamp(now()),
        }]);
        Some(why)
    }

    /// Tells of a Pod that waits, where `kubectl describe` looks.
    pub(super) fn tell_of_waiting(&self, pod: &Value, why: &str) -> Result<(), Failure> {
        let namespace = text(pod, "/metadata/namespace");
        let name = text(pod, "/metadata/name");
        let (uid, at) = (text(pod, "/metadata/uid"), stamp(now()));
        let event = json!({
            "metadata": { "generateName": format!("{name}."), "namespace": namespace },
            "involvedObject": {
                "apiVersion": "v1", "kind": "Pod", "namespace": namespace, "name": name, "uid": uid,
            },
            "type": "Warning", "reason": "FailedScheduling", "message": why, "count": 1,
            "firstTimestamp": at, "lastTimestamp": at, "source": { "component": "default-scheduler" },
        });
        let options = WriteOptions::default();
        let read = admission::decode_value(Resource::Events, &event, options.validation)?;
        let read = (read.object, read.warnings);
        self.create_read(Resource::Events, namespace, &options, read)?;
        Ok(())
    }

    /// Gives the node to the Pods that waited for it and need not any more.
    pub(super) fn place_waiting(&self) -> Result<(), Failure> {
        for pod in self.store.list(Resource::Pods, None).items {
            if !node_of(&pod.object).is_empty() {
                continue;
            }
            self.store
                .write(&pod.key, |old| -> Result<Write, Failure> {
                    let Some(old) = old.filter(|old| node_of(&old.object).is_empty()) else {
                        return Ok(Write::Keep);
                    };
                    if self.objection(&old.object).is_some() {
                        return Ok(Write::Keep);
                    }
                    let mut next = Value::clone(&old.object);
                    next["spec"]["nodeName"] = self.node.as_ref().into();
                    next["status"]["conditions"] = json!([{
                        "type": "PodScheduled", "status": "True",
                        "lastProbeTime": null, "lastTransitionTime": stamp(now()),
                    }]);
                    Ok(Write::Durable(next))
                })?;
        }
        Ok(())
    }
}

/// Whether one of a Pod's tolerations is for this taint.
fn tolerates(pod: &Value, taint: &Value) -> bool {
    let tolerations = pod.pointer("/spec/tolerations").and_then(Value::as_array);
    let fits = |toleration: &Value| {
        let (key, effect) = (text(toleration, "/key"), text(toleration, "/effect"));
        let is_any = text(toleration, "/operator") == "Exists";
        (effect.is_empty() || effect == text(taint, "/effect"))
            && (key == text(taint, "/key") || (key.is_empty() && is_any))
            && (is_any || text(toleration, "/value") == text(taint, "/value"))
    };
    tolerations.into_iter().flatten().any(fits)
}
