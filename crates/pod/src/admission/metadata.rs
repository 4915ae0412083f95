//! What may change about an object's name, times and owner when it is replaced?

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::validate::{Field, Findings};

const IMMUTABLE: &str = "field is immutable";

/// Takes over what clients leave out or cannot change, and finds what they may not.
pub(super) fn replace(old: &ObjectMeta, new: &mut ObjectMeta, out: &mut Findings) {
    // Kubernetes ignores what a client says about these.
    new.generation = old.generation;
    if old.creation_timestamp.is_some() {
        new.creation_timestamp = old.creation_timestamp.clone();
    }
    // An object that is being deleted stays so.
    if old.deletion_timestamp.is_some() {
        new.deletion_timestamp = old.deletion_timestamp.clone();
    }
    if new.deletion_grace_period_seconds.is_none() {
        new.deletion_grace_period_seconds = old.deletion_grace_period_seconds;
    }
    for (own, other) in [
        (&mut new.uid, &old.uid),
        (&mut new.namespace, &old.namespace),
    ] {
        if own.as_deref().unwrap_or_default().is_empty() {
            own.clone_from(other);
        }
    }
    let at = Field::root("metadata");
    for (word, old, new) in [
        ("name", &old.name, &new.name),
        ("namespace", &old.namespace, &new.namespace),
        ("uid", &old.uid, &new.uid),
    ] {
        if old != new {
            immutable(&at.child(word), new.as_deref().unwrap_or_default(), out);
        }
    }
    if old.deletion_timestamp != new.deletion_timestamp {
        let time = new.deletion_timestamp.as_ref();
        let time = time.map(|time| serde_json::to_value(time).unwrap_or_default());
        let shown = time
            .as_ref()
            .and_then(|time| time.as_str())
            .unwrap_or("null");
        immutable(&at.child("deletionTimestamp"), shown, out);
    }
    if old.deletion_grace_period_seconds != new.deletion_grace_period_seconds {
        let at = at.child("deletionGracePeriodSeconds");
        let grace_s = new.deletion_grace_period_seconds.unwrap_or_default();
        out.invalid(&at, grace_s, IMMUTABLE);
    }
}

pub(super) fn immutable(at: &Field, value: &str, out: &mut Findings) {
    out.invalid(at, value, IMMUTABLE);
}
