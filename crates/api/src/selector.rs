//! Which objects does a label or field selector choose?

use serde_json::Value;

use crate::{Failure, Reason, Resource};

mod labels;
#[cfg(test)]
mod tests;

pub use labels::Labels;

/// Each of them is looked at for each object.
const MOST_TERMS: usize = 256;

fn too_many_terms(kind: &str) -> Failure {
    let message = format!(
        "a {kind} selector of more than {MOST_TERMS} terms is not carried out: choose by fewer, or by a set of values"
    );
    Failure::new(Reason::BadRequest, message)
}

/// A field selector that was understood.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields {
    terms: Vec<FieldTerm>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct FieldTerm {
    field: String,
    is_equal: bool,
    value: String,
}

impl Fields {
    /// Reads `a=b,c!=d` for a kind of object; in values `\` stands before `,`, `=` and itself.
    ///
    /// # Errors
    /// If it cannot be read, or the kind cannot be chosen by such a field.
    pub fn parse(resource: Resource, text: &str) -> Result<Fields, Failure> {
        let mut terms = Vec::new();
        for part in split(text) {
            let term = term(&part)?;
            let field = canonical(resource, &term.field);
            if !is_known(resource, field) {
                return Err(unknown(resource, &term.field));
            }
            terms.push(FieldTerm {
                field: field.to_owned(),
                ..term
            });
            if terms.len() > MOST_TERMS {
                return Err(too_many_terms("field"));
            }
        }
        Ok(Fields { terms })
    }

    /// Whether it chooses everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// The only name that can be chosen, as `kubectl get NAME --watch` asks for.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.terms
            .iter()
            .find(|term| term.is_equal && term.field == "metadata.name")
            .map(|term| term.value.as_str())
    }

    /// Whether an object is chosen.
    #[must_use]
    pub fn matches(&self, object: &Value) -> bool {
        self.terms
            .iter()
            .all(|term| (value_of(object, &term.field) == term.value) == term.is_equal)
    }
}

/// Parts between commas that have no backslash before them.
fn split(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut is_escaped = false;
    for c in text.chars() {
        match parts.last_mut() {
            Some(_) if c == ',' && !is_escaped => parts.push(String::new()),
            Some(part) => part.push(c),
            None => {}
        }
        is_escaped = c == '\\' && !is_escaped;
    }
    parts.retain(|part| !part.is_empty());
    parts
}

fn term(part: &str) -> Result<FieldTerm, Failure> {
    let bad = |why: &str| {
        Err(Failure::new(
            Reason::BadRequest,
            format!("invalid field selector term {part:?}: {why}"),
        ))
    };
    let Some(at) = part.find(['=', '!']) else {
        return bad("there is no '=', '==' or '!=' in it");
    };
    let (field, rest) = part.split_at(at);
    let (is_equal, value) = if let Some(value) = rest.strip_prefix("!=") {
        (false, value)
    } else if let Some(value) = rest.strip_prefix("==").or_else(|| rest.strip_prefix('=')) {
        (true, value)
    } else {
        return bad("'!' without '='");
    };
    let mut plain = String::new();
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(escaped @ ('\\' | ',' | '=')) => plain.push(escaped),
                Some(other) => return bad(&format!("invalid escape sequence \\{other}")),
                None => return bad("it ends with a backslash"),
            },
            ',' | '=' => return bad("'=' in the value wants a backslash before it"),
            c => plain.push(c),
        }
    }
    Ok(FieldTerm {
        field: field.to_owned(),
        is_equal,
        value: plain,
    })
}

/// Events of `events.k8s.io/v1` are the same objects under other field names.
fn canonical(resource: Resource, field: &str) -> &str {
    match (resource, field) {
        (Resource::Pods, "spec.host") => "spec.nodeName",
        (Resource::Events, "regarding.kind") => "involvedObject.kind",
        (Resource::Events, "regarding.namespace") => "involvedObject.namespace",
        (Resource::Events, "regarding.name") => "involvedObject.name",
        (Resource::Events, "regarding.uid") => "involvedObject.uid",
        (Resource::Events, "regarding.apiVersion") => "involvedObject.apiVersion",
        (Resource::Events, "regarding.resourceVersion") => "involvedObject.resourceVersion",
        (Resource::Events, "regarding.fieldPath") => "involvedObject.fieldPath",
        (Resource::Events, "reportingController") => "reportingComponent",
        (_, field) => field,
    }
}

fn is_known(resource: Resource, field: &str) -> bool {
    let more: &[&str] = match resource {
        Resource::Pods => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.podIPs",
            "status.nominatedNodeName",
        ],
        Resource::Events => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        Resource::Namespaces => &["status.phase"],
        Resource::Secrets => &["type"],
        Resource::Nodes => &["spec.unschedulable"],
        Resource::ConfigMaps | Resource::ServiceAccounts => &[],
    };
    match field {
        "metadata.name" => true,
        "metadata.namespace" => resource.is_namespaced(),
        field => more.contains(&field),
    }
}

fn unknown(resource: Resource, field: &str) -> Failure {
    let message = match resource {
        Resource::ConfigMaps | Resource::ServiceAccounts => format!(
            "{field:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
        ),
        _ => format!("field label not supported: {field}"),
    };
    Failure::new(Reason::BadRequest, message)
}

/// The field's value as text; what is not there is empty, or `false` if it can be true.
fn value_of(object: &Value, field: &str) -> String {
    let pointer = match field {
        "status.podIPs" => "/status/podIPs/0/ip".to_owned(),
        "source" => "/source/component".to_owned(),
        field => format!("/{}", field.replace('.', "/")),
    };
    match object.pointer(&pointer) {
        Some(Value::String(text)) if field == "source" && text.is_empty() => {
            text_at(object, "/reportingComponent")
        }
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => match field {
            "spec.hostNetwork" | "spec.unschedulable" => "false".to_owned(),
            "source" => text_at(object, "/reportingComponent"),
            _ => String::new(),
        },
        Some(other) => other.to_string(),
    }
}

fn text_at(object: &Value, pointer: &str) -> String {
    let text = object.pointer(pointer).and_then(Value::as_str);
    text.unwrap_or_default().to_owned()
}
