//! What does Prometheus read? The kubelet's names where it has one, else ours. Pure but for a look at
//! this process.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use outrigger_api::Stored;
use rustix::time::{ClockId, clock_gettime};

use super::counts::{BUCKETS_S, Counts};

/// This process.
#[derive(Debug, Default)]
pub(crate) struct Process {
    cpu_s: f64,
    resident_bytes: u64,
    open_files: usize,
    threads: u64,
}

impl Process {
    /// As it is now.
    pub(crate) fn look() -> Process {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok())
        };
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        Process {
            cpu_s: cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9,
            resident_bytes: number("VmRSS:").unwrap_or(0) * 1024,
            open_files: std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count),
            threads: number("Threads:").unwrap_or(0),
        }
    }
}

/// One metric after the other in Prometheus' text format.
#[derive(Default)]
struct Page(String);

impl Page {
    /// The head of a metric.
    fn metric(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a String cannot fail.
        writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}").ok();
    }

    /// One value of it.
    fn value(&mut self, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        let labels: Vec<String> = labels
            .iter()
            .map(|(label, value)| format!("{label}=\"{}\"", escaped(value)))
            .collect();
        let labels = match labels.is_empty() {
            true => String::new(),
            false => format!("{{{}}}", labels.join(",")),
        };
        writeln!(self.0, "{name}{labels} {value}").ok();
    }

    fn single(&mut self, name: &str, kind: &str, help: &str, value: impl std::fmt::Display) {
        self.metric(name, kind, help);
        self.value(name, &[], value);
    }
}

fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

/// All metrics.
pub(crate) fn text(pods: &[Stored], counts: &Counts, process: &Process) -> String {
    let mut page = Page::default();
    of_pods(&mut page, pods);
    of_probes(&mut page, pods, counts);
    of_counts(&mut page, counts);
    of_process(&mut page, process);
    page.0
}

fn of_pods(page: &mut Page, pods: &[Stored]) {
    let running = pods
        .iter()
        .filter(|pod| pod.object["status"]["phase"] == "Running");
    let help = "Number of pods that have a running pod sandbox";
    page.single("kubelet_running_pods", "gauge", help, running.count());
    let mut states: BTreeMap<&str, u64> = [("created", 0), ("exited", 0), ("running", 0)].into();
    let mut restarts = Page::default();
    let name = "kube_pod_container_status_restarts_total";
    restarts.metric(
        name,
        "counter",
        "The number of container restarts per container",
    );
    for pod in pods {
        let lists = [
            "initContainerStatuses",
            "containerStatuses",
            "ephemeralContainerStatuses",
        ];
        let statuses = lists
            .iter()
            .filter_map(|list| pod.object["status"][list].as_array());
        for status in statuses.flatten() {
            let state = match &status["state"] {
                state if state["running"].is_object() => "running",
                state if state["terminated"].is_object() => "exited",
                _ => "created",
            };
            *states.entry(state).or_default() += 1;
            let labels = [
                ("namespace", pod.key.namespace.as_str()),
                ("pod", pod.key.name.as_str()),
                ("container", status["name"].as_str().unwrap_or_default()),
            ];
            restarts.value(name, &labels, status["restartCount"].as_u64().unwrap_or(0));
        }
    }
    let name = "kubelet_running_containers";
    page.metric(name, "gauge", "Number of containers by their state");
    for (state, count) in states {
        page.value(name, &[("container_state", state)], count);
    }
    page.0.push_str(&restarts.0);
}

fn of_probes(page: &mut Page, pods: &[Stored], counts: &Counts) {
    let name = "prober_probe_total";
    let help =
        "Cumulative number of a liveness, readiness or startup probe for a container by result.";
    page.metric(name, "counter", help);
    for (probed, count) in &counts.probes {
        let uid = probed.pod.0.as_str();
        let mut pods = pods.iter();
        let Some(pod) = pods.find(|pod| pod.object["metadata"]["uid"] == uid) else {
            continue;
        };
        let kind = probed.kind.word();
        let labels = [
            ("probe_type", kind),
            ("result", probed.result),
            ("container", probed.container.as_str()),
            ("pod", pod.key.name.as_str()),
            ("namespace", pod.key.namespace.as_str()),
            ("pod_uid", uid),
        ];
        page.value(name, &labels, count);
    }
}

fn of_counts(page: &mut Page, counts: &Counts) {
    let name = "kubelet_pod_start_duration_seconds";
    let help =
        "Duration in seconds from seeing a pod for the first time to the pod starting to run";
    page.metric(name, "histogram", help);
    let bucket = format!("{name}_bucket");
    let mut below = 0;
    for (bound, count) in BUCKETS_S.iter().zip(counts.starts) {
        below += count;
        page.value(&bucket, &[("le", &bound.to_string())], below);
    }
    page.value(&bucket, &[("le", "+Inf")], counts.started);
    page.value(&format!("{name}_sum"), &[], counts.start_sum_s);
    page.value(&format!("{name}_count"), &[], counts.started);
    for (name, help, value) in [
        (
            "kubelet_started_pods_total",
            "Cumulative number of pods started",
            counts.pods,
        ),
        (
            "kubelet_started_containers_total",
            "Cumulative number of containers started",
            counts.containers,
        ),
        (
            "kubelet_started_containers_errors_total",
            "Cumulative number of errors when starting containers",
            counts.failed_starts,
        ),
        (
            "outrigger_lost_sandboxes_total",
            "Cumulative number of pod sandboxes whose shim was lost",
            counts.lost_sandboxes,
        ),
    ] {
        page.single(name, "counter", help, value);
    }
    let help = "How long the adoption of all pods took at the start";
    page.single(
        "outrigger_adoption_seconds",
        "gauge",
        help,
        counts.adoption_s,
    );
    let help = "How many pods were adopted at the start";
    page.single("outrigger_adopted_pods", "gauge", help, counts.adopted);
}

fn of_process(page: &mut Page, process: &Process) {
    let name = "kubernetes_build_info";
    page.metric(
        name,
        "gauge",
        "A metric with a constant '1' value labeled by version",
    );
    let version = env!("CARGO_PKG_VERSION");
    page.value(
        name,
        &[("git_version", &format!("v1.36.0-outrigger.{version}"))],
        1,
    );
    let help = "Total user and system CPU time spent in seconds.";
    page.single("process_cpu_seconds_total", "counter", help, process.cpu_s);
    let help = "Resident memory size in bytes.";
    page.single(
        "process_resident_memory_bytes",
        "gauge",
        help,
        process.resident_bytes,
    );
    let help = "Number of open file descriptors.";
    page.single("process_open_fds", "gauge", help, process.open_files);
    page.single(
        "process_threads",
        "gauge",
        "Number of threads.",
        process.threads,
    );
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use outrigger_api::{Key, Resource};
    use outrigger_pod::{PodUid, ProbeKind};
    use serde_json::json;

    use super::super::counts::Probed;
    use super::*;

    #[test]
    fn the_page_tells_of_pods_containers_and_probes() {
        let object = json!({
            "metadata": { "uid": "u" },
            "status": { "phase": "Running", "containerStatuses": [{ "name": "a\"b", "restartCount": 2, "state": { "running": {} } }] },
        });
        let pod = Stored {
            key: Key {
                resource: Resource::Pods,
                namespace: "shop".to_owned(),
                name: "web".to_owned(),
            },
            version: 1,
            object: Arc::new(object),
        };
        let mut counts = Counts::default();
        let probed = Probed {
            pod: PodUid("u".to_owned()),
            container: "main".to_owned(),
            kind: ProbeKind::Liveness,
            result: "failed",
        };
        counts.probes.insert(probed, 3);
        (counts.starts[1], counts.starts[2], counts.started) = (1, 1, 3);
        let text = text(&[pod], &counts, &Process::default());
        for line in [
            "kubelet_running_pods 1",
            "kubelet_running_containers{container_state=\"running\"} 1",
            "kube_pod_container_status_restarts_total{namespace=\"shop\",pod=\"web\",container=\"a\\\"b\"} 2",
            "prober_probe_total{probe_type=\"Liveness\",result=\"failed\",container=\"main\",pod=\"web\",namespace=\"shop\",pod_uid=\"u\"} 3",
            "kubelet_pod_start_duration_seconds_bucket{le=\"0.5\"} 0",
            "kubelet_pod_start_duration_seconds_bucket{le=\"1\"} 1",
            "kubelet_pod_start_duration_seconds_bucket{le=\"480\"} 2",
            "kubelet_pod_start_duration_seconds_bucket{le=\"+Inf\"} 3",
        ] {
            assert!(text.lines().any(|one| one == line), "{line}\n{text}");
        }
        let heads = text.lines().filter(|line| line.starts_with("# TYPE"));
        assert_eq!(
            heads.count(),
            text.lines()
                .filter(|line| line.starts_with("# HELP"))
                .count()
        );
    }

    #[test]
    fn this_process_uses_something() {
        let process = Process::look();
        assert!(process.resident_bytes > 0 && process.open_files > 2 && process.threads > 0);
    }
}
