//! Which of the three classes of service does a Pod belong to?

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1 as core;

use super::{CPU, MEMORY, Side, containers, pod_level, table};
use crate::quantity::Quantity;

/// Quality of service, derived from requests and limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Qos {
    /// CPU and memory are limited everywhere, and requested in full.
    Guaranteed,
    /// Something is requested or limited.
    Burstable,
    /// Nothing is.
    BestEffort,
}

impl Qos {
    /// As `status.qosClass` spells it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Qos::Guaranteed => "Guaranteed",
            Qos::Burstable => "Burstable",
            Qos::BestEffort => "BestEffort",
        }
    }
}

type Sums = BTreeMap<&'static str, Quantity>;

/// The Pod's class of service.
#[must_use]
pub fn qos(spec: &core::PodSpec) -> Qos {
    let mut requests = Sums::new();
    let mut limits = Sums::new();
    let mut limited = true;
    let mut count = |resources: Option<&core::ResourceRequirements>| {
        add(&mut requests, resources, Side::Requests);
        limited &= add(&mut limits, resources, Side::Limits) == 2;
    };
    match pod_level(spec) {
        Some(resources) => count(Some(resources)),
        None => containers(spec).for_each(|(container, _)| count(container.resources.as_ref())),
    }
    if requests.is_empty() && limits.is_empty() {
        Qos::BestEffort
    } else if limited && requests == limits {
        Qos::Guaranteed
    } else {
        Qos::Burstable
    }
}

/// Adds CPU and memory to the sums and says how many of the two are above nothing.
fn add(sums: &mut Sums, resources: Option<&core::ResourceRequirements>, side: Side) -> usize {
    let mut found = 0;
    for name in [CPU, MEMORY] {
        let given = table(resources, side)
            .and_then(|table| table.get(name))
            .map(Quantity::of);
        if let Some(amount) = given.filter(|amount| *amount > Quantity::ZERO) {
            let sum = sums.entry(name).or_insert(Quantity::ZERO);
            *sum = sum.plus(amount);
            found += 1;
        }
    }
    found
}
