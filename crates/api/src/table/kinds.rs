//! The rows of all kinds but Pods.

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::{age, count, list, or, text};

pub(super) fn config_map(object: &Value, now: Timestamp) -> Value {
    let keys = count(object, "/data") + count(object, "/binaryData");
    json!([text(object, "/metadata/name"), keys, age(object, now)])
}

pub(super) fn secret(object: &Value, now: Timestamp) -> Value {
    let kind = text(object, "/type");
    json!([
        text(object, "/metadata/name"),
        kind,
        count(object, "/data"),
        age(object, now)
    ])
}

pub(super) fn namespace(object: &Value, now: Timestamp) -> Value {
    json!([
        text(object, "/metadata/name"),
        text(object, "/status/phase"),
        age(object, now)
    ])
}

pub(super) fn service_account(object: &Value, now: Timestamp) -> Value {
    json!([
        text(object, "/metadata/name"),
        list(object, "/secrets").len(),
        age(object, now)
    ])
}

pub(super) fn event(event: &Value, now: Timestamp) -> Value {
    let at = |pointer: &str| event.pointer(pointer).and_then(Value::as_str);
    let first = at("/firstTimestamp").or_else(|| at("/eventTime"));
    let in_series = event.get("series").is_some_and(|series| !series.is_null());
    let (last, times) = if in_series {
        (
            at("/series/lastObservedTime"),
            event.pointer("/series/count"),
        )
    } else {
        (at("/lastTimestamp").or(first), event.get("count"))
    };
    let times = match times.and_then(Value::as_i64).unwrap_or_default() {
        0 if !in_series => 1,
        times => times,
    };
    let kind = text(event, "/involvedObject/kind").to_lowercase();
    let target = match text(event, "/involvedObject/name") {
        "" => kind,
        name => format!("{kind}/{name}"),
    };
    let component = or(
        text(event, "/source/component"),
        text(event, "/reportingComponent"),
    );
    let source = match or(
        text(event, "/source/host"),
        text(event, "/reportingInstance"),
    ) {
        "" => component.to_owned(),
        host => format!("{component}, {host}"),
    };
    json!([
        crate::age::since(last, now),
        text(event, "/type"),
        text(event, "/reason"),
        target,
        text(event, "/involvedObject/fieldPath"),
        source,
        text(event, "/message").trim(),
        crate::age::since(first, now),
        times,
        text(event, "/metadata/name"),
    ])
}

pub(super) fn node(node: &Value, now: Timestamp) -> Value {
    let ready = list(node, "/status/conditions")
        .iter()
        .find(|condition| text(condition, "/type") == "Ready");
    let mut status = match ready.map(|condition| text(condition, "/status")) {
        Some("True") => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    }
    .to_owned();
    if node.pointer("/spec/unschedulable") == Some(&Value::Bool(true)) {
        status.push_str(",SchedulingDisabled");
    }
    let address = |kind: &str| {
        let found = list(node, "/status/addresses")
            .iter()
            .find(|address| text(address, "/type") == kind);
        or(
            found.map_or("", |address| text(address, "/address")),
            "<none>",
        )
        .to_owned()
    };
    let info =
        |name: &str| or(text(node, &format!("/status/nodeInfo/{name}")), "<unknown>").to_owned();
    json!([
        text(node, "/metadata/name"),
        status,
        roles(node),
        age(node, now),
        text(node, "/status/nodeInfo/kubeletVersion"),
        address("InternalIP"),
        address("ExternalIP"),
        info("osImage"),
        info("kernelVersion"),
        info("containerRuntimeVersion"),
    ])
}

fn roles(node: &Value) -> String {
    let labels = node.pointer("/metadata/labels").and_then(Value::as_object);
    let mut roles: Vec<&str> = labels
        .into_iter()
        .flatten()
        .filter_map(
            |(key, value)| match key.strip_prefix("node-role.kubernetes.io/") {
                Some(role) if !role.is_empty() => Some(role),
                _ if key == "kubernetes.io/role" => value.as_str().filter(|role| !role.is_empty()),
                _ => None,
            },
        )
        .collect();
    roles.sort_unstable();
    roles.dedup();
    or(&roles.join(","), "<none>").to_owned()
}

pub(super) fn node_metrics(object: &Value) -> Value {
    metrics(object, std::slice::from_ref(object))
}

pub(super) fn pod_metrics(object: &Value) -> Value {
    metrics(object, list(object, "/containers"))
}

fn metrics(object: &Value, parts: &[Value]) -> Value {
    let sum = |name: &str| -> u128 {
        parts
            .iter()
            .map(|part| nano(text(part, &format!("/usage/{name}"))))
            .sum()
    };
    json!([
        text(object, "/metadata/name"),
        format!("{}m", sum("cpu").div_ceil(1_000_000)),
        format!("{}Ki", sum("memory").div_ceil(1_024_000_000_000)),
        text(object, "/window"),
    ])
}

/// A quantity as metrics are written, in billionths; 0 if it is none.
fn nano(quantity: &str) -> u128 {
    let digits = quantity.trim_end_matches(|c: char| !c.is_ascii_digit());
    let factor: u128 = match &quantity[digits.len()..] {
        "n" => 1,
        "u" => 1_000,
        "m" => 1_000_000,
        "Ki" => 1_000_000_000 << 10,
        "Mi" => 1_000_000_000 << 20,
        "Gi" => 1_000_000_000 << 30,
        _ => 1_000_000_000,
    };
    digits
        .parse::<u128>()
        .map_or(0, |number| number.saturating_mul(factor))
}
