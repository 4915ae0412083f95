//! May I, and who am I? Whoever gets as far as here is the administrator and may do everything.

use serde_json::json;

use super::Answer;
use crate::Failure;
use crate::route::Review;

pub(super) fn answer(review: Review, body: &[u8]) -> Result<Answer, Failure> {
    let asked = super::json_of(body, "reading the review")?;
    let spec = asked.get("spec").cloned().unwrap_or_else(|| json!({}));
    let (group, kind, status) = match review {
        Review::Access => (
            "authorization.k8s.io/v1",
            "SelfSubjectAccessReview",
            json!({ "allowed": true, "reason": "who has the client certificate may do everything" }),
        ),
        Review::Rules => (
            "authorization.k8s.io/v1",
            "SelfSubjectRulesReview",
            json!({
                "resourceRules": [{ "verbs": ["*"], "apiGroups": ["*"], "resources": ["*"] }],
                "nonResourceRules": [{ "verbs": ["*"], "nonResourceURLs": ["*"] }],
                "incomplete": false,
            }),
        ),
        Review::Subject => (
            "authentication.k8s.io/v1",
            "SelfSubjectReview",
            json!({ "userInfo": {
                "username": "outrigger-admin",
                "groups": ["system:masters", "system:authenticated"],
            } }),
        ),
    };
    let mut body = json!({
        "kind": kind, "apiVersion": group, "metadata": { "creationTimestamp": null }, "status": status,
    });
    if review != Review::Subject {
        body["spec"] = spec;
    }
    Ok(Answer::Object {
        status: 201,
        body: body.into(),
        warnings: Vec::new(),
    })
}
