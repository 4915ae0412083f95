//! By which names does a Pod know itself and others? `/etc/hosts`, `/etc/resolv.conf`,
//! `/etc/hostname`.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use outrigger_bundle::hosts::{self, Dns, Names};
use outrigger_pod::Pod;

use crate::directories::{PodDirectories, make};

/// There is no cluster; names that are made of its domain are made of Kubernetes' default.
const CLUSTER_DOMAIN: &str = "cluster.local";

/// This machine's name; empty without /proc, and then no Pod runs anyway.
pub(crate) fn node() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}

/// The Node's name: this machine's, as far as Kubernetes lets that be a name.
pub(crate) fn node_name() -> String {
    as_node_name(&node())
}

fn as_node_name(hostname: &str) -> String {
    let plain = |c: char| match c.to_ascii_lowercase() {
        c @ ('a'..='z' | '0'..='9' | '.') => c,
        _ => '-',
    };
    let all: String = hostname.chars().map(plain).collect();
    let parts = all
        .split('.')
        .map(|part| part.trim_matches('-'))
        .filter(|part| !part.is_empty());
    match parts.collect::<Vec<_>>().join(".") {
        // Linux says `(none)` of a machine without a name.
        name if name.is_empty() || hostname == "(none)" => "localhost".to_owned(),
        name => name,
    }
}

/// The Pod's names.
pub(crate) fn names(pod: &Pod) -> Result<Names, String> {
    hosts::names(pod, CLUSTER_DOMAIN, &node()).map_err(|error| error.to_string())
}

/// Writes the files that every container of the Pod gets.
pub(crate) fn write(pod: &Pod, dirs: &PodDirectories) -> Result<(), String> {
    let names = names(pod)?;
    let host_network = pod
        .manifest
        .spec
        .as_ref()
        .and_then(|spec| spec.host_network)
        == Some(true);
    let hosts = if host_network {
        hosts::host_network_hosts(pod, &node_file("/etc/hosts")?)
    } else {
        hosts::hosts(pod, &names, &[])
    };
    let dns = Dns {
        node_resolv_conf: node_file("/etc/resolv.conf")?,
        cluster_dns: Vec::new(),
        cluster_domain: CLUSTER_DOMAIN.to_owned(),
    };
    let resolv_conf = hosts::resolv_conf(pod, &dns);
    make(&dirs.files(), 0o755)?;
    write_file(
        &dirs.file("hosts"),
        &hosts.map_err(|error| error.to_string())?,
        0o644,
    )?;
    write_file(
        &dirs.file("resolv.conf"),
        &resolv_conf.map_err(|error| error.to_string())?,
        0o644,
    )?;
    write_file(&dirs.file("hostname"), &hosts::hostname_file(&names), 0o644)
}

/// How much the files that were written take.
pub(crate) fn size_bytes(dirs: &PodDirectories) -> Result<u64, String> {
    let size = |name| {
        let path = dirs.file(name);
        let metadata = std::fs::metadata(&path);
        metadata.map_err(|error| format!("look at {}: {error}", path.display()))
    };
    let mut all = 0;
    for name in ["hosts", "resolv.conf", "hostname"] {
        all += size(name)?.len();
    }
    Ok(all)
}

/// A machine without one of these files has nothing to say in it.
fn node_file(path: &str) -> Result<String, String> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(format!("read {path}: {error}")),
    }
}

/// Writes a file with these permission bits, whatever the umask.
pub(crate) fn write_file(path: &Path, text: &str, mode: u32) -> Result<(), String> {
    std::fs::write(path, text)
        .and_then(|()| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)))
        .map_err(|error| format!("write {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_hostname_gives_a_name_that_a_node_may_have() {
        for (hostname, name) in [
            ("web1.example.com", "web1.example.com"),
            ("My_Laptop", "my-laptop"),
            ("-odd..name-", "odd.name"),
            ("(none)", "localhost"),
            ("", "localhost"),
        ] {
            assert_eq!(as_node_name(hostname), name);
        }
    }
}
