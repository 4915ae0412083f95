//! Which name servers, search domains and options does a Pod's resolver use?

use outrigger_pod::Pod;

use super::{HostsError, word};

/// What the node gives.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dns {
    /// The text of the node's `/etc/resolv.conf`.
    pub node_resolv_conf: String,
    /// Addresses of the cluster's name servers; none on most single machines, and `ClusterFirst`
    /// then falls back to `Default`.
    pub cluster_dns: Vec<String>,
    /// The cluster's domain, such as `cluster.local`.
    pub cluster_domain: String,
}

/// Kubernetes' limits, beyond which entries are dropped.
const SERVERS_MAX: usize = 3;
const SEARCHES_MAX: usize = 32;
const SEARCH_CHARS_MAX: usize = 2048;

#[derive(Default)]
struct Resolver {
    servers: Vec<String>,
    searches: Vec<String>,
    options: Vec<String>,
}

/// `/etc/resolv.conf` by the Pod's `dnsPolicy` and `dnsConfig`.
///
/// # Errors
/// When a value of the manifest is no single word.
pub fn resolv_conf(pod: &Pod, dns: &Dns) -> Result<String, HostsError> {
    let spec = pod.manifest.spec.as_ref();
    let host_network = spec.and_then(|spec| spec.host_network) == Some(true);
    let cluster = match spec
        .and_then(|spec| spec.dns_policy.as_deref())
        .unwrap_or("ClusterFirst")
    {
        "ClusterFirst" => !host_network,
        "ClusterFirstWithHostNet" => true,
        _ => false,
    };
    let node = Resolver::read(&dns.node_resolv_conf);
    let mut resolver = match spec.and_then(|spec| spec.dns_policy.as_deref()) {
        Some("None") => Resolver::default(),
        _ if cluster && !dns.cluster_dns.is_empty() => {
            let domain = &dns.cluster_domain;
            let mut searches = vec![
                format!("{}.svc.{domain}", pod.namespace),
                format!("svc.{domain}"),
                domain.clone(),
            ];
            searches.extend(node.searches);
            Resolver {
                servers: dns.cluster_dns.clone(),
                searches,
                options: vec!["ndots:5".to_owned()],
            }
        }
        _ => node,
    };
    if let Some(config) = spec.and_then(|spec| spec.dns_config.as_ref()) {
        for server in config.nameservers.iter().flatten() {
            resolver
                .servers
                .push(word("dnsConfig nameserver", server)?.to_owned());
        }
        for search in config.searches.iter().flatten() {
            resolver
                .searches
                .push(word("dnsConfig search", search)?.to_owned());
        }
        for option in config.options.iter().flatten() {
            let Some(name) = option.name.as_deref() else {
                continue;
            };
            let name = word("dnsConfig option", name)?;
            let text = match option.value.as_deref().filter(|value| !value.is_empty()) {
                Some(value) => format!("{name}:{}", word("dnsConfig option", value)?),
                None => name.to_owned(),
            };
            resolver
                .options
                .retain(|known| known.split(':').next() != Some(name));
            resolver.options.push(text);
        }
    }
    Ok(resolver.write())
}

impl Resolver {
    fn read(text: &str) -> Resolver {
        let mut resolver = Resolver::default();
        for line in text.lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => resolver.servers.extend(words.next().map(str::to_owned)),
                Some("search" | "domain") => resolver.searches = words.map(str::to_owned).collect(),
                Some("options") => resolver.options.extend(words.map(str::to_owned)),
                _ => {}
            }
        }
        resolver
    }

    fn write(self) -> String {
        let mut text = String::new();
        for server in unique(self.servers).into_iter().take(SERVERS_MAX) {
            text.push_str(&format!("nameserver {server}\n"));
        }
        let mut searches = String::new();
        for search in unique(self.searches).into_iter().take(SEARCHES_MAX) {
            if searches.len() + search.len() < SEARCH_CHARS_MAX {
                searches.push(' ');
                searches.push_str(&search);
            }
        }
        if !searches.is_empty() {
            text.push_str(&format!("search{searches}\n"));
        }
        if !self.options.is_empty() {
            text.push_str(&format!("options {}\n", unique(self.options).join(" ")));
        }
        text
    }
}

/// Each value where it stands first.
fn unique(values: Vec<String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::with_capacity(values.len());
    for value in values {
        if !kept.contains(&value) {
            kept.push(value);
        }
    }
    kept
}
