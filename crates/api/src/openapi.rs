//! What do the objects look like? OpenAPI v3, for `kubectl explain` and for the checks before `kubectl apply`.
//!
//! The documents are made when somebody asks for the first time, and lie compressed in memory from then on.

mod operations;
mod schemas;
#[cfg(test)]
mod tests;

use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::discovery::catalog::{GROUPS, Group};
use crate::{Answer, Document, Failure, Reason};

const JSON: &str = "application/json";

/// A document as it is kept.
struct Kept {
    /// Below `/openapi/v3/`.
    path: String,
    /// Changes whenever the document does.
    hash: String,
    gzipped: Arc<[u8]>,
}

/// The document at the steps behind `/openapi`; `None` if there is none.
pub(crate) fn answer(steps: &[&str], accept: &str) -> Option<Answer> {
    static DOCUMENTS: OnceLock<Result<Vec<Kept>, String>> = OnceLock::new();
    let ["v3", path @ ..] = steps else {
        return None;
    };
    if !takes_json(accept) {
        return Some(refused(&Failure::new(
            Reason::NotAcceptable,
            "only the following media types are accepted: application/json",
        )));
    }
    let documents = match DOCUMENTS.get_or_init(build) {
        Ok(documents) => documents,
        Err(problem) => {
            return Some(refused(&Failure::new(
                Reason::InternalError,
                problem.as_str(),
            )));
        }
    };
    if path.is_empty() {
        return Some(index(documents));
    }
    let path = path.join("/");
    let kept = documents.iter().find(|kept| kept.path == path)?;
    let etag = format!("\"{}\"", kept.hash);
    Some(Answer::Document(Document::gzipped(
        JSON,
        etag,
        kept.gzipped.clone(),
    )))
}

/// Whether a client takes JSON; one that takes nothing in particular does.
fn takes_json(accept: &str) -> bool {
    accept.trim().is_empty()
        || accept.split(',').any(|wish| {
            let media_type = wish.split(';').next().unwrap_or_default().trim();
            matches!(media_type, JSON | "application/*" | "*/*")
        })
}

fn refused(failure: &Failure) -> Answer {
    Answer::Object {
        status: failure.reason.code(),
        body: failure.status().into(),
        warnings: Vec::new(),
    }
}

/// Where each group's document is. The hash in the address lets clients keep it as long as it is the same.
fn index(documents: &[Kept]) -> Answer {
    let paths: Map<String, Value> = documents
        .iter()
        .map(|kept| {
            let address = format!("/openapi/v3/{}?hash={}", kept.path, kept.hash);
            (kept.path.clone(), json!({ "serverRelativeURL": address }))
        })
        .collect();
    Answer::Object {
        status: 200,
        body: json!({ "paths": paths }).into(),
        warnings: Vec::new(),
    }
}

fn build() -> Result<Vec<Kept>, String> {
    let mut documents = Vec::new();
    // Nothing that we know the types of is in the others.
    for group in GROUPS.iter().filter(|group| group.name != "metrics.k8s.io") {
        let text = document(group).to_string();
        let hash: String = Sha256::digest(text.as_bytes())
            .iter()
            .map(|byte| format!("{byte:02X}"))
            .collect();
        let gzipped = crate::document::gzip(text.as_bytes()).map_err(|problem| {
            format!(
                "cannot compress the OpenAPI document of {}: {problem}",
                group.path()
            )
        })?;
        documents.push(Kept {
            path: group.path().trim_start_matches('/').to_owned(),
            hash,
            gzipped,
        });
    }
    Ok(documents)
}

fn document(group: &Group) -> Value {
    json!({
        "openapi": "3.0.0",
        "info": { "title": "Outrigger", "version": env!("CARGO_PKG_VERSION") },
        "paths": operations::paths(group),
        "components": { "schemas": schemas::all(group) },
    })
}
