//! May a Pod as a whole be so: its policies, names, namespaces of the host, and DNS?

use k8s_openapi::api::core::v1 as core;

use super::finding::{Field, Findings};
use super::{names, security};

const NAMESERVERS_MAX: usize = 3;
const SEARCHES_MAX: usize = 32;
const SEARCHES_MAX_CHARS: usize = 2048;
const HOSTNAME_OVERRIDE_MAX: usize = 64;

pub(super) fn check(spec: &core::PodSpec, at: &Field, out: &mut Findings) {
    let policy = spec.restart_policy.as_deref();
    out.required_one_of(
        &at.child("restartPolicy"),
        policy,
        &["Always", "Never", "OnFailure"],
    );
    periods(spec, at, out);
    for (word, name) in [("hostname", &spec.hostname), ("subdomain", &spec.subdomain)] {
        if let Some(name) = name.as_deref().filter(|name| !name.is_empty()) {
            out.each(&at.child(word), name, names::label(name));
        }
    }
    for (word, name) in [
        ("nodeName", &spec.node_name),
        ("serviceAccountName", &spec.service_account_name),
        ("runtimeClassName", &spec.runtime_class_name),
        ("priorityClassName", &spec.priority_class_name),
    ] {
        if let Some(name) = name.as_deref().filter(|name| !name.is_empty()) {
            out.each(&at.child(word), name, names::subdomain(name));
        }
    }
    if let Some(os) = &spec.os {
        out.required_one_of(
            &at.child("os").child("name"),
            Some(&os.name),
            &["linux", "windows"],
        );
    }
    hostname_override(spec, at, out);
    host_namespaces(spec, at, out);
    security::pod(spec, &at.child("securityContext"), out);
    dns(spec, at, out);
    for (index, alias) in spec.host_aliases.iter().flatten().enumerate() {
        let at = at.child("hostAliases").index(index);
        out.each(&at.child("ip"), &alias.ip, names::ip(&alias.ip));
        for (index, name) in alias.hostnames.iter().flatten().enumerate() {
            out.each(
                &at.child("hostnames").index(index),
                name,
                names::subdomain(name),
            );
        }
    }
    for (index, gate) in spec.readiness_gates.iter().flatten().enumerate() {
        let at = at
            .child("readinessGates")
            .index(index)
            .child("conditionType");
        out.each(
            &at,
            &gate.condition_type,
            names::qualified(&gate.condition_type),
        );
    }
}

fn periods(spec: &core::PodSpec, at: &Field, out: &mut Findings) {
    let grace = at.child("terminationGracePeriodSeconds");
    match spec.termination_grace_period_seconds {
        None => out.required(&grace, ""),
        Some(grace_s) if grace_s < 0 => {
            out.invalid(&grace, grace_s, "must be greater than or equal to 0");
        }
        Some(_) => {}
    }
    if let Some(deadline_s) = spec.active_deadline_seconds {
        out.between(
            &at.child("activeDeadlineSeconds"),
            deadline_s,
            (1, i32::MAX.into()),
        );
    }
}

fn hostname_override(spec: &core::PodSpec, at: &Field, out: &mut Findings) {
    let Some(name) = &spec.hostname_override else {
        return;
    };
    let at = at.child("hostnameOverride");
    if spec.host_network == Some(true) {
        out.forbidden(&at, "may not be specified when hostNetwork is true");
    }
    if spec.set_hostname_as_fqdn == Some(true) {
        out.forbidden(&at, "may not be specified when setHostnameAsFQDN is true");
    }
    out.each(&at, name, names::subdomain(name));
    if name.len() > HOSTNAME_OVERRIDE_MAX {
        out.too_long(&at, HOSTNAME_OVERRIDE_MAX);
    }
}

fn host_namespaces(spec: &core::PodSpec, at: &Field, out: &mut Findings) {
    if spec.share_process_namespace == Some(true) && spec.host_pid == Some(true) {
        let words = "ShareProcessNamespace and HostPID cannot both be enabled";
        out.invalid(&at.child("shareProcessNamespace"), true, words);
    }
    if spec.host_users != Some(false) {
        return;
    }
    for (word, shared) in [
        ("hostNetwork", spec.host_network),
        ("hostPID", spec.host_pid),
        ("hostIPC", spec.host_ipc),
    ] {
        if shared == Some(true) {
            out.forbidden(&at.child(word), "when `hostUsers` is false");
        }
    }
}

fn dns(spec: &core::PodSpec, at: &Field, out: &mut Findings) {
    let policy = spec.dns_policy.as_deref();
    let policies = ["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"];
    out.maybe_one_of(&at.child("dnsPolicy"), policy, &policies);
    let at = at.child("dnsConfig");
    let config = spec.dns_config.as_ref();
    let servers = config
        .and_then(|config| config.nameservers.as_deref())
        .unwrap_or_default();
    if policy == Some("None") {
        match config {
            None => out.required(&at, "must provide `dnsConfig` when `dnsPolicy` is None"),
            Some(_) if servers.is_empty() => {
                let words = "must provide at least one DNS nameserver when `dnsPolicy` is None";
                out.required(&at.child("nameservers"), words);
            }
            Some(_) => {}
        }
    }
    let Some(config) = config else { return };
    if servers.len() > NAMESERVERS_MAX {
        let words = format!("must not have more than {NAMESERVERS_MAX} nameservers");
        out.invalid(&at.child("nameservers"), servers, words);
    }
    for (index, server) in servers.iter().enumerate() {
        out.each(
            &at.child("nameservers").index(index),
            server,
            names::ip(server),
        );
    }
    searches(
        config.searches.as_deref().unwrap_or_default(),
        &at.child("searches"),
        out,
    );
    for (index, option) in config.options.iter().flatten().enumerate() {
        if option.name.as_deref().unwrap_or("").is_empty() {
            out.required(&at.child("options").index(index), "must not be empty");
        }
    }
}

fn searches(searches: &[String], at: &Field, out: &mut Findings) {
    if searches.len() > SEARCHES_MAX {
        let words = format!("must not have more than {SEARCHES_MAX} search paths");
        out.invalid(at, searches, words);
    }
    let joined = searches.join(" ");
    if joined.len() > SEARCHES_MAX_CHARS {
        let words = format!(
            "must not have more than {SEARCHES_MAX_CHARS} characters (including spaces) in the search list"
        );
        out.invalid(at, searches, words);
    }
    for (index, search) in searches.iter().enumerate() {
        // The root, a dot at the end and underscores are names of DNS though not of hosts.
        let name = search.strip_suffix('.').unwrap_or(search).replace('_', "0");
        if search != "." {
            out.each(&at.index(index), search, names::subdomain(&name));
        }
    }
}
