//! What stands in a Pod's `/etc/hosts`, `/etc/resolv.conf` and `/etc/hostname`?
//!
//! Every value that goes into a line is checked first: one with a line break, a blank or a `#` in
//! it could add entries of its own, and is refused.

use std::fmt::Write;

use k8s_openapi::api::core::v1 as core;
use outrigger_pod::Pod;

mod resolv;

pub use resolv::{Dns, resolv_conf};

/// Why a file cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostsError {
    /// A value would break out of its place in the file.
    #[error("{what} {value:?} must be one word without blanks, line breaks and '#'")]
    Value {
        /// Which value.
        what: &'static str,
        /// The value.
        value: String,
    },
    /// `setHostnameAsFQDN` with a name that the kernel cannot keep.
    #[error(
        "failed to construct FQDN from pod hostname and cluster domain, FQDN {fqdn} is too long (64 characters is the max, {length} characters requested)"
    )]
    TooLong {
        /// The name.
        fqdn: String,
        /// Its length.
        length: usize,
    },
}

/// Longest host name that Linux keeps.
const HOSTNAME_MAX: usize = 64;
/// Longest part of a domain name.
const LABEL_MAX: usize = 63;

/// A Pod's names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// What `gethostname` says.
    pub hostname: String,
    /// The first name beside the Pod's address in `/etc/hosts`.
    pub host: String,
    /// What follows `host` and a dot there, if the Pod has a subdomain.
    pub domain: Option<String>,
}

/// The names of a Pod in a cluster domain such as `cluster.local`; those of the node if it uses the
/// host's network.
///
/// # Errors
/// When a full name is asked for that is too long, or a name is no single word.
pub fn names(pod: &Pod, cluster_domain: &str, node_hostname: &str) -> Result<Names, HostsError> {
    let spec = pod.manifest.spec.as_ref();
    if spec.and_then(|spec| spec.host_network) == Some(true) {
        let host = word("the node's host name", node_hostname)?.to_owned();
        return Ok(Names {
            hostname: host.clone(),
            host,
            domain: None,
        });
    }
    let given = |of: fn(&core::PodSpec) -> &Option<String>| {
        spec.and_then(|spec| of(spec).as_deref())
            .filter(|text| !text.is_empty())
    };
    if let Some(name) = given(|spec| &spec.hostname_override) {
        let host = word("spec.hostnameOverride", name)?.to_owned();
        return Ok(Names {
            hostname: host.clone(),
            host,
            domain: None,
        });
    }
    let name = given(|spec| &spec.hostname).unwrap_or(&pod.name);
    let cut: String = word("the host name", name)?
        .chars()
        .take(LABEL_MAX)
        .collect();
    let host = cut.trim_end_matches(['-', '.']).to_owned();
    let domain = match given(|spec| &spec.subdomain) {
        Some(subdomain) => {
            let subdomain = word("spec.subdomain", subdomain)?;
            Some(format!(
                "{subdomain}.{}.svc.{cluster_domain}",
                word("the namespace", &pod.namespace)?
            ))
        }
        None => None,
    };
    let full = spec.and_then(|spec| spec.set_hostname_as_fqdn) == Some(true);
    let hostname = match &domain {
        Some(domain) if full => format!("{host}.{domain}"),
        _ => host.clone(),
    };
    if hostname.len() > HOSTNAME_MAX {
        return Err(HostsError::TooLong {
            length: hostname.len(),
            fqdn: hostname,
        });
    }
    Ok(Names {
        hostname,
        host,
        domain,
    })
}

/// `/etc/hosts` of a Pod with addresses of its own.
///
/// # Errors
/// When an address or alias is no single word.
pub fn hosts(pod: &Pod, names: &Names, pod_ips: &[String]) -> Result<String, HostsError> {
    let mut text = String::from(
        "# Kubernetes-managed hosts file.\n\
         127.0.0.1\tlocalhost\n\
         ::1\tlocalhost ip6-localhost ip6-loopback\n\
         fe00::0\tip6-localnet\n\
         fe00::0\tip6-mcastprefix\n\
         fe00::1\tip6-allnodes\n\
         fe00::2\tip6-allrouters\n",
    );
    for ip in pod_ips {
        let (ip, host) = (
            word("the Pod's address", ip)?,
            word("the host name", &names.host)?,
        );
        text.push_str(ip);
        if let Some(domain) = &names.domain {
            line(
                &mut text,
                format_args!("\t{host}.{}", word("the domain", domain)?),
            );
        }
        line(&mut text, format_args!("\t{host}\n"));
    }
    aliases(pod, &mut text)?;
    Ok(text)
}

/// `/etc/hosts` of a Pod in the host's network: the node's own file with the Pod's aliases.
///
/// # Errors
/// When an alias is no single word.
pub fn host_network_hosts(pod: &Pod, node_hosts: &str) -> Result<String, HostsError> {
    let mut text = String::from("# Kubernetes-managed hosts file (host network).\n");
    text.push_str(node_hosts);
    aliases(pod, &mut text)?;
    Ok(text)
}

/// `/etc/hostname`.
#[must_use]
pub fn hostname_file(names: &Names) -> String {
    format!("{}\n", names.hostname)
}

fn aliases(pod: &Pod, text: &mut String) -> Result<(), HostsError> {
    let spec = pod.manifest.spec.as_ref();
    let aliases = spec
        .and_then(|spec| spec.host_aliases.as_deref())
        .unwrap_or_default();
    if aliases.is_empty() {
        return Ok(());
    }
    text.push_str("\n# Entries added by HostAliases.\n");
    for alias in aliases {
        text.push_str(word("hostAliases ip", &alias.ip)?);
        for name in alias.hostnames.iter().flatten() {
            line(
                text,
                format_args!("\t{}", word("hostAliases hostname", name)?),
            );
        }
        text.push('\n');
    }
    Ok(())
}

/// Appends to a text, which cannot fail.
fn line(text: &mut String, what: std::fmt::Arguments<'_>) {
    let _ = text.write_fmt(what);
}

/// The value, if it is one word.
fn word<'v>(what: &'static str, value: &'v str) -> Result<&'v str, HostsError> {
    let breaks = |letter: char| letter.is_whitespace() || letter.is_control() || letter == '#';
    if value.is_empty() || value.contains(breaks) {
        return Err(HostsError::Value {
            what,
            value: value.to_owned(),
        });
    }
    Ok(value)
}

#[cfg(test)]
mod tests;
