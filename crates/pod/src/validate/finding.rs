//! How is a broken rule written down?

use std::fmt::{Debug, Display};

use super::{Invalid, InvalidKind};

/// A field's path from the manifest's root.
#[derive(Debug, Clone)]
pub(crate) struct Field(String);

impl Field {
    pub(crate) fn root(name: &str) -> Field {
        Field(name.to_owned())
    }

    /// As Kubernetes spells it.
    pub(crate) fn path(&self) -> &str {
        &self.0
    }

    /// `a` becomes `a.name`.
    pub(crate) fn child(&self, name: &str) -> Field {
        Field(format!("{}.{name}", self.0))
    }

    /// `a` becomes `a[3]`.
    pub(crate) fn index(&self, index: usize) -> Field {
        Field(format!("{}[{index}]", self.0))
    }

    /// `a` becomes `a[key]`.
    pub(crate) fn key(&self, key: impl Display) -> Field {
        Field(format!("{}[{key}]", self.0))
    }
}

/// What was found so far.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) found: Vec<Invalid>,
}

impl Findings {
    /// A field that must be there is missing or empty.
    pub(crate) fn required(&mut self, at: &Field, detail: impl Display) {
        self.add(at, InvalidKind::Required, "", detail);
    }

    /// A value breaks a rule.
    pub(crate) fn invalid(&mut self, at: &Field, value: impl Debug, detail: impl Display) {
        self.add(
            at,
            InvalidKind::Invalid,
            format_args!(": {value:?}"),
            detail,
        );
    }

    /// A whole object breaks a rule; it is shown as JSON.
    pub(crate) fn invalid_object(
        &mut self,
        at: &Field,
        value: &impl serde::Serialize,
        detail: &str,
    ) {
        let shown = serde_json::to_string(value).unwrap_or_default();
        self.add(at, InvalidKind::Invalid, format_args!(": {shown}"), detail);
    }

    /// Each of these problems of one value.
    pub(crate) fn each(&mut self, at: &Field, value: &str, problems: Vec<String>) {
        for problem in problems {
            self.invalid(at, value, problem);
        }
    }

    /// A value is none of those allowed.
    pub(crate) fn one_of(&mut self, at: &Field, value: &str, allowed: &[&str]) {
        if !allowed.contains(&value) {
            let quoted: Vec<String> = allowed.iter().map(|word| format!("{word:?}")).collect();
            self.add(
                at,
                InvalidKind::NotSupported,
                format_args!(": {value:?}"),
                format_args!("supported values: {}", quoted.join(", ")),
            );
        }
    }

    /// As [`Findings::one_of`], for a field that may be missing.
    pub(crate) fn maybe_one_of(&mut self, at: &Field, value: Option<&str>, allowed: &[&str]) {
        if let Some(value) = value {
            self.one_of(at, value, allowed);
        }
    }

    /// As [`Findings::one_of`], for a field that must be there.
    pub(crate) fn required_one_of(&mut self, at: &Field, value: Option<&str>, allowed: &[&str]) {
        match value {
            None | Some("") => self.required(at, ""),
            Some(value) => self.one_of(at, value, allowed),
        }
    }

    /// A field may not be set here.
    pub(crate) fn forbidden(&mut self, at: &Field, detail: impl Display) {
        self.add(at, InvalidKind::Forbidden, "", detail);
    }

    /// A value that must be unique occurs again.
    pub(crate) fn duplicate(&mut self, at: &Field, value: impl Debug) {
        self.add(at, InvalidKind::Duplicate, format_args!(": {value:?}"), "");
    }

    /// A value refers to something that is not there.
    pub(crate) fn not_found(&mut self, at: &Field, value: &str) {
        self.add(at, InvalidKind::NotFound, format_args!(": {value:?}"), "");
    }

    /// A list is too long.
    pub(crate) fn too_many(&mut self, at: &Field, count: usize, most: usize) {
        if count > most {
            self.add(
                at,
                InvalidKind::TooMany,
                format_args!(": {count}"),
                format_args!("must have at most {most} items"),
            );
        }
    }

    /// A text is too long.
    pub(crate) fn too_long(&mut self, at: &Field, most: usize) {
        self.add(
            at,
            InvalidKind::TooLong,
            "",
            format_args!("may not be more than {most} bytes"),
        );
    }

    /// A number lies outside its bounds.
    pub(crate) fn between(&mut self, at: &Field, value: i64, (least, most): (i64, i64)) {
        if !(least..=most).contains(&value) {
            self.invalid(
                at,
                value,
                format_args!("must be between {least} and {most}, inclusive"),
            );
        }
    }

    fn add(&mut self, at: &Field, kind: InvalidKind, shown: impl Display, detail: impl Display) {
        let detail = detail.to_string();
        let words = kind.words();
        let message = if detail.is_empty() {
            format!("{words}{shown}")
        } else {
            format!("{words}{shown}: {detail}")
        };
        self.found.push(Invalid {
            path: at.0.clone(),
            kind,
            message,
        });
    }
}
