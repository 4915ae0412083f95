//! May a container's restart policy, exit rules and resize policy be so?

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1 as core;

use super::containers::Role;
use super::finding::{Field, Findings};

const RULES_MAX: usize = 20;
const VALUES_MAX: usize = 255;

pub(super) fn check(container: &core::Container, role: Role<'_>, at: &Field, out: &mut Findings) {
    let policy = container.restart_policy.as_deref();
    let rules = container
        .restart_policy_rules
        .as_deref()
        .unwrap_or_default();
    let at_policy = at.child("restartPolicy");
    out.maybe_one_of(&at_policy, policy, &["Always", "Never", "OnFailure"]);
    if policy.is_none() && !rules.is_empty() {
        out.required(
            &at_policy,
            "must specify restartPolicy when restart rules are used",
        );
    }
    let at_rules = at.child("restartPolicyRules");
    out.too_many(&at_rules, rules.len(), RULES_MAX);
    for (index, rule) in rules.iter().enumerate() {
        self::rule(rule, &at_rules.index(index), out);
    }
    resize(container, role, &at.child("resizePolicy"), out);
}

fn rule(rule: &core::ContainerRestartRule, at: &Field, out: &mut Findings) {
    out.one_of(
        &at.child("action"),
        &rule.action,
        &["Restart", "RestartAllContainers"],
    );
    let at = at.child("exitCodes");
    let Some(codes) = &rule.exit_codes else {
        out.required(&at, "must be specified");
        return;
    };
    out.one_of(&at.child("operator"), &codes.operator, &["In", "NotIn"]);
    out.too_many(
        &at.child("values"),
        codes.values.as_ref().map_or(0, Vec::len),
        VALUES_MAX,
    );
}

fn resize(container: &core::Container, role: Role<'_>, at: &Field, out: &mut Findings) {
    let mut seen = BTreeSet::new();
    for (index, entry) in container.resize_policy.iter().flatten().enumerate() {
        let at = at.index(index);
        if !seen.insert(&entry.resource_name) {
            out.duplicate(&at, &entry.resource_name);
        }
        let at_name = at.child("resourceName");
        match entry.resource_name.as_str() {
            "" => out.required(&at_name, ""),
            name => out.one_of(&at_name, name, &["cpu", "memory"]),
        }
        let at_policy = at.child("restartPolicy");
        let policy = entry.restart_policy.as_str();
        match policy {
            "" => out.required(&at_policy, ""),
            _ => out.one_of(&at_policy, policy, &["NotRequired", "RestartContainer"]),
        }
        let restarts = policy == "RestartContainer";
        if restarts && role.spec.restart_policy.as_deref() == Some("Never") {
            let words = "must be 'NotRequired' when pod `restartPolicy` is 'Never'";
            out.invalid(&at_policy, policy, words);
        }
        if restarts && role.plain {
            // The word is Kubernetes' own, shown to people.
            let words = "must not be set to 'RestartContainer' for non-sidecar initContainers";
            out.invalid(&at_policy, policy, words);
        }
    }
}
