//! What went wrong, as Kubernetes says it: a `Status` object with a code, a reason and causes.

use serde_json::{Value, json};

use crate::{Refused, StoreError, Trouble};

/// No more causes than that are told; the others are counted.
const CAUSES: usize = 100;
/// No more of a sentence, of a cause and of a name is told.
const MESSAGE_BYTES: usize = 8 * 1024;
const CAUSE_BYTES: usize = 2 * 1024;
const NAME_BYTES: usize = 512;

/// The beginning of a text that somebody sent, of any length.
fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let end = (0..=most).rev().find(|at| text.is_char_boundary(*at));
    format!("{}…", &text[..end.unwrap_or(0)])
}

/// A request that failed.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// The reason, which also gives the HTTP status.
    pub reason: Reason,
    /// The sentence for people.
    pub message: String,
    /// `details`: the object, the causes. `Null` without.
    pub details: Value,
}

/// One cause of a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// Such as `FieldValueInvalid`.
    pub reason: &'static str,
    /// What is wrong.
    pub message: String,
    /// The field path.
    pub field: String,
}

/// Kubernetes' reasons (`metav1.StatusReason`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each says what Kubernetes says with that word")]
pub enum Reason {
    BadRequest,
    Unauthorized,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    NotAcceptable,
    AlreadyExists,
    Conflict,
    Gone,
    Expired,
    RequestEntityTooLarge,
    UnsupportedMediaType,
    Invalid,
    TooManyRequests,
    InternalError,
    ServiceUnavailable,
    Timeout,
    /// WebDAV's, as Kubernetes has no word for a full disk.
    InsufficientStorage,
}

impl Reason {
    /// The HTTP status.
    #[must_use]
    pub fn code(self) -> u16 {
        match self {
            Reason::BadRequest => 400,
            Reason::Unauthorized => 401,
            Reason::Forbidden => 403,
            Reason::NotFound => 404,
            Reason::MethodNotAllowed => 405,
            Reason::NotAcceptable => 406,
            Reason::AlreadyExists | Reason::Conflict => 409,
            Reason::Gone | Reason::Expired => 410,
            Reason::RequestEntityTooLarge => 413,
            Reason::UnsupportedMediaType => 415,
            Reason::Invalid => 422,
            Reason::TooManyRequests => 429,
            Reason::InternalError => 500,
            Reason::ServiceUnavailable => 503,
            Reason::Timeout => 504,
            Reason::InsufficientStorage => 507,
        }
    }
}

impl Failure {
    /// A failure without details.
    #[must_use]
    pub fn new(reason: Reason, message: impl Into<String>) -> Failure {
        let mut message = message.into();
        if message.len() > MESSAGE_BYTES {
            message = cut(&message, MESSAGE_BYTES);
        }
        Failure {
            reason,
            message,
            details: Value::Null,
        }
    }

    /// `pods "web" not found`
    #[must_use]
    pub fn not_found(plural: &str, name: &str) -> Failure {
        let name = cut(name, NAME_BYTES);
        Failure {
            reason: Reason::NotFound,
            message: format!("{plural} {name:?} not found"),
            details: json!({ "name": name, "kind": plural }),
        }
    }

    /// `pods "web" is forbidden: why`
    #[must_use]
    pub fn forbidden(plural: &str, name: &str, why: &str) -> Failure {
        let name = cut(name, NAME_BYTES);
        let why = cut(why, CAUSE_BYTES);
        Failure {
            reason: Reason::Forbidden,
            message: format!("{plural} {name:?} is forbidden: {why}"),
            details: json!({ "name": name, "kind": plural }),
        }
    }

    /// `pods "web" already exists`
    #[must_use]
    pub fn already_exists(plural: &str, name: &str) -> Failure {
        let name = cut(name, NAME_BYTES);
        Failure {
            reason: Reason::AlreadyExists,
            message: format!("{plural} {name:?} already exists"),
            details: json!({ "name": name, "kind": plural }),
        }
    }

    /// `Operation cannot be fulfilled on pods "web": why`
    #[must_use]
    pub fn conflict(plural: &str, name: &str, why: &str) -> Failure {
        let name = cut(name, NAME_BYTES);
        let why = cut(why, CAUSE_BYTES);
        Failure {
            reason: Reason::Conflict,
            message: format!("Operation cannot be fulfilled on {plural} {name:?}: {why}"),
            details: json!({ "name": name, "kind": plural }),
        }
    }

    /// An object that breaks rules, with a cause for each.
    #[must_use]
    pub fn invalid(kind: &str, name: &str, causes: &[Cause]) -> Failure {
        Failure::invalid_and_more(kind, name, causes, 0)
    }

    /// The same, and `more` causes of which nothing is known but their number.
    #[must_use]
    pub fn invalid_and_more(kind: &str, name: &str, causes: &[Cause], more: usize) -> Failure {
        let (kind, name) = (cut(kind, NAME_BYTES), cut(name, NAME_BYTES));
        let told = &causes[..causes.len().min(CAUSES)];
        let more = more + causes.len() - told.len();
        let mut sentences = Vec::with_capacity(told.len() + 1);
        let mut causes = Vec::with_capacity(told.len());
        for cause in told {
            let message = cut(&cause.message, CAUSE_BYTES);
            let field = cut(&cause.field, CAUSE_BYTES);
            sentences.push(format!("{field}: {message}"));
            causes.push(json!({ "reason": cause.reason, "message": message, "field": field }));
        }
        if more > 0 {
            sentences.push(format!("and {more} more"));
        }
        let all = match sentences.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        Failure {
            reason: Reason::Invalid,
            message: format!("{kind} {name:?} is invalid: {all}"),
            details: json!({ "name": name, "kind": kind, "causes": causes }),
        }
    }

    /// The `Status` object.
    #[must_use]
    pub fn status(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": format!("{:?}", self.reason), "code": self.reason.code(),
        });
        if !self.details.is_null() {
            status["details"] = self.details.clone();
        }
        status
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        let reason = match error.trouble {
            Trouble::Full => Reason::InsufficientStorage,
            Trouble::ReadOnly => Reason::ServiceUnavailable,
            Trouble::Other => Reason::InternalError,
        };
        Failure::new(reason, error.to_string())
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Failure {
        match refused {
            Refused::NotFound(message) => Failure::new(Reason::NotFound, message),
            Refused::BadRequest(message) => Failure::new(Reason::BadRequest, message),
            Refused::Internal(message) => Failure::new(Reason::InternalError, message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_causes_are_told_and_all_are_counted() {
        let cause = Cause {
            reason: "FieldValueInvalid",
            message: "Invalid value: ".to_owned() + &"é".repeat(1_000_000),
            field: "f".repeat(1_000_000),
        };
        let long = "n".repeat(1_000_000);
        let failure = Failure::invalid_and_more("Pod", &long, &vec![cause; 150], 4_850);
        assert!(failure.message.ends_with(", and 4900 more]"));
        assert_eq!(
            failure.details["causes"].as_array().map(Vec::len),
            Some(100)
        );
        let answer = failure.status().to_string();
        assert!(answer.len() < 1024 * 1024, "{}", answer.len());
        for failure in [
            Failure::new(Reason::BadRequest, long.clone()),
            Failure::not_found("pods", &long),
            Failure::forbidden("pods", &long, &long),
            Failure::already_exists("pods", &long),
            Failure::conflict("pods", &long, &long),
        ] {
            let answer = failure.status().to_string();
            assert!(answer.len() < 16 * 1024, "{}", answer.len());
        }
    }
}
