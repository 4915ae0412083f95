//! What does a person read when the API says no? What kubectl would have said.

use hyper::StatusCode;
use serde_json::Value;

use crate::failure::Failure;

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The API's `Status`.
    Status(Value),
    /// It did not come to an answer.
    Ours(Failure),
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Refusal {
        Refusal::Ours(failure)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        match refusal {
            Refusal::Status(status) => Failure(words(&status)),
            Refusal::Ours(failure) => failure,
        }
    }
}

impl Refusal {
    /// What came instead of an answer.
    pub(super) fn read(code: StatusCode, body: &[u8]) -> Refusal {
        match serde_json::from_slice::<Value>(body) {
            Ok(status) if status["kind"] == "Status" => Refusal::Status(status),
            _ => {
                let text = String::from_utf8_lossy(body);
                let text = match text.trim() {
                    "" => code.to_string(),
                    text => text.to_owned(),
                };
                Refusal::Ours(Failure::say(text))
            }
        }
    }

    /// Whether what was asked for is not there.
    pub(crate) fn is_not_found(&self) -> bool {
        self.reason() == Some("NotFound")
    }

    /// Whether somebody else was faster.
    pub(crate) fn is_conflict(&self) -> bool {
        self.reason() == Some("Conflict")
    }

    /// Kubernetes' word for it.
    pub(crate) fn reason(&self) -> Option<&str> {
        match self {
            Refusal::Status(status) => status["reason"].as_str(),
            Refusal::Ours(_) => None,
        }
    }

    /// The same, with what was tried on which file.
    pub(crate) fn when(self, doing: &str) -> Refusal {
        match self {
            Refusal::Status(mut status) => {
                let message = status["message"].as_str().unwrap_or_default();
                status["message"] = format!("{doing}: {message}").into();
                Refusal::Status(status)
            }
            ours @ Refusal::Ours(_) => ours,
        }
    }
}

/// A `Status` in kubectl's words.
pub(super) fn words(status: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (reason, message) = (text(&status["reason"]), text(&status["message"]));
    let details = &status["details"];
    let causes = details["causes"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    if reason == "Invalid" && !causes.is_empty() {
        let what = match (text(&details["kind"]), text(&details["name"])) {
            (kind, _) if kind.is_empty() => "The request is invalid".to_owned(),
            (kind, name) => format!("The {kind} {name:?} is invalid"),
        };
        let causes: Vec<String> = causes
            .iter()
            .map(|cause| match text(&cause["field"]) {
                field if field.is_empty() => text(&cause["message"]),
                field => format!("{field}: {}", text(&cause["message"])),
            })
            .collect();
        return match causes.as_slice() {
            [one] => format!("{what}: {one}"),
            many => format!("{what}: \n* {}", many.join("\n* ")),
        };
    }
    if reason.is_empty() {
        return format!("Error from server: {message}");
    }
    format!("Error from server ({reason}): {message}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::words;

    #[test]
    fn a_status_is_said_as_kubectl_says_it() {
        let missing = json!({ "reason": "NotFound", "message": "pods \"x\" not found" });
        assert_eq!(
            words(&missing),
            "Error from server (NotFound): pods \"x\" not found"
        );
        let cause = |field: &str, message: &str| json!({ "field": field, "message": message });
        let invalid = |causes: Vec<serde_json::Value>| json!({ "reason": "Invalid", "message": "…", "details": { "kind": "Pod", "name": "web", "causes": causes } });
        assert_eq!(
            words(&invalid(vec![cause("spec.a", "Required value")])),
            "The Pod \"web\" is invalid: spec.a: Required value"
        );
        let two = vec![
            cause("spec.a", "Required value"),
            cause("spec.b", "Forbidden"),
        ];
        assert_eq!(
            words(&invalid(two)),
            "The Pod \"web\" is invalid: \n* spec.a: Required value\n* spec.b: Forbidden"
        );
    }
}
