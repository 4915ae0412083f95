//! In which form were objects asked for, with `-o`?

use serde_json::Value;

use super::columns::{self, Columns, cell};
use super::jsonpath::Template;
use super::yaml;
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
    /// A table whose columns are headers and what is below them.
    Columns(Vec<(String, Template)>),
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
            Some(other) => match other.split_once('=') {
                Some(("jsonpath", template)) => {
                    Form::Path(Template::parse(template).map_err(Failure::say)?)
                }
                Some(("custom-columns", columns)) => Form::Columns(custom(columns)?),
                _ => {
                    return Err(Failure::say(format!(
                        "unable to match a printer suitable for the output format {other:?}, allowed formats are: \
                         custom-columns=HEADER:PATH,…, json, jsonpath=TEMPLATE, name, wide, yaml; kubectl has more"
                    )));
                }
            },
        })
    }

    /// Some objects as a table of custom columns; `columns` remembers how wide they were.
    pub(crate) fn rows<'a>(
        &self,
        objects: impl Iterator<Item = &'a Value>,
        with_headers: bool,
        widths: &mut Columns,
    ) -> String {
        let Form::Columns(columns) = self else {
            return String::new();
        };
        let headers = || columns.iter().map(|(header, _)| header.clone()).collect();
        let mut rows: Vec<Vec<String>> = with_headers.then(headers).into_iter().collect();
        rows.extend(objects.map(|object| {
            let below = |(_, template): &(String, Template)| match template.find(object) {
                found if found.is_empty() => "<none>".to_owned(),
                found => {
                    let found: Vec<String> = found.into_iter().map(cell).collect();
                    found.join(",")
                }
            };
            columns.iter().map(below).collect()
        }));
        widths.rows(&rows)
    }

    /// An object in this form; in that of a table only its name.
    pub(crate) fn text(&self, object: &Value) -> String {
        match self {
            Form::Json => json(object),
            Form::Yaml => yaml::text(object),
            Form::Path(template) => columns::harmless(&template.show(object)),
            Form::Columns(_) => self.rows(std::iter::once(object), true, &mut Columns::default()),
            Form::Name | Form::Table { .. } => format!("{}\n", name(object)),
        }
    }
}

/// Reads `HEADER:PATH,HEADER:PATH`.
fn custom(text: &str) -> Result<Vec<(String, Template)>, Failure> {
    let mut columns = Vec::new();
    for column in text.split(',') {
        let Some((header, path)) = column.split_once(':').filter(|(_, path)| !path.is_empty())
        else {
            return Err(Failure::say(format!(
                "unexpected custom-columns spec: {column:?}, expected <header>:<json-path-expr>"
            )));
        };
        let template = Template::parse(path).map_err(Failure::say)?;
        columns.push((header.to_owned(), template));
    }
    Ok(columns)
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
        assert_eq!(
            text("custom-columns=NAME:.metadata.name,NODE:.spec.nodeName"),
            "NAME   NODE\nweb    <none>\n"
        );
        for bad in [
            "xml",
            "custom-columns=NAME",
            "custom-columns=",
            "go-template={{.x}}",
        ] {
            assert!(Form::parse(Some(bad)).is_err(), "{bad}");
        }
    }
}
