//! May these be requests and limits, of a container or of the whole Pod?

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Text;

use super::containers::Role;
use super::finding::{Field, Findings};
use super::names;
use crate::quantity::Quantity;
use crate::resources::{
    CPU, HUGEPAGES, MEMORY, STORAGE, Side, aggregate, pod_level as stated, pod_level_name, table,
};

type Amounts = BTreeMap<String, Quantity>;

pub(super) fn container(
    container: &core::Container,
    role: Role<'_>,
    at: &Field,
    out: &mut Findings,
) {
    let Some(resources) = &container.resources else {
        return;
    };
    let limits = amounts(
        resources.limits.as_ref(),
        &at.child("limits"),
        container_name,
        out,
    );
    let requests = amounts(
        resources.requests.as_ref(),
        &at.child("requests"),
        container_name,
        out,
    );
    compare(&requests, &limits, at, out);
    huge_pages_company(resources, stated(role.spec), at, out);
}

pub(super) fn pod_level(spec: &core::PodSpec, spec_at: &Field, out: &mut Findings) {
    let Some(resources) = &spec.resources else {
        return;
    };
    let at = spec_at.child("resources");
    if resources
        .claims
        .as_ref()
        .is_some_and(|claims| !claims.is_empty())
    {
        out.forbidden(
            &at.child("claims"),
            "claims may not be set for Resources at pod-level",
        );
    }
    let limits = amounts(
        resources.limits.as_ref(),
        &at.child("limits"),
        pod_name,
        out,
    );
    let requests = amounts(
        resources.requests.as_ref(),
        &at.child("requests"),
        pod_name,
        out,
    );
    compare(&requests, &limits, &at, out);
    huge_pages_company(resources, None, &at, out);
    let sums = aggregate(spec, Side::Requests);
    for (name, request) in &requests {
        if let Some(sum) = sums.get(name).filter(|sum| *sum > request) {
            let words =
                format!("must be greater than or equal to aggregate container requests of {sum}");
            out.invalid(&at.child("requests").key(name), request.to_string(), words);
        }
    }
    let inits = spec.init_containers.iter().flatten().enumerate();
    let mains = spec.containers.iter().enumerate();
    let all = inits
        .map(|c| ("initContainers", c))
        .chain(mains.map(|c| ("containers", c)));
    for (list, (index, container)) in all {
        let own = table(container.resources.as_ref(), Side::Limits)
            .into_iter()
            .flatten();
        let at = spec_at
            .child(list)
            .index(index)
            .child("resources")
            .child("limits");
        for (name, text) in own {
            let own = Quantity::of(text);
            if let Some(limit) = limits.get(name).filter(|limit| own > **limit) {
                let words = format!("must be less than or equal to pod limits of {limit}");
                out.invalid(&at.key(name), own.to_string(), words);
            }
        }
    }
}

type NameRule = fn(&str, &Field, &mut Findings);

fn container_name(name: &str, at: &Field, out: &mut Findings) {
    let standard = [CPU, MEMORY, STORAGE].contains(&name) || name.starts_with(HUGEPAGES);
    let problems = names::qualified(name);
    if problems.is_empty() && !standard && !name.contains('/') {
        out.invalid(at, name, "must be a standard resource for containers");
    }
    out.each(at, name, problems);
}

fn pod_name(name: &str, at: &Field, out: &mut Findings) {
    if !pod_level_name(name) {
        out.one_of(at, name, &[CPU, HUGEPAGES, MEMORY]);
    }
}

/// Checks one side and returns it, without what does not parse.
fn amounts(
    side: Option<&BTreeMap<String, Text>>,
    at: &Field,
    name_rule: NameRule,
    out: &mut Findings,
) -> Amounts {
    let mut found = Amounts::new();
    for (name, text) in side.into_iter().flatten() {
        let at = at.key(name);
        name_rule(name, &at, out);
        match Quantity::parse(&text.0) {
            Err(error) => out.invalid(&at, &text.0, error),
            Ok(amount) => {
                quantity(name, amount, &at, out);
                found.insert(name.clone(), amount);
            }
        }
    }
    found
}

fn quantity(name: &str, amount: Quantity, at: &Field, out: &mut Findings) {
    if amount.is_negative() {
        out.invalid(at, amount.to_string(), "must be greater than or equal to 0");
    }
    if name.contains('/') && !amount.is_whole() {
        out.invalid(at, amount.to_string(), "must be an integer");
    }
    let Some(page) = name.strip_prefix(HUGEPAGES) else {
        return;
    };
    match Quantity::parse(page) {
        Ok(page) if page > Quantity::ZERO => {
            if amount.value() % page.value() != 0 {
                let words = format!("{amount} is not positive integer multiple of {page}");
                out.invalid(at, amount.to_string(), words);
            }
        }
        _ => out.invalid(at, name, "must name a page size, such as hugepages-2Mi"),
    }
}

fn overcommits(name: &str) -> bool {
    [CPU, MEMORY, STORAGE].contains(&name)
}

fn compare(requests: &Amounts, limits: &Amounts, at: &Field, out: &mut Findings) {
    let at_requests = at.child("requests");
    for (name, request) in requests {
        match limits.get(name) {
            Some(limit) if !overcommits(name) && request != limit => {
                let words = format!("must be equal to {name} limit of {limit}");
                out.invalid(&at_requests, request.to_string(), words);
            }
            Some(limit) if request > limit => {
                let words = format!("must be less than or equal to {name} limit of {limit}");
                out.invalid(&at_requests, request.to_string(), words);
            }
            None if !overcommits(name) => {
                out.required(
                    &at.child("limits"),
                    "Limit must be set for non overcommitable resources",
                );
            }
            _ => {}
        }
    }
}

fn huge_pages_company(
    resources: &core::ResourceRequirements,
    pod: Option<&core::ResourceRequirements>,
    at: &Field,
    out: &mut Findings,
) {
    let names = |resources: &core::ResourceRequirements, rule: fn(&str) -> bool| {
        resources
            .requests
            .iter()
            .chain(&resources.limits)
            .flat_map(|side| side.keys())
            .any(|n| rule(n))
    };
    let company = |resources| names(resources, |name| name == CPU || name == MEMORY);
    let alone = !company(resources) && !pod.is_some_and(company);
    if names(resources, |name| name.starts_with(HUGEPAGES)) && alone {
        out.forbidden(at, "HugePages require cpu or memory");
    }
}
