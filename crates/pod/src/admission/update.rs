//! May this Pod replace that one?

use std::collections::{BTreeSet, HashMap};

use k8s_openapi::api::core::v1 as core;

use super::{Admitted, changes, is_static, metadata, replaced};
use crate::defaults;
use crate::validate::{self, Field, Findings, Invalid};

const FIELDS: &str = "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

/// Admits `new` in the place of `old`, as an update of the whole Pod does. The status stays the old
/// one; `metadata.generation` grows if the spec is another one.
///
/// # Errors
/// Every rule that `new` breaks, and what may not be changed.
pub fn update(old: &core::Pod, mut new: core::Pod) -> Result<Admitted, Vec<Invalid>> {
    let mut out = Findings::default();
    prepare(old, &mut new, &mut out);
    out.found.extend(validate::accepted_pod(&new));
    if let (Some(old), Some(new)) = (&old.spec, &new.spec) {
        spec(old, new, &mut out);
    }
    replaced(old, new, out)
}

/// Admits the ephemeral containers of `new` and nothing else of it, as the subresource
/// `ephemeralcontainers` does. New ones come after the old ones, in whatever order they were sent.
///
/// # Errors
/// Every rule that they break, and that those which are there may be neither changed nor removed.
pub fn update_ephemeral(old: &core::Pod, new: core::Pod) -> Result<Admitted, Vec<Invalid>> {
    let mut out = Findings::default();
    if is_static(old) {
        out.forbidden(
            &Field::root(""),
            "static pods do not support ephemeral containers",
        );
        return Err(out.found);
    }
    let wanted = new.spec.and_then(|spec| spec.ephemeral_containers);
    let mut next = only_identity(old, new.metadata);
    if let Some(spec) = &mut next.spec {
        spec.ephemeral_containers = wanted;
    }
    prepare(old, &mut next, &mut out);
    out.found.extend(validate::accepted_pod(&next));
    if let (Some(old), Some(new)) = (&old.spec, &mut next.spec) {
        append_only(old, new, &mut out);
    }
    replaced(old, next, out)
}

/// `old` under the name that the request says.
pub(super) fn only_identity(
    old: &core::Pod,
    said: k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta,
) -> core::Pod {
    let mut next = old.clone();
    next.metadata.name = said.name;
    next.metadata.namespace = said.namespace;
    next.metadata.uid = said.uid;
    next.metadata.resource_version = said.resource_version;
    next
}

/// Defaults the new version and gives it what it has from the old one.
pub(super) fn prepare(old: &core::Pod, new: &mut core::Pod, out: &mut Findings) {
    new.status.clone_from(&old.status);
    metadata::replace(&old.metadata, &mut new.metadata, out);
    defaults::pod(new);
    if !changes::same_spec(old, new) {
        new.metadata.generation = old.metadata.generation.map(|number| number + 1);
    }
}

fn spec(old: &core::PodSpec, new: &core::PodSpec, out: &mut Findings) {
    let at = Field::root("spec");
    let inits = (
        old.init_containers.as_deref().unwrap_or_default(),
        new.init_containers.as_deref().unwrap_or_default(),
    );
    for (word, old, new) in [
        ("containers", old.containers.len(), new.containers.len()),
        ("initContainers", inits.0.len(), inits.1.len()),
    ] {
        if old != new {
            let words = "pod updates may not add or remove containers";
            return out.forbidden(&at.child(word), words);
        }
    }
    deadline(old, new, &at, out);
    tolerations(old, new, &at, out);
    let mut rest = new.clone();
    rest.active_deadline_seconds = old.active_deadline_seconds;
    rest.tolerations.clone_from(&old.tolerations);
    let pairs = rest.containers.iter_mut().zip(&old.containers);
    let inits = rest.init_containers.iter_mut().flatten().zip(inits.0);
    for (container, old) in pairs.chain(inits) {
        container.image.clone_from(&old.image);
    }
    let lines = changes::between("spec", old, &rest);
    if !lines.is_empty() {
        let difference = changes::appended(&lines);
        let words = format!("pod updates may not change fields other than {FIELDS}{difference}");
        out.forbidden(&at, words);
    }
}

fn deadline(old: &core::PodSpec, new: &core::PodSpec, at: &Field, out: &mut Findings) {
    let at = at.child("activeDeadlineSeconds");
    match (old.active_deadline_seconds, new.active_deadline_seconds) {
        (Some(old_s), Some(new_s)) if new_s > old_s => {
            out.invalid(&at, new_s, "must be less than or equal to previous value");
        }
        (Some(_), None) => {
            let words = "must not update from a positive integer to nil value";
            out.invalid_object(&at, &(), words);
        }
        _ => {}
    }
}

fn tolerations(old: &core::PodSpec, new: &core::PodSpec, at: &Field, out: &mut Findings) {
    // How long something is tolerated may change.
    fn timeless(one: &core::Toleration) -> [Option<&str>; 4] {
        let core::Toleration {
            effect,
            key,
            operator,
            toleration_seconds: _,
            value,
        } = one;
        [effect, key, operator, value].map(Option::as_deref)
    }
    let kept: BTreeSet<_> = new.tolerations.iter().flatten().map(timeless).collect();
    let mut before = old.tolerations.iter().flatten().map(timeless);
    if before.any(|one| !kept.contains(&one)) {
        let words = "existing toleration can not be modified except its tolerationSeconds";
        out.forbidden(&at.child("tolerations"), words);
    }
}

fn append_only(old: &core::PodSpec, new: &mut core::PodSpec, out: &mut Findings) {
    let at = Field::root("spec").child("ephemeralContainers");
    let fresh = new.ephemeral_containers.take().unwrap_or_default();
    let mut fresh: Vec<_> = fresh.into_iter().map(Some).collect();
    let mut places: HashMap<String, usize> = HashMap::with_capacity(fresh.len());
    for (place, one) in fresh.iter().enumerate() {
        let name = one.as_ref().map(|one| one.name.clone());
        places.entry(name.unwrap_or_default()).or_insert(place);
    }
    let mut all = Vec::new();
    for (index, there) in old.ephemeral_containers.iter().flatten().enumerate() {
        let name = &there.name;
        let place = places.get(name).and_then(|place| fresh.get_mut(*place));
        let Some(same) = place.and_then(Option::take) else {
            let words = format!("existing ephemeral containers {name:?} may not be removed\n");
            out.forbidden(&at, words);
            continue;
        };
        let path = format!("spec.ephemeralContainers[{index}]");
        let lines = changes::between(&path, there, &same);
        if !lines.is_empty() {
            let difference = changes::appended(&lines);
            let words =
                format!("existing ephemeral containers {name:?} may not be changed{difference}");
            out.forbidden(&at, words);
        }
        all.push(same);
    }
    // A container's place among them is part of what it is, and a merge of lists keeps none.
    all.extend(fresh.into_iter().flatten());
    new.ephemeral_containers = (!all.is_empty()).then_some(all);
}
