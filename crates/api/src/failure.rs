//! What went wrong, as Kubernetes says it: a `Status` object with a code, a reason and causes.

use serde_json::{Value, json};

use crate::{Refused, StoreError};

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
        }
    }
}

impl Failure {
    /// A failure without details.
    #[must_use]
    pub fn new(reason: Reason, message: impl Into<String>) -> Failure {
        Failure {
            reason,
            message: message.into(),
            details: Value::Null,
        }
    }

    /// `pods "web" not found`
    #[must_use]
    pub fn not_found(plural: &str, name: &str) -> Failure {
        Failure {
            reason: Reason::NotFound,
            message: format!("{plural} {name:?} not found"),
            details: json!({ "name": name, "kind": plural }),
        }
    }

    /// `pods "web" is forbidden: why`
    #[must_use]
    pub fn forbidden(plural: &str, name: &str, why: &str) -> Failure {
        Failure {
            reason: Reason::Forbidden,
            message: format!("{plural} {name:?} is forbidden: {why}"),
            details: json!({ "name": name, "kind": plural }),
        }
    }

    /// `pods "web" already exists`
    #[must_use]
    pub fn already_exists(plural: &str, name: &str) -> Failure {
        Failure {
            reason: Reason::AlreadyExists,
            message: format!("{plural} {name:?} already exists"),
            details: json!({ "name": name, "kind": plural }),
        }
    }

    /// `Operation cannot be fulfilled on pods "web": why`
    #[must_use]
    pub fn conflict(plural: &str, name: &str, why: &str) -> Failure {
        Failure {
            reason: Reason::Conflict,
            message: format!("Operation cannot be fulfilled on {plural} {name:?}: {why}"),
            details: json!({ "name": name, "kind": plural }),
        }
    }

    /// An object that breaks rules, with a cause for each.
    #[must_use]
    pub fn invalid(kind: &str, name: &str, causes: &[Cause]) -> Failure {
        let sentences: Vec<String> = causes
            .iter()
            .map(|cause| format!("{}: {}", cause.field, cause.message))
            .collect();
        let all = match sentences.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let causes: Vec<Value> = causes
            .iter()
            .map(|cause| json!({ "reason": cause.reason, "message": cause.message, "field": cause.field }))
            .collect();
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
        Failure::new(Reason::InternalError, error.to_string())
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
