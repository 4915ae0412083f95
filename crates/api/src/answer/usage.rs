//! What does everything use (`metrics.k8s.io`), and is the node ready?

use std::sync::Arc;

use futures_util::future::join_all;
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::read::list_body;
use super::{Answer, Front, now, pod_ref, stamp};
use crate::route::{Form, Listed, Shape};
use crate::store::{Key, Stored};
use crate::table::{self, Shown};
use crate::{Cluster, Failure, Refused, Resource, Usage, UsageOf};

const GROUP: &str = "metrics.k8s.io/v1beta1";

impl<C: Cluster> Front<C> {
    pub(super) async fn usage(
        &self,
        shown: Shown,
        name: Option<&str>,
        listed: &Listed,
        form: Form,
    ) -> Result<Answer, Failure> {
        let Some(name) = name else {
            let items = self.measured(self.desk.choose(listed)?.items).await;
            let items = items
                .into_iter()
                .filter_map(|item| item.unwrap_or_else(left_out));
            let items = items.collect();
            return Ok(many(shown, items, form));
        };
        let key = Key {
            resource: listed.resource,
            namespace: listed.namespace.clone().unwrap_or_default(),
            name: name.to_owned(),
        };
        let stored = self.desk.find(&key)?;
        let Some(item) = self
            .measured(vec![stored])
            .await
            .pop()
            .transpose()?
            .flatten()
        else {
            let plural = format!("{}.metrics.k8s.io", key.resource.plural());
            return Err(Failure::not_found(&plural, name));
        };
        Ok(match form.shape {
            Shape::Object => Answer::ok(item),
            Shape::Metadata => Answer::ok(table::partial(&item)),
            Shape::Table(include) => {
                let now = now();
                Answer::ok(table::table_of_one(shown, &item, include, now, false))
            }
        })
    }

    /// What each of these uses; `None` if it does not run.
    async fn measured(&self, items: Vec<Stored>) -> Vec<Result<Option<Arc<Value>>, Failure>> {
        let all = items.into_iter().map(|stored| async move {
            let usage = match stored.key.resource {
                Resource::Nodes => self.cluster.node_usage().await,
                _ => self.cluster.usage(&pod_ref(&stored)).await,
            };
            match usage {
                Ok(usage) => Ok(Some(Arc::new(metrics(&stored, &usage)))),
                // What does not run uses nothing.
                Err(Refused::NotFound(_) | Refused::BadRequest(_)) => Ok(None),
                Err(refused @ Refused::Internal(_)) => Err(refused.into()),
            }
        });
        join_all(all).await
    }
}

/// One that cannot be asked does not keep all others from being told.
fn left_out(failure: Failure) -> Option<Arc<Value>> {
    tracing::warn!("left out of a list of metrics: {}", failure.message);
    None
}

fn many(shown: Shown, items: Vec<Arc<Value>>, form: Form) -> Answer {
    let kind = match shown {
        Shown::NodeMetrics => "NodeMetricsList",
        _ => "PodMetricsList",
    };
    match form.shape {
        Shape::Object => Answer::ok(list_body(kind, GROUP, json!({}), items)),
        Shape::Table(include) => {
            let now = now();
            Answer::ok(table::table(shown, &items, json!({}), include, now, false))
        }
        Shape::Metadata => {
            let items = items.iter().map(|item| Arc::new(table::partial(item)));
            let (kind, group) = ("PartialObjectMetadataList", "meta.k8s.io/v1");
            Answer::ok(list_body(kind, group, json!({}), items.collect()))
        }
    }
}

fn metrics(stored: &Stored, usage: &UsageOf) -> Value {
    let at = Timestamp::from_nanosecond(i128::from(usage.at_ns)).unwrap_or(Timestamp::UNIX_EPOCH);
    let mut metadata = json!({ "name": stored.key.name, "creationTimestamp": stamp(at) });
    if let Some(labels) = stored.object.pointer("/metadata/labels") {
        metadata["labels"] = labels.clone();
    }
    let mut object = json!({
        "apiVersion": GROUP, "metadata": metadata, "timestamp": stamp(at), "window": window(usage.window_ms),
    });
    if stored.key.resource == Resource::Nodes {
        object["kind"] = "NodeMetrics".into();
        let whole = usage.containers.first().map(|(_, usage)| *usage);
        object["usage"] = amounts(whole.unwrap_or_default());
    } else {
        object["kind"] = "PodMetrics".into();
        object["metadata"]["namespace"] = stored.key.namespace.clone().into();
        let containers = usage
            .containers
            .iter()
            .map(|(name, usage)| json!({ "name": name, "usage": amounts(*usage) }));
        object["containers"] = containers.collect();
    }
    object
}

fn amounts(usage: Usage) -> Value {
    json!({
        "cpu": format!("{}n", usage.cpu_nanocores),
        "memory": format!("{}Ki", usage.memory_bytes.div_ceil(1024)),
    })
}

/// A duration as Go writes it.
fn window(ms: u64) -> String {
    match (ms / 1000, ms % 1000) {
        (0, ms) => format!("{ms}ms"),
        (seconds, 0) if seconds < 60 => format!("{seconds}s"),
        (seconds, ms) if seconds < 60 => {
            let fraction = format!("{ms:03}");
            format!("{seconds}.{}s", fraction.trim_end_matches('0'))
        }
        (seconds, _) => format!("{}m{}s", seconds / 60, seconds % 60),
    }
}

/// `/readyz`
pub(super) fn ready(unready: &[String]) -> Answer {
    if unready.is_empty() {
        return Answer::Text {
            status: 200,
            body: "ok".to_owned(),
        };
    }
    let mut body = String::new();
    for why in unready {
        body.push_str(&format!("[-]{why}\n"));
    }
    body.push_str("readyz check failed\n");
    Answer::Text { status: 500, body }
}
