//! May the containers of a running Pod have these amounts of cpu and memory?

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::update::{only_identity, prepare};
use super::{Admitted, changes, is_static, replaced};
use crate::resources::{self, CPU, MEMORY};
use crate::validate::{self, Field, Findings, Invalid};

/// Admits the amounts of cpu and memory of `new`, as the subresource `resize` does. Its metadata is
/// not taken over.
///
/// # Errors
/// Every rule that `new` breaks, and what may not be changed so.
pub fn resize(old: &core::Pod, new: core::Pod) -> Result<Admitted, Vec<Invalid>> {
    let mut out = Findings::default();
    if is_static(old) {
        out.forbidden(&Field::root(""), "static pods cannot be resized");
        return Err(out.found);
    }
    let mut next = only_identity(old, new.metadata);
    next.spec = new.spec;
    prepare(old, &mut next, &mut out);
    out.found.extend(validate::accepted_pod(&next));
    if let (Some(old), Some(new)) = (&old.spec, &next.spec) {
        spec(old, new, &mut out);
    }
    replaced(old, next, out)
}

fn spec(old: &core::PodSpec, new: &core::PodSpec, out: &mut Findings) {
    let at = Field::root("spec");
    if old.resources.is_some() {
        return out.forbidden(&at, "pods with pod-level resources cannot be resized");
    }
    let class = resources::qos(new);
    if class != resources::qos(old) {
        let words = "Pod QOS Class may not change as a result of resizing";
        out.invalid(&at, class.word(), words);
    }
    let lists = [
        ("containers", &old.containers[..], &new.containers[..]),
        (
            "initContainers",
            old.init_containers.as_deref().unwrap_or_default(),
            new.init_containers.as_deref().unwrap_or_default(),
        ),
    ];
    let mut in_order = true;
    for (word, old, new) in lists {
        in_order &= same_order(word, old, new, &at.child(word), out);
    }
    if !in_order {
        return;
    }
    for (word, old, new) in lists {
        for (index, (old, new)) in old.iter().zip(new).enumerate() {
            nothing_removed(
                old,
                new,
                &at.child(word).index(index).child("resources"),
                out,
            );
        }
    }
    let mut rest = new.clone();
    let mains = rest.containers.iter_mut().zip(lists[0].1);
    let inits = rest.init_containers.iter_mut().flatten().zip(lists[1].1);
    for (container, old) in mains.chain(inits) {
        take_back(container, old);
    }
    let lines = changes::between("spec", old, &rest);
    if !lines.is_empty() {
        let difference = changes::appended(&lines);
        out.forbidden(
            &at,
            format!("only cpu and memory resources are mutable{difference}"),
        );
    }
}

fn same_order(
    word: &str,
    old: &[core::Container],
    new: &[core::Container],
    at: &Field,
    out: &mut Findings,
) -> bool {
    if old.len() != new.len() {
        out.forbidden(at, format!("{word} may not be added or removed on resize"));
        return false;
    }
    let mut in_order = true;
    for (index, (old, new)) in old.iter().zip(new).enumerate() {
        if old.name != new.name {
            let words = format!("{word} may not be renamed or reordered on resize");
            out.forbidden(&at.index(index).child("name"), words);
            in_order = false;
        }
    }
    in_order
}

type Amounts = BTreeMap<String, Quantity>;

fn nothing_removed(old: &core::Container, new: &core::Container, at: &Field, out: &mut Findings) {
    let side = |container: &core::Container,
                side: fn(&core::ResourceRequirements) -> Option<Amounts>| {
        container
            .resources
            .as_ref()
            .and_then(side)
            .unwrap_or_default()
    };
    for (word, of) in [
        (
            "requests",
            (|all| all.requests.clone()) as fn(&core::ResourceRequirements) -> _,
        ),
        ("limits", |all| all.limits.clone()),
    ] {
        let (old, new) = (side(old, of), side(new, of));
        if [CPU, MEMORY]
            .iter()
            .any(|name| old.contains_key(*name) && !new.contains_key(*name))
        {
            out.forbidden(
                &at.child(word),
                format!("resource {word} cannot be removed"),
            );
        }
    }
}

/// Gives `container` the amounts of cpu and memory that it had.
fn take_back(container: &mut core::Container, old: &core::Container) {
    let before = old.resources.clone().unwrap_or_default();
    let resources = container.resources.get_or_insert_default();
    for (now, before) in [
        (&mut resources.requests, before.requests),
        (&mut resources.limits, before.limits),
    ] {
        let before = before.unwrap_or_default();
        let now = now.get_or_insert_default();
        for name in [CPU, MEMORY] {
            match before.get(name) {
                Some(amount) => now.insert(name.to_owned(), amount.clone()),
                None => now.remove(name),
            };
        }
    }
}
