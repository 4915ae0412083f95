//! May a Pod say so where it wants to run? Here it runs anyway, but what is no Pod elsewhere is none
//! here.

use k8s_openapi::api::core::v1 as core;

use super::finding::{Field, Findings};
use super::names;

pub(super) fn check(spec: &core::PodSpec, at: &Field, out: &mut Findings) {
    let selector = at.child("nodeSelector");
    for (key, value) in spec.node_selector.iter().flatten() {
        out.each(&selector, key, names::qualified(key));
        out.each(&selector, value, names::label_value(value));
    }
    for (index, one) in spec.tolerations.iter().flatten().enumerate() {
        toleration(one, &at.child("tolerations").index(index), out);
    }
}

fn toleration(one: &core::Toleration, at: &Field, out: &mut Findings) {
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    let (key, value) = (text(&one.key), text(&one.value));
    let (operator, effect) = (text(&one.operator), text(&one.effect));
    let at_operator = at.child("operator");
    if !key.is_empty() {
        out.each(&at.child("key"), &key, names::qualified(&key));
    } else if operator != "Exists" {
        let words = "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
        out.invalid(&at_operator, &operator, words);
    }
    if one.toleration_seconds.is_some() && effect != "NoExecute" {
        let words = "effect must be 'NoExecute' when `tolerationSeconds` is set";
        out.invalid(&at.child("effect"), &effect, words);
    }
    match operator.as_str() {
        "" | "Equal" => out.each(&at_operator, &value, names::label_value(&value)),
        "Exists" if !value.is_empty() => {
            let words = "value must be empty when `operator` is 'Exists'";
            out.invalid(&at_operator, &value, words);
        }
        other => out.one_of(&at_operator, other, &["Equal", "Exists"]),
    }
    if !effect.is_empty() {
        let effects = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
        out.one_of(&at.child("effect"), &effect, &effects);
    }
}
