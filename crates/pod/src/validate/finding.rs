//! How is a broken rule written down?

use std::fmt::{Debug, Display};

use super::Invalid;

/// A field's path from the manifest's root.
#[derive(Debug, Clone)]
pub(super) struct Field(String);

impl Field {
    pub(super) fn root(name: &str) -> Field {
        Field(name.to_owned())
    }

    /// `a` becomes `a.name`.
    pub(super) fn child(&self, name: &str) -> Field {
        Field(format!("{}.{name}", self.0))
    }

    /// `a` becomes `a[3]`.
    pub(super) fn index(&self, index: usize) -> Field {
        Field(format!("{}[{index}]", self.0))
    }

    /// `a` becomes `a[key]`.
    pub(super) fn key(&self, key: impl Display) -> Field {
        Field(format!("{}[{key}]", self.0))
    }
}

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) found: Vec<Invalid>,
}

impl Findings {
    /// A field that must be there is missing or empty.
    pub(super) fn required(&mut self, at: &Field, detail: impl Display) {
        self.add(at, "Required value".to_owned(), detail);
    }

    /// A value breaks a rule.
    pub(super) fn invalid(&mut self, at: &Field, value: impl Debug, detail: impl Display) {
        self.add(at, format!("Invalid value: {value:?}"), detail);
    }

    /// A whole object breaks a rule; it is shown as JSON.
    pub(super) fn invalid_object(
        &mut self,
        at: &Field,
        value: &impl serde::Serialize,
        detail: &str,
    ) {
        let shown = serde_json::to_string(value).unwrap_or_default();
        self.add(at, format!("Invalid value: {shown}"), detail);
    }

    /// Each of these problems of one value.
    pub(super) fn each(&mut self, at: &Field, value: &str, problems: Vec<String>) {
        for problem in problems {
            self.invalid(at, value, problem);
        }
    }

    /// A value is none of those allowed.
    pub(super) fn one_of(&mut self, at: &Field, value: &str, allowed: &[&str]) {
        if !allowed.contains(&value) {
            let quoted: Vec<String> = allowed.iter().map(|word| format!("{word:?}")).collect();
            let message = format!("Unsupported value: {value:?}");
            self.add(
                at,
                message,
                format_args!("supported values: {}", quoted.join(", ")),
            );
        }
    }

    /// As [`Findings::one_of`], for a field that may be missing.
    pub(super) fn maybe_one_of(&mut self, at: &Field, value: Option<&str>, allowed: &[&str]) {
        if let Some(value) = value {
            self.one_of(at, value, allowed);
        }
    }

    /// As [`Findings::one_of`], for a field that must be there.
    pub(super) fn required_one_of(&mut self, at: &Field, value: Option<&str>, allowed: &[&str]) {
        match value {
            None | Some("") => self.required(at, ""),
            Some(value) => self.one_of(at, value, allowed),
        }
    }

    /// A field may not be set here.
    pub(super) fn forbidden(&mut self, at: &Field, detail: impl Display) {
        self.add(at, "Forbidden".to_owned(), detail);
    }

    /// A value that must be unique occurs again.
    pub(super) fn duplicate(&mut self, at: &Field, value: impl Debug) {
        self.add(at, format!("Duplicate value: {value:?}"), "");
    }

    /// A value refers to something that is not there.
    pub(super) fn not_found(&mut self, at: &Field, value: &str) {
        self.add(at, format!("Not found: {value:?}"), "");
    }

    /// A list is too long.
    pub(super) fn too_many(&mut self, at: &Field, count: usize, most: usize) {
        if count > most {
            self.add(
                at,
                format!("Too many: {count}"),
                format_args!("must have at most {most} items"),
            );
        }
    }

    /// A text is too long.
    pub(super) fn too_long(&mut self, at: &Field, most: usize) {
        self.add(
            at,
            "Too long".to_owned(),
            format_args!("may not be more than {most} bytes"),
        );
    }

    /// A number lies outside its bounds.
    pub(super) fn between(&mut self, at: &Field, value: i64, (least, most): (i64, i64)) {
        if !(least..=most).contains(&value) {
            self.invalid(
                at,
                value,
                format_args!("must be between {least} and {most}, inclusive"),
            );
        }
    }

    fn add(&mut self, at: &Field, kind: String, detail: impl Display) {
        let detail = detail.to_string();
        let message = if detail.is_empty() {
            kind
        } else {
            format!("{kind}: {detail}")
        };
        self.found.push(Invalid {
            path: at.0.clone(),
            message,
        });
    }
}
