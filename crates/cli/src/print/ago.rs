//! How long ago was that, in kubectl's words?

use std::time::{SystemTime, UNIX_EPOCH};

use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

/// The time of this machine's clock.
pub(crate) fn now() -> Timestamp {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = since_1970
        .ok()
        .and_then(|since| i64::try_from(since.as_secs()).ok());
    let moment = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
    // A clock that stands before 1970 tells nothing.
    moment.unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Time since a moment in RFC 3339, such as `5d3h`.
pub(crate) fn since(moment: &Value, now: Timestamp) -> String {
    outrigger_api::age::since(moment.as_str(), now)
}

/// When an Event was seen last, and how often: `5s`, or `5s (x3 over 2m)`.
pub(crate) fn event(event: &Value, now: Timestamp) -> String {
    let series = &event["series"];
    let last = [
        &series["lastObservedTime"],
        &event["lastTimestamp"],
        &event["eventTime"],
        &event["metadata"]["creationTimestamp"],
    ];
    let first = [
        &event["firstTimestamp"],
        &event["eventTime"],
        &event["metadata"]["creationTimestamp"],
    ];
    let last = last.into_iter().find(|moment| moment.is_string());
    let first = first.into_iter().find(|moment| moment.is_string());
    let ago = |moment: Option<&Value>| since(moment.unwrap_or(&Value::Null), now);
    let count = series["count"].as_i64().or_else(|| event["count"].as_i64());
    match count {
        Some(count) if count > 1 => format!("{} (x{count} over {})", ago(last), ago(first)),
        _ => ago(last),
    }
}

/// The moment by which Events are sorted.
pub(crate) fn order(event: &Value) -> Option<Timestamp> {
    let moments = [
        &event["series"]["lastObservedTime"],
        &event["lastTimestamp"],
        &event["eventTime"],
        &event["metadata"]["creationTimestamp"],
    ];
    moments
        .into_iter()
        .find_map(|moment| moment.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_that_came_again_says_how_often() {
        let now: Timestamp = "2026-01-01T00:10:00Z".parse().unwrap();
        let mut object = json!({
            "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:09:55Z", "count": 1,
        });
        assert_eq!(event(&object, now), "5s");
        object["count"] = 3.into();
        assert_eq!(event(&object, now), "5s (x3 over 10m)");
    }
}
