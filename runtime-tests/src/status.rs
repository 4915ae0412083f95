//! What does the status file say? Short sentences out of the Pod's JSON, to compare and to show.

use serde_json::Value;

fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    value.pointer(path).and_then(Value::as_str).unwrap_or("")
}

/// `status.phase`, and `status.reason` behind it if there is one.
#[must_use]
pub fn phase(pod: &Value) -> String {
    let (phase, reason) = (text(pod, "/status/phase"), text(pod, "/status/reason"));
    format!("{phase} {reason}").trim_end().to_string()
}

/// `TYPE STATUS REASON` of each condition.
#[must_use]
pub fn conditions(pod: &Value) -> Vec<String> {
    let all = pod.pointer("/status/conditions").and_then(Value::as_array);
    let one = |each: &Value| {
        let line = format!(
            "{} {} {}",
            text(each, "/type"),
            text(each, "/status"),
            text(each, "/reason")
        );
        line.trim_end().to_string()
    };
    all.into_iter().flatten().map(one).collect()
}

fn statuses(pod: &Value) -> impl Iterator<Item = &Value> {
    ["/status/initContainerStatuses", "/status/containerStatuses"]
        .into_iter()
        .filter_map(|list| pod.pointer(list).and_then(Value::as_array))
        .flatten()
}

/// One sentence for each container: `main: terminated Completed 0; last none; restarts 0; ready no;
/// started no`.
#[must_use]
pub fn containers(pod: &Value) -> Vec<String> {
    let one = |each: &Value| {
        let word = |field: &str| {
            if each[field].as_bool() == Some(true) {
                "yes"
            } else {
                "no"
            }
        };
        format!(
            "{}: {}; last {}; restarts {}; ready {}; started {}",
            text(each, "/name"),
            state(&each["state"]),
            state(&each["lastState"]),
            each["restartCount"].as_u64().unwrap_or(0),
            word("ready"),
            word("started"),
        )
    };
    statuses(pod).map(one).collect()
}

fn state(state: &Value) -> String {
    if let Some(ended) = state.get("terminated") {
        let code = ended["exitCode"].as_i64().unwrap_or(-1);
        return format!("terminated {} {code}", text(ended, "/reason"));
    }
    if let Some(waiting) = state.get("waiting") {
        return format!("waiting {}", text(waiting, "/reason"))
            .trim_end()
            .to_string();
    }
    if state.get("running").is_some() {
        "running".into()
    } else {
        "none".into()
    }
}

/// The message of a container's current state.
#[must_use]
pub fn message(pod: &Value, container: &str) -> String {
    let found = statuses(pod).find(|each| text(each, "/name") == container);
    let states = found.and_then(|each| each["state"].as_object());
    let message = states
        .and_then(|states| states.values().next())
        .map(|state| text(state, "/message"));
    message.unwrap_or("").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_one_sentence() {
        let pod = serde_json::json!({"status": {"phase": "Failed", "reason": "DeadlineExceeded",
            "containerStatuses": [{"name": "main", "ready": false, "started": true, "restartCount": 2,
                "state": {"terminated": {"exitCode": 3, "reason": "Error", "message": "bye"}}, "lastState": {}}]}});
        assert_eq!(phase(&pod), "Failed DeadlineExceeded");
        assert_eq!(
            containers(&pod),
            ["main: terminated Error 3; last none; restarts 2; ready no; started yes"]
        );
        assert_eq!(message(&pod, "main"), "bye");
    }
}
