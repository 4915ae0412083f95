//! May these be a container's ports, and do the Pod's host ports collide?

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::containers::Role;
use super::finding::{Field, Findings};
use super::names;

const BOUNDS: (i64, i64) = (1, 65535);

pub(super) fn check(container: &core::Container, role: Role<'_>, at: &Field, out: &mut Findings) {
    let mut taken = BTreeSet::new();
    for (index, port) in container.ports.iter().flatten().enumerate() {
        let at = at.child("ports").index(index);
        if let Some(name) = port.name.as_deref().filter(|name| !name.is_empty()) {
            let problems = names::port(name);
            if problems.is_empty() && !taken.insert(name) {
                out.duplicate(&at.child("name"), name);
            }
            out.each(&at.child("name"), name, problems);
        }
        match port.container_port {
            0 => out.required(&at.child("containerPort"), ""),
            number => out.between(&at.child("containerPort"), number.into(), BOUNDS),
        }
        let host = port.host_port.unwrap_or(0);
        if host != 0 {
            out.between(&at.child("hostPort"), host.into(), BOUNDS);
            if !role.init && role.spec.host_network == Some(true) && host != port.container_port {
                let words = "must match `containerPort` when `hostNetwork` is true";
                out.invalid(&at.child("hostPort"), host, words);
            }
        }
        if let Some(ip) = port.host_ip.as_deref().filter(|ip| !ip.is_empty()) {
            out.each(&at.child("hostIP"), ip, names::ip(ip));
        }
        let protocol = port.protocol.as_deref();
        out.required_one_of(&at.child("protocol"), protocol, &["SCTP", "TCP", "UDP"]);
    }
}

/// All mains share the host's ports; each init container has them for itself.
pub(super) fn host_ports(spec: &core::PodSpec, at: &Field, out: &mut Findings) {
    let mut taken = BTreeSet::new();
    for (index, container) in spec.containers.iter().enumerate() {
        claim(
            container,
            &mut taken,
            &at.child("containers").index(index),
            out,
        );
    }
    for (index, container) in spec.init_containers.iter().flatten().enumerate() {
        claim(
            container,
            &mut BTreeSet::new(),
            &at.child("initContainers").index(index),
            out,
        );
    }
}

fn claim(
    container: &core::Container,
    taken: &mut BTreeSet<String>,
    at: &Field,
    out: &mut Findings,
) {
    for (index, port) in container.ports.iter().flatten().enumerate() {
        let Some(number) = port.host_port.filter(|number| *number != 0) else {
            continue;
        };
        let protocol = port.protocol.as_deref().unwrap_or("TCP");
        let claim = format!(
            "{protocol}/{}/{number}",
            port.host_ip.as_deref().unwrap_or("")
        );
        if taken.contains(&claim) {
            out.duplicate(&at.child("ports").index(index).child("hostPort"), claim);
        } else {
            taken.insert(claim);
        }
    }
}

/// A port that a handler names by number or by name.
pub(super) fn reference(port: &IntOrString, at: &Field, out: &mut Findings) {
    match port {
        IntOrString::Int(number) => out.between(at, (*number).into(), BOUNDS),
        IntOrString::String(name) => out.each(at, name, names::port(name)),
    }
}

/// A port that a handler gives as a number.
pub(super) fn number(port: i32, at: &Field, out: &mut Findings) {
    out.between(at, port.into(), BOUNDS);
}
