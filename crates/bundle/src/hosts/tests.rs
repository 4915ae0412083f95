use super::*;
use crate::fixture;

fn pod(spec: &str) -> Pod {
    let text = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: web-0}}\nspec:\n  {spec}\n  containers: [{{name: c, image: i}}]\n"
    );
    fixture::pod(&text).0
}

fn called(spec: &str) -> Names {
    names(&pod(spec), "cluster.local", "node-1").unwrap()
}

#[test]
fn a_pod_is_called_by_its_hostname_or_its_name() {
    assert_eq!(called("").hostname, "web-0");
    assert_eq!(called("hostname: db").hostname, "db");
    assert_eq!(called("hostNetwork: true").hostname, "node-1");
    let full = called("hostname: db\n  subdomain: s\n  setHostnameAsFQDN: true");
    assert_eq!(full.hostname, "db.s.default.svc.cluster.local");
    assert_eq!(full.host, "db");
}

#[test]
fn a_long_name_is_cut_and_does_not_end_in_a_dash() {
    let mut pod = pod("");
    pod.name = format!("{}-{}", "a".repeat(62), "b".repeat(20));
    assert_eq!(
        names(&pod, "cluster.local", "n").unwrap().hostname,
        "a".repeat(62)
    );
}

#[test]
fn a_full_name_beyond_64_characters_is_refused() {
    let pod = pod(&format!(
        "subdomain: {}\n  setHostnameAsFQDN: true",
        "s".repeat(50)
    ));
    let error = names(&pod, "cluster.local", "n").unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("failed to construct FQDN from pod hostname"),
        "{error}"
    );
}

#[test]
fn the_hosts_file_is_the_kubelets() {
    let pod = pod("subdomain: s\n  hostAliases: [{ip: 1.2.3.4, hostnames: [a, b]}]");
    let names = names(&pod, "cluster.local", "n").unwrap();
    assert_eq!(
        hosts(&pod, &names, &["10.0.0.2".to_owned()]).unwrap(),
        "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n\
         fe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n\
         10.0.0.2\tweb-0.s.default.svc.cluster.local\tweb-0\n\n# Entries added by HostAliases.\n1.2.3.4\ta\tb\n"
    );
    assert_eq!(
        host_network_hosts(&pod, "127.0.0.1 x\n").unwrap(),
        "# Kubernetes-managed hosts file (host network).\n127.0.0.1 x\n\n# Entries added by HostAliases.\n1.2.3.4\ta\tb\n"
    );
}

#[test]
fn no_value_writes_a_line_of_its_own() {
    for evil in [
        "a\n6.6.6.6\tbank",
        "a b",
        "a\r",
        "a#",
        "",
        "a\0",
        "a\u{2028}b",
        "a\\n b",
    ] {
        let mut pod = pod("hostAliases: [{ip: 1.2.3.4, hostnames: [a]}]");
        let spec = pod.manifest.spec.as_mut().unwrap();
        spec.host_aliases.as_mut().unwrap()[0].hostnames = Some(vec![evil.to_owned()]);
        let known = Names {
            hostname: "x".to_owned(),
            host: "x".to_owned(),
            domain: None,
        };
        assert!(hosts(&pod, &known, &[]).is_err(), "{evil:?}");
        let known = Names {
            hostname: "x".to_owned(),
            host: evil.to_owned(),
            domain: None,
        };
        assert!(
            hosts(&pod, &known, &["1.1.1.1".to_owned()]).is_err(),
            "{evil:?}"
        );
        pod.manifest.spec.as_mut().unwrap().host_network = Some(true);
        assert!(names(&pod, "cluster.local", evil).is_err(), "{evil:?}");
    }
}

fn dns(servers: &[&str]) -> Dns {
    Dns {
        node_resolv_conf: "# x\nnameserver 9.9.9.9\nsearch corp\noptions timeout:1\n".to_owned(),
        cluster_dns: servers.iter().map(|server| (*server).to_owned()).collect(),
        cluster_domain: "cluster.local".to_owned(),
    }
}

#[test]
fn without_a_cluster_the_nodes_resolver_is_used() {
    let text = resolv_conf(&pod(""), &dns(&[])).unwrap();
    assert_eq!(text, "nameserver 9.9.9.9\nsearch corp\noptions timeout:1\n");
    let text = resolv_conf(&pod("hostNetwork: true"), &dns(&["10.96.0.10"])).unwrap();
    assert_eq!(text, "nameserver 9.9.9.9\nsearch corp\noptions timeout:1\n");
}

#[test]
fn a_clusters_resolver_searches_the_namespace_first() {
    assert_eq!(
        resolv_conf(&pod(""), &dns(&["10.96.0.10"])).unwrap(),
        "nameserver 10.96.0.10\nsearch default.svc.cluster.local svc.cluster.local cluster.local corp\noptions ndots:5\n"
    );
}

#[test]
fn the_pods_own_entries_are_appended_once_and_its_options_win() {
    let config = "dnsConfig: {nameservers: [1.1.1.1, 9.9.9.9, 8.8.8.8], searches: [corp, lab], options: [{name: timeout, value: '3'}, {name: rotate}]}";
    assert_eq!(
        resolv_conf(&pod(config), &dns(&[])).unwrap(),
        "nameserver 9.9.9.9\nnameserver 1.1.1.1\nnameserver 8.8.8.8\nsearch corp lab\noptions timeout:3 rotate\n"
    );
    let none = format!("dnsPolicy: None\n  {config}");
    assert!(
        resolv_conf(&pod(&none), &dns(&[]))
            .unwrap()
            .starts_with("nameserver 1.1.1.1\nnameserver 9.9.9.9\n")
    );
}
