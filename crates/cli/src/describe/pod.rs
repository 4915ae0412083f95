//! All about a Pod.

use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use super::container::{Shown, containers, seccomp};
use super::events::events;
use super::lines::{Lines, each, moment, pairs, text as plain};
use super::volumes::volumes;

/// The description of a Pod.
pub(crate) fn text(pod: &Value, happened: Vec<Value>, now: Timestamp) -> String {
    let (metadata, spec, status) = (&pod["metadata"], &pod["spec"], &pod["status"]);
    let mut lines = Lines::default();
    lines.pair(0, "Name", plain(&metadata["name"]));
    lines.pair(0, "Namespace", plain(&metadata["namespace"]));
    if let Some(priority) = spec["priority"].as_i64() {
        lines.pair(0, "Priority", priority.to_string());
    }
    lines.pair(0, "Service Account", plain(&spec["serviceAccountName"]));
    let node = match (plain(&spec["nodeName"]), plain(&status["hostIP"])) {
        (node, _) if node.is_empty() => "<none>".to_owned(),
        (node, address) => format!("{node}/{address}"),
    };
    lines.pair(0, "Node", node);
    if status["startTime"].is_string() {
        lines.pair(0, "Start Time", moment(&status["startTime"]));
    }
    lines.list(0, "Labels", &pairs(&metadata["labels"], "="));
    lines.list(0, "Annotations", &annotations(&metadata["annotations"]));
    state(pod, &mut lines);
    seccomp([0, 0], spec, &mut lines);
    lines.pair(0, "IP", plain(&status["podIP"]));
    match each(&status["podIPs"]).next() {
        None => lines.pair(0, "IPs", "<none>"),
        Some(_) => {
            lines.plain(0, "IPs:");
            for address in each(&status["podIPs"]) {
                lines.pair(1, "IP", plain(&address["ip"]));
            }
        }
    }
    let sections = [
        ("Init Containers", "initContainers", "initContainerStatuses"),
        ("Containers", "containers", "containerStatuses"),
        (
            "Ephemeral Containers",
            "ephemeralContainers",
            "ephemeralContainerStatuses",
        ),
    ];
    for (title, specs, statuses) in sections {
        if each(&spec[specs]).next().is_some() {
            let shown = Shown {
                pod,
                specs: &spec[specs],
                statuses: &status[statuses],
            };
            lines.plain(0, format!("{title}:"));
            containers(&shown, &mut lines);
        }
    }
    conditions(status, &mut lines);
    volumes(spec, &mut lines);
    lines.pair(0, "QoS Class", plain(&status["qosClass"]));
    lines.list(0, "Node-Selectors", &pairs(&spec["nodeSelector"], "="));
    lines.list(0, "Tolerations", &tolerations(spec));
    events(happened, now, &mut lines);
    lines.text()
}

/// Its phase, or that it is on its way out.
fn state(pod: &Value, lines: &mut Lines) {
    let (metadata, status) = (&pod["metadata"], &pod["status"]);
    if metadata["deletionTimestamp"].is_string()
        && status["phase"] != "Failed"
        && status["phase"] != "Succeeded"
    {
        lines.pair(0, "Status", "Terminating");
        if let Some(grace_s) = metadata["deletionGracePeriodSeconds"].as_i64() {
            lines.pair(0, "Termination Grace Period", format!("{grace_s}s"));
        }
    } else {
        lines.pair(0, "Status", plain(&status["phase"]));
    }
    for (name, field) in [("Reason", "reason"), ("Message", "message")] {
        if status[field].is_string() {
            lines.pair(0, name, plain(&status[field]));
        }
    }
}

/// Annotations, but for what only tools read.
fn annotations(map: &Value) -> Vec<String> {
    let mut all = pairs(map, ": ");
    all.retain(|pair| !pair.starts_with("kubectl.kubernetes.io/last-applied-configuration"));
    all.iter()
        .map(|pair| pair.trim_end().replace('\n', "\\n"))
        .collect()
}

fn conditions(status: &Value, lines: &mut Lines) {
    if each(&status["conditions"]).next().is_none() {
        return;
    }
    lines.plain(0, "Conditions:");
    lines.cells(1, ["Type".to_owned(), "Status".to_owned()]);
    for condition in each(&status["conditions"]) {
        lines.cells(
            1,
            ["type", "status"].map(|field| format!("{} ", plain(&condition[field]))),
        );
    }
}

fn tolerations(spec: &Value) -> Vec<String> {
    let one = |toleration: &Value| {
        let text = |field: &str| plain(&toleration[field]);
        let mut said = text("key");
        if !text("value").is_empty() {
            said.push_str(&format!("={}", text("value")));
        }
        if !text("effect").is_empty() {
            said.push_str(&format!(":{}", text("effect")));
        }
        if toleration["operator"] == "Exists" && text("value").is_empty() {
            said.push_str(if said.is_empty() {
                "op=Exists"
            } else {
                " op=Exists"
            });
        }
        if let Some(seconds) = toleration["tolerationSeconds"].as_i64() {
            said.push_str(&format!(" for {seconds}s"));
        }
        said
    };
    each(&spec["tolerations"]).map(one).collect()
}
