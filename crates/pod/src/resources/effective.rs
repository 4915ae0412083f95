//! How much does a Pod as a whole request, and where are its limits?
//!
//! Mains and sidecars run together, so they add up. An init container runs beside the sidecars
//! declared before it only, so the largest of those moments counts.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1 as core;

use super::{Side, pod_level, pod_level_name, stays, table};
use crate::quantity::Quantity;

/// Amounts by the name of the resource.
pub type Amounts = BTreeMap<String, Quantity>;

/// What a Pod as a whole requests and may use, its overhead included.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Effective {
    /// Requests.
    pub requests: Amounts,
    /// Limits; a resource that no container limits is absent.
    pub limits: Amounts,
}

/// The Pod's effective requests and limits.
#[must_use]
pub fn effective(spec: &core::PodSpec) -> Effective {
    let mut requests = with_pod_level(spec, aggregate(spec, Side::Requests), Side::Requests);
    let mut limits = with_pod_level(spec, aggregate(spec, Side::Limits), Side::Limits);
    for (name, overhead) in spec.overhead.iter().flatten() {
        let overhead = Quantity::of(overhead);
        let request = requests.entry(name.clone()).or_insert(Quantity::ZERO);
        *request = request.plus(overhead);
        if let Some(limit) = limits.get_mut(name).filter(|limit| !limit.is_zero()) {
            *limit = limit.plus(overhead);
        }
    }
    Effective { requests, limits }
}

/// The containers' amounts alone, without overhead and without what the Pod states itself.
pub(crate) fn aggregate(spec: &core::PodSpec, side: Side) -> Amounts {
    let mut together = Amounts::new();
    for main in &spec.containers {
        add(&mut together, &of(main, side));
    }
    let mut staying = Amounts::new();
    let mut largest_moment = Amounts::new();
    for init in spec.init_containers.iter().flatten() {
        let own = of(init, side);
        if stays(init) {
            add(&mut together, &own);
            add(&mut staying, &own);
            let now = own
                .into_keys()
                .filter_map(|name| staying.get_key_value(&name));
            let now = now.map(|(name, amount)| (name.clone(), *amount));
            raise(&mut largest_moment, &now.collect());
        } else {
            // What stays was raised when it came.
            let moment = own.into_iter().map(|(name, amount)| {
                let beside = staying.get(&name).copied().unwrap_or(Quantity::ZERO);
                (name, amount.plus(beside))
            });
            raise(&mut largest_moment, &moment.collect());
        }
    }
    raise(&mut together, &largest_moment);
    together
}

fn with_pod_level(spec: &core::PodSpec, mut amounts: Amounts, side: Side) -> Amounts {
    for (name, stated) in table(pod_level(spec), side).into_iter().flatten() {
        if pod_level_name(name) {
            amounts.insert(name.clone(), Quantity::of(stated));
        }
    }
    amounts
}

fn of(container: &core::Container, side: Side) -> Amounts {
    let given = table(container.resources.as_ref(), side);
    given
        .into_iter()
        .flatten()
        .map(|(name, text)| (name.clone(), Quantity::of(text)))
        .collect()
}

fn add(sum: &mut Amounts, other: &Amounts) {
    for (name, amount) in other {
        let entry = sum.entry(name.clone()).or_insert(Quantity::ZERO);
        *entry = entry.plus(*amount);
    }
}

fn raise(most: &mut Amounts, other: &Amounts) {
    for (name, amount) in other {
        let entry = most.entry(name.clone()).or_insert(*amount);
        *entry = (*entry).max(*amount);
    }
}
