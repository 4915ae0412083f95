//! The row of a Pod: one word for the state of all its containers, its restarts, how many are ready.

#[cfg(test)]
mod tests;

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::{age, list, or, text};

/// The cells, in the order of the columns.
pub(super) fn cells(pod: &Value, now: Timestamp) -> Value {
    let told = tell(pod);
    let restarts = match told.restarts.last {
        Some(last) if told.restarts.count > 0 => {
            let seconds = now.duration_since(last).as_secs();
            format!(
                "{} ({} ago)",
                told.restarts.count,
                crate::age::human(seconds)
            )
        }
        _ => told.restarts.count.to_string(),
    };
    json!([
        text(pod, "/metadata/name"),
        format!("{}/{}", told.ready, told.total),
        told.word,
        restarts,
        age(pod, now),
        or(text(pod, "/status/podIPs/0/ip"), "<none>"),
        or(text(pod, "/spec/nodeName"), "<none>"),
        or(text(pod, "/status/nominatedNodeName"), "<none>"),
        gates(pod),
    ])
}

/// The condition of the row of a Pod that has finished.
pub(super) fn row_condition(pod: &Value) -> Option<Value> {
    let message = match text(pod, "/status/phase") {
        "Succeeded" => "The pod has completed successfully.",
        "Failed" => "The pod failed.",
        _ => return None,
    };
    Some(json!({
        "type": "Completed", "status": "True", "reason": text(pod, "/status/phase"), "message": message,
    }))
}

/// What the first columns say.
struct Told {
    ready: usize,
    total: usize,
    word: String,
    restarts: Restarts,
}

/// How often containers were restarted, and when the last of their ends before that was.
#[derive(Default)]
struct Restarts {
    count: i64,
    last: Option<Timestamp>,
}

impl Restarts {
    fn add(&mut self, status: &Value) {
        self.count += status
            .get("restartCount")
            .and_then(Value::as_i64)
            .unwrap_or_default();
        let ended = text(status, "/lastState/terminated/finishedAt")
            .parse()
            .ok();
        self.last = self.last.max(ended);
    }
}

fn tell(pod: &Value) -> Told {
    let gated = list(pod, "/status/conditions").iter().any(|condition| {
        text(condition, "/type") == "PodScheduled"
            && text(condition, "/reason") == "SchedulingGated"
    });
    let phase = text(pod, "/status/phase");
    let mut told = Told {
        ready: 0,
        total: list(pod, "/spec/containers").len(),
        word: or(text(pod, "/status/reason"), phase).to_owned(),
        restarts: Restarts::default(),
    };
    if gated {
        "SchedulingGated".clone_into(&mut told.word);
    }
    let (initializing, staying) = tell_init(pod, &mut told);
    if !initializing || is_true(pod, "Initialized") {
        // What ran to its end before the start is over and done; what stays still counts.
        told.restarts = staying;
        tell_main(pod, &mut told);
    }
    if pod
        .pointer("/metadata/deletionTimestamp")
        .is_some_and(|at| !at.is_null())
    {
        if text(pod, "/status/reason") == "NodeLost" {
            "Unknown".clone_into(&mut told.word);
        } else if !matches!(phase, "Succeeded" | "Failed") {
            "Terminating".clone_into(&mut told.word);
        }
    }
    told
}

/// Init containers up to the first that is not done: whether there is one, and the restarts of those that stay.
fn tell_init(pod: &Value, told: &mut Told) -> (bool, Restarts) {
    let specs = list(pod, "/spec/initContainers");
    let stays = |name: &str| {
        specs
            .iter()
            .any(|spec| text(spec, "/name") == name && text(spec, "/restartPolicy") == "Always")
    };
    told.total += specs
        .iter()
        .filter(|spec| text(spec, "/restartPolicy") == "Always")
        .count();
    let mut staying = Restarts::default();
    for (index, status) in list(pod, "/status/initContainerStatuses")
        .iter()
        .enumerate()
    {
        let stays = stays(text(status, "/name"));
        told.restarts.add(status);
        if stays {
            staying.add(status);
        }
        let ended = status
            .pointer("/state/terminated")
            .filter(|ended| !ended.is_null());
        if ended.is_some_and(|ended| exit_code(ended) == 0) {
            continue;
        }
        if stays && status.get("started") == Some(&Value::Bool(true)) {
            told.ready += usize::from(is_ready(status));
            continue;
        }
        let waiting = text(status, "/state/waiting/reason");
        told.word = match ended {
            Some(ended) => format!("Init:{}", end_word(ended)),
            None if !waiting.is_empty() && waiting != "PodInitializing" => {
                format!("Init:{waiting}")
            }
            None => format!("Init:{index}/{}", specs.len()),
        };
        return (true, staying);
    }
    (false, staying)
}

/// The main containers: the first in the Pod that has something to say gives the word.
fn tell_main(pod: &Value, told: &mut Told) {
    let mut one_runs = false;
    for status in list(pod, "/status/containerStatuses").iter().rev() {
        told.restarts.add(status);
        let waiting = text(status, "/state/waiting/reason");
        let ended = status
            .pointer("/state/terminated")
            .filter(|ended| !ended.is_null());
        if !waiting.is_empty() {
            waiting.clone_into(&mut told.word);
        } else if let Some(ended) = ended {
            told.word = end_word(ended);
        } else if is_ready(status)
            && status
                .pointer("/state/running")
                .is_some_and(|state| !state.is_null())
        {
            one_runs = true;
            told.ready += 1;
        }
    }
    // One that is done does not make the Pod done while others run.
    if told.word == "Completed" && one_runs {
        let word = if is_true(pod, "Ready") {
            "Running"
        } else {
            "NotReady"
        };
        word.clone_into(&mut told.word);
    }
}

fn end_word(ended: &Value) -> String {
    let signal = ended
        .get("signal")
        .and_then(Value::as_i64)
        .unwrap_or_default();
    match text(ended, "/reason") {
        "" if signal != 0 => format!("Signal:{signal}"),
        "" => format!("ExitCode:{}", exit_code(ended)),
        reason => reason.to_owned(),
    }
}

fn exit_code(ended: &Value) -> i64 {
    ended
        .get("exitCode")
        .and_then(Value::as_i64)
        .unwrap_or_default()
}

fn is_ready(status: &Value) -> bool {
    status.get("ready") == Some(&Value::Bool(true))
}

fn is_true(pod: &Value, kind: &str) -> bool {
    list(pod, "/status/conditions")
        .iter()
        .any(|condition| text(condition, "/type") == kind && text(condition, "/status") == "True")
}

fn gates(pod: &Value) -> String {
    let gates = list(pod, "/spec/readinessGates");
    if gates.is_empty() {
        return "<none>".to_owned();
    }
    let open = gates
        .iter()
        .filter(|gate| is_true(pod, text(gate, "/conditionType")))
        .count();
    format!("{open}/{}", gates.len())
}
