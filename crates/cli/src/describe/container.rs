//! All about a Pod's containers.

use serde_json::Value;

use super::lines::{Lines, each, moment, pairs, text as plain, truth};

/// Containers of one list.
pub(super) struct Shown<'a> {
    pub(super) pod: &'a Value,
    pub(super) specs: &'a Value,
    pub(super) statuses: &'a Value,
}

/// The descriptions of containers.
pub(super) fn containers(shown: &Shown<'_>, lines: &mut Lines) {
    for spec in each(shown.specs) {
        let status = each(shown.statuses).find(|status| status["name"] == spec["name"]);
        lines.plain(1, format!("{}:", plain(&spec["name"])));
        container(spec, status, lines);
        surroundings(shown.pod, spec, lines);
    }
}

fn container(spec: &Value, status: Option<&Value>, lines: &mut Lines) {
    let none = Value::Null;
    let status = status.unwrap_or(&none);
    if status.is_object() {
        lines.pair(2, "Container ID", plain(&status["containerID"]));
    }
    lines.pair(2, "Image", plain(&spec["image"]));
    if status.is_object() {
        lines.pair(2, "Image ID", plain(&status["imageID"]));
    }
    let ports: Vec<String> = each(&spec["ports"])
        .map(|port| port_of(port, "containerPort"))
        .collect();
    let host_ports: Vec<String> = each(&spec["ports"])
        .map(|port| port_of(port, "hostPort"))
        .collect();
    let name = |one: &'static str, many: &'static str| if ports.len() > 1 { many } else { one };
    lines.pair(2, name("Port", "Ports"), joined(&ports));
    lines.pair(2, name("Host Port", "Host Ports"), joined(&host_ports));
    seccomp([2, 3], spec, lines);
    for (title, field) in [("Command", "command"), ("Args", "args")] {
        if each(&spec[field]).next().is_some() {
            lines.plain(2, format!("{title}:"));
            for word in each(&spec[field]) {
                for line in plain(word).lines() {
                    lines.plain(3, line);
                }
            }
        }
    }
    if status.is_object() {
        state("State", &status["state"], lines);
        if status["lastState"]
            .as_object()
            .is_some_and(|last| !last.is_empty())
        {
            state("Last State", &status["lastState"], lines);
        }
        lines.pair(2, "Ready", truth(&status["ready"]));
        let restarts = status["restartCount"].as_i64().unwrap_or(0);
        lines.pair(2, "Restart Count", restarts.to_string());
    }
    for (title, field) in [("Limits", "limits"), ("Requests", "requests")] {
        let amounts = &spec["resources"][field];
        if amounts
            .as_object()
            .is_some_and(|amounts| !amounts.is_empty())
        {
            lines.plain(2, format!("{title}:"));
            for (name, amount) in amounts.as_object().into_iter().flatten() {
                lines.pair(3, name, plain(amount));
            }
        }
    }
    for (title, field) in [
        ("Liveness", "livenessProbe"),
        ("Readiness", "readinessProbe"),
        ("Startup", "startupProbe"),
    ] {
        if spec[field].is_object() {
            lines.pair(2, title, probe(&spec[field]));
        }
    }
}

/// Where it gets variables and files from.
fn surroundings(pod: &Value, spec: &Value, lines: &mut Lines) {
    if each(&spec["envFrom"]).next().is_some() {
        lines.plain(2, "Environment Variables from:");
        each(&spec["envFrom"]).for_each(|from| lines.cells(3, source(from)));
    }
    if each(&spec["env"]).next().is_none() {
        lines.pair(2, "Environment", "<none>");
    } else {
        lines.plain(2, "Environment:");
        for variable in each(&spec["env"]) {
            let mut cells = vec![format!("{}:", plain(&variable["name"]))];
            cells.extend(value(pod, variable));
            lines.cells(3, cells);
        }
    }
    if each(&spec["volumeMounts"]).next().is_none() {
        lines.pair(2, "Mounts", "<none>");
        return;
    }
    lines.plain(2, "Mounts:");
    let mut mounts: Vec<String> = each(&spec["volumeMounts"]).map(mount).collect();
    mounts.sort();
    mounts.into_iter().for_each(|mount| lines.plain(3, mount));
}

fn port_of(port: &Value, field: &str) -> String {
    let protocol = match plain(&port["protocol"]) {
        none if none.is_empty() => "TCP".to_owned(),
        protocol => protocol,
    };
    format!("{}/{protocol}", port[field].as_i64().unwrap_or(0))
}

fn joined(all: &[String]) -> String {
    match all {
        [] => "<none>".to_owned(),
        all => all.join(", "),
    }
}

/// The seccomp profile that a Pod or a container asks for, if it asks for one; the name of its file may stand further in.
pub(super) fn seccomp(depths: [usize; 2], spec: &Value, lines: &mut Lines) {
    let profile = &spec["securityContext"]["seccompProfile"];
    if profile.is_object() {
        lines.pair(depths[0], "SeccompProfile", plain(&profile["type"]));
    }
    if profile["type"] == "Localhost" {
        let file = plain(&profile["localhostProfile"]);
        lines.pair(depths[1], "LocalhostProfile", file);
    }
}

fn state(title: &str, state: &Value, lines: &mut Lines) {
    let said = |lines: &mut Lines, of: &Value, fields: &[(&str, &str)]| {
        for (name, field) in fields {
            if of[*field].is_string() {
                lines.pair(3, name, plain(&of[*field]));
            }
        }
    };
    let (running, waiting, ended) = (&state["running"], &state["waiting"], &state["terminated"]);
    if running.is_object() {
        lines.pair(2, title, "Running");
        lines.pair(3, "Started", moment(&running["startedAt"]));
    } else if ended.is_object() {
        lines.pair(2, title, "Terminated");
        said(
            lines,
            ended,
            &[("Reason", "reason"), ("Message", "message")],
        );
        lines.pair(
            3,
            "Exit Code",
            ended["exitCode"].as_i64().unwrap_or(0).to_string(),
        );
        if let Some(signal) = ended["signal"].as_i64().filter(|signal| *signal > 0) {
            lines.pair(3, "Signal", signal.to_string());
        }
        lines.pair(3, "Started", moment(&ended["startedAt"]));
        lines.pair(3, "Finished", moment(&ended["finishedAt"]));
    } else {
        lines.pair(2, title, "Waiting");
        said(
            lines,
            waiting,
            &[("Reason", "reason"), ("Message", "message")],
        );
    }
}

/// `http-get http://:8080/ready delay=0s timeout=1s period=10s #success=1 #failure=3`
fn probe(probe: &Value) -> String {
    let number = |field: &str| probe[field].as_i64().unwrap_or(0);
    let how = if probe["exec"].is_object() {
        let command: Vec<String> = each(&probe["exec"]["command"]).map(plain).collect();
        format!("exec [{}]", command.join(" "))
    } else if probe["httpGet"].is_object() {
        let get = &probe["httpGet"];
        let scheme = plain(&get["scheme"]).to_lowercase();
        let scheme = if scheme.is_empty() { "http" } else { &scheme };
        format!(
            "http-get {scheme}://{}:{}{}",
            plain(&get["host"]),
            plain(&get["port"]),
            plain(&get["path"])
        )
    } else if probe["tcpSocket"].is_object() {
        let socket = &probe["tcpSocket"];
        format!(
            "tcp-socket {}:{}",
            plain(&socket["host"]),
            plain(&socket["port"])
        )
    } else if probe["grpc"].is_object() {
        let grpc = &probe["grpc"];
        format!(
            "grpc <pod>:{} {}",
            plain(&grpc["port"]),
            plain(&grpc["service"])
        )
    } else {
        "unknown".to_owned()
    };
    format!(
        "{how} delay={}s timeout={}s period={}s #success={} #failure={}",
        number("initialDelaySeconds"),
        number("timeoutSeconds"),
        number("periodSeconds"),
        number("successThreshold"),
        number("failureThreshold"),
    )
}

fn source(source: &Value) -> [String; 3] {
    let (kind, of) = match source["configMapRef"].is_object() {
        true => ("ConfigMap", &source["configMapRef"]),
        false => ("Secret", &source["secretRef"]),
    };
    let prefix = match plain(&source["prefix"]) {
        none if none.is_empty() => none,
        prefix => format!(" with prefix '{prefix}'"),
    };
    let optional = format!("Optional: {}", is_optional(of));
    [plain(&of["name"]), format!("{kind}{prefix}"), optional]
}

fn is_optional(of: &Value) -> bool {
    of["optional"].as_bool().unwrap_or(false)
}

/// A variable's value, or where it comes from.
fn value(pod: &Value, variable: &Value) -> Vec<String> {
    let from = &variable["valueFrom"];
    for (field, kind) in [
        ("configMapKeyRef", "of config map"),
        ("secretKeyRef", "in secret"),
    ] {
        let of = &from[field];
        if of.is_object() {
            let (key, name) = (plain(&of["key"]), plain(&of["name"]));
            let set = format!("<set to the key '{key}' {kind} '{name}'>");
            return vec![set, format!("Optional: {}", is_optional(of))];
        }
    }
    if from["fieldRef"].is_object() {
        let of = &from["fieldRef"];
        let path = plain(&of["fieldPath"]);
        // Only what the object itself says is known here; the rest is known to the container.
        let known = match path.starts_with("metadata.") || path.starts_with("spec.") {
            true => plain(
                pod.pointer(&format!("/{}", path.replace('.', "/")))
                    .unwrap_or(&Value::Null),
            ),
            false => String::new(),
        };
        return vec![format!("{known} ({}:{path})", plain(&of["apiVersion"]))];
    }
    if from["resourceFieldRef"].is_object() {
        return vec![format!(
            "({})",
            plain(&from["resourceFieldRef"]["resource"])
        )];
    }
    vec![plain(&variable["value"]).replace('\n', "\\n")]
}

fn mount(mount: &Value) -> String {
    let mut flags = vec![match mount["readOnly"].as_bool() {
        Some(true) => "ro".to_owned(),
        _ => "rw".to_owned(),
    }];
    if mount["subPath"].is_string() {
        flags.push(format!("path=\"{}\"", plain(&mount["subPath"])));
    }
    let name = plain(&mount["name"]);
    format!(
        "{} from {name} ({})",
        plain(&mount["mountPath"]),
        flags.join(",")
    )
}

/// The pairs of a map in one line.
pub(super) fn in_line(map: &Value) -> String {
    let all = pairs(map, "=");
    match all.is_empty() {
        true => "<none>".to_owned(),
        false => all.join(","),
    }
}
