//! How do the limits of what runs change? In its cgroup and in the Pod's, in the order that keeps the
//! containers' shares within their Pod's: what grows, grows from outside, what shrinks, from inside.

use std::sync::Arc;

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use outrigger_lifecycle::{Fact, Seen, Sizes};
use outrigger_pod::{Container, Pod, Slot};
use serde_json::Value;

use crate::hands::{Hands, chain};
use crate::sandbox;

/// The Pod's cgroup before and after one of its containers gets what the manifest gives it now.
pub(crate) struct Change {
    before: Arc<Pod>,
    after: Arc<Pod>,
}

impl Change {
    /// What the change of one container makes of the Pod as it stands. What another container gets
    /// later counts later: until then it has more, or has no right to more.
    pub(crate) fn of(pod: &Pod, seen: &Seen, slot: Slot) -> Change {
        Change {
            before: Arc::new(in_force(pod, seen, None)),
            after: Arc::new(in_force(pod, seen, Some(slot))),
        }
    }
}

/// The Pod with those sizes that its live instances have, but for one.
fn in_force(pod: &Pod, seen: &Seen, but: Option<Slot>) -> Pod {
    let mut pod = pod.clone();
    for (index, container) in pod.containers.iter_mut().enumerate() {
        let history = seen.history(Slot(index));
        let live = history.current.as_ref().is_some_and(|one| one.is_live());
        let Some(definition) = history.definition.as_ref().filter(|_| live) else {
            continue;
        };
        if but != Some(Slot(index)) {
            resize_in(&mut pod.manifest, container, definition.sizes);
        }
    }
    pod
}

/// Gives a container of the manifest these sizes.
fn resize_in(manifest: &mut core::Pod, container: &Container, sizes: Sizes) {
    let Some(spec) = manifest.spec.as_mut() else {
        return;
    };
    let inits = spec.init_containers.iter_mut().flatten();
    let all = inits.chain(spec.containers.iter_mut());
    for one in all.filter(|one| one.name == container.name.0) {
        let resources = one.resources.get_or_insert_default();
        let requests = resources.requests.get_or_insert_default();
        put(requests, "cpu", sizes.cpu_request_milli, "m");
        put(requests, "memory", sizes.memory_request_bytes, "");
        let limits = resources.limits.get_or_insert_default();
        put(limits, "cpu", sizes.cpu_limit_milli, "m");
        put(limits, "memory", sizes.memory_limit_bytes, "");
    }
}

type Amounts = std::collections::BTreeMap<String, Quantity>;

fn put(amounts: &mut Amounts, name: &str, amount: Option<i64>, unit: &str) {
    match amount {
        Some(amount) => amounts.insert(name.to_owned(), Quantity(format!("{amount}{unit}"))),
        None => amounts.remove(name),
    };
}

/// Gives an instance the limits of the manifest as it is now, and reports how that went.
pub(crate) async fn resize(hands: Arc<Hands>, slot: Slot, attempt: u32, change: Change) {
    let result = try_resize(&hands, slot, attempt, &change).await;
    hands.report(Fact::Resized {
        slot,
        attempt,
        result,
    });
}

async fn try_resize(
    hands: &Hands,
    slot: Slot,
    attempt: u32,
    change: &Change,
) -> Result<(), String> {
    let shim = hands.shim().ok_or("the pod's shim is gone")?;
    let (id, _) = hands
        .instance(slot, attempt)
        .ok_or("the container is gone")?;
    let own = outrigger_bundle::container_limits(&change.after, slot)
        .map_err(|error| chain(&error))
        .and_then(|own| serde_json::to_value(own).map_err(|error| error.to_string()))?;
    let before = sandbox::limits(hands, &change.before)?;
    let after = sandbox::limits(hands, &change.after)?;
    give(hands, wider(&before, &after)).await?;
    match shim.update(Some(id), own).await {
        Ok(warnings) => warnings.into_iter().for_each(|warning| hands.warn(warning)),
        Err(error) => {
            give(hands, before).await?;
            return Err(error.to_string());
        }
    }
    give(hands, after).await
}

/// Gives the Pod's cgroup what it needs for an instance that is about to be started.
pub(crate) async fn make_room(hands: &Hands, change: &Change) {
    let given = match sandbox::limits(hands, &change.after) {
        Ok(limits) => give(hands, limits).await,
        Err(problem) => Err(problem),
    };
    // A Pod that keeps more than it needs is no reason not to start what it is there for.
    if let Err(problem) = given {
        hands.complain(format!("change the limits of the pod: {problem}"));
    }
}

/// Gives the Pod's cgroup these limits, unless it has them.
async fn give(hands: &Hands, limits: Value) -> Result<(), String> {
    let Some(shim) = hands.shim() else {
        return Err("the pod's shim is gone".to_owned());
    };
    let mut given = hands.given.lock().await;
    if given.as_ref() == Some(&limits) {
        return Ok(());
    }
    *given = None;
    let warnings = shim
        .update(None, limits.clone())
        .await
        .map_err(|error| error.to_string())?;
    *given = Some(limits);
    warnings.into_iter().for_each(|warning| hands.warn(warning));
    Ok(())
}

/// What both fit into. A limit that one of them has not is none, and what is not named stays as it is.
fn wider(before: &Value, after: &Value) -> Value {
    let mut both = after.clone();
    for (group, name) in [
        ("memory", "limit"),
        ("memory", "swap"),
        ("cpu", "quota"),
        ("cpu", "shares"),
    ] {
        let (old, new) = (before[group][name].as_i64(), after[group][name].as_i64());
        let Some(fields) = both[group].as_object_mut() else {
            continue;
        };
        match (old, new) {
            (Some(old), Some(new)) => fields.insert(name.to_owned(), old.max(new).into()),
            _ => fields.remove(name),
        };
    }
    both
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn while_limits_change_the_larger_ones_hold() {
        let before =
            json!({"memory": {"limit": 100, "swap": 100}, "cpu": {"shares": 512, "quota": 7}});
        let after = json!({"memory": {"limit": 50, "swap": 50}, "cpu": {"shares": 1024}});
        assert_eq!(
            wider(&before, &after),
            json!({"memory": {"limit": 100, "swap": 100}, "cpu": {"shares": 1024}})
        );
        assert_eq!(wider(&json!({}), &after), json!({"memory": {}, "cpu": {}}));
    }
}
