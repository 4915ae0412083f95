//! In which form does a client want its answer, and in which has it sent its body?

use super::Shape;
use super::query::Query;
use crate::patch;
use crate::table::Include;
use crate::{Failure, Reason};

/// How objects are to be shown: the first of the forms in `Accept` that there is.
pub(super) fn shape(accept: &str, query: &Query) -> Result<Shape, Failure> {
    if accept.trim().is_empty() {
        return Ok(Shape::Object);
    }
    for range in accept.split(',') {
        let (kind, parameters) = parts(range);
        if !matches!(kind.as_str(), "application/json" | "application/*" | "*/*") {
            continue;
        }
        let value = |name: &str| {
            let named = parameters.iter().find(|(key, _)| key == name);
            named.map(|(_, value)| value.as_str())
        };
        let is_known = value("g").is_none_or(|group| group == "meta.k8s.io")
            && value("v").is_none_or(|version| version == "v1");
        match value("as") {
            None => return Ok(Shape::Object),
            Some("Table") if is_known => {
                let include = query.one("includeObject").unwrap_or_default();
                let include = Include::parse(include).ok_or_else(|| {
                    Failure::new(
                        Reason::BadRequest,
                        format!("includeObject: {include:?} is none of None, Metadata and Object"),
                    )
                })?;
                return Ok(Shape::Table(include));
            }
            Some("PartialObjectMetadata" | "PartialObjectMetadataList") if is_known => {
                return Ok(Shape::Metadata);
            }
            Some(_) => {}
        }
    }
    Err(Failure::new(
        Reason::NotAcceptable,
        "only the following media types are accepted: application/json",
    ))
}

/// Whether a body can be read.
pub(super) fn check_body(content_type: &str) -> Result<(), Failure> {
    match parts(content_type).0.as_str() {
        // Which kinds can be read as the last is for `protobuf` to say, when the body is there.
        ""
        | "application/json"
        | "application/yaml"
        | "*/*"
        | "application/vnd.kubernetes.protobuf" => Ok(()),
        _ => Err(Failure::new(
            Reason::UnsupportedMediaType,
            "the body of the request was in an unknown format - accepted media types include: application/json, \
             application/yaml",
        )),
    }
}

/// Which kind of patch a body is.
pub(super) fn patch(content_type: &str) -> Result<patch::Kind, Failure> {
    match parts(content_type).0.as_str() {
        "application/json-patch+json" => Ok(patch::Kind::Json),
        "application/merge-patch+json" => Ok(patch::Kind::Merge),
        "application/strategic-merge-patch+json" => Ok(patch::Kind::Strategic),
        "application/apply-patch+yaml" => Ok(patch::Kind::Apply),
        _ => Err(Failure::new(
            Reason::UnsupportedMediaType,
            "the body of the request was in an unknown format - accepted media types include: \
             application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, \
             application/apply-patch+yaml",
        )),
    }
}

fn parts(range: &str) -> (String, Vec<(String, String)>) {
    let mut parts = range.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
    let parameters = parts
        .filter_map(|part| part.split_once('='))
        .map(|(key, value)| {
            (
                key.trim().to_owned(),
                value.trim().trim_matches('"').to_owned(),
            )
        })
        .collect();
    (kind, parameters)
}
