//! In which form were objects asked for, with `-o`?

use serde_json::Value;

use super::jsonpath::Template;
use super::{columns, yaml};
use crate::failure::Failure;

/// A form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Form {
    /// A table.
    Table { is_wide: bool },
    /// JSON
    Json,
    /// YAML
    Yaml,
    /// `pod/web`
    Name,
    /// What a template shows.
    Path(Template),
}

impl Form {
    /// Reads `-o`.
    pub(crate) fn parse(output: Option<&str>) -> Result<Form, Failure> {
        Ok(match output {
            None | Some("") => Form::Table { is_wide: false },
            Some("wide") => Form::Table { is_wide: true },
            Some("json") => Form::Json,
            Some("yaml") => Form::Yaml,
            Some("name") => Form::Name,
            Some(other) => match other.strip_prefix("jsonpath=") {
                Some(template) => Form::Path(Template::parse(template).map_err(Failure::say)?),
                None => {
                    return Err(Failure::say(format!(
                        "unable to match a printer suitable for the output format {other:?}, allowed formats are: \
                         json,jsonpath,name,wide,yaml"
                    )));
                }
            },
        })
    }

    /// An object in this form; in that of a table only its name.
    pub(crate) fn text(&self, object: &Value) -> String {
        match self {
            Form::Json => json(object),
            Form::Yaml => yaml::text(object),
            Form::Path(template) => columns::harmless(&template.show(object)),
            Form::Name | Form::Table { .. } => format!("{}\n", name(object)),
        }
    }
}

/// `pod/web`
pub(crate) fn name(object: &Value) -> String {
    let kind = object["kind"].as_str().unwrap_or_default();
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    format!("{}/{name}", kind.to_ascii_lowercase())
}

/// JSON with kubectl's indentation of four spaces.
fn json(object: &Value) -> String {
    let mut out = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut writer = serde_json::Serializer::with_formatter(&mut out, formatter);
    match serde::Serialize::serialize(object, &mut writer) {
        Ok(()) => format!("{}\n", String::from_utf8_lossy(&out)),
        // Plain values can always be written.
        Err(_) => format!("{object:#}\n"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_is_printed_in_the_form_that_is_asked_for() {
        let pod = json!({ "kind": "Pod", "metadata": { "name": "web" } });
        let text = |form: &str| Form::parse(Some(form)).unwrap().text(&pod);
        assert_eq!(text("name"), "pod/web\n");
        assert_eq!(text("jsonpath={.metadata.name}"), "web");
        assert_eq!(text("yaml"), "kind: Pod\nmetadata:\n  name: web\n");
        assert!(text("json").starts_with("{\n    \"kind\": \"Pod\",\n"));
        assert!(Form::parse(Some("xml")).is_err());
    }
}
