//! How is a broken rule written down?

use std::fmt::{self, Debug, Display, Write};

use super::{Invalid, InvalidKind};

/// After so many broken rules the others are only counted.
const MOST: usize = 1_000;
/// So much of a field's path is shown, of a value, and of what is wrong with it.
const PATH_BYTES: usize = 512;
const SHOWN_BYTES: usize = 512;
const DETAIL_BYTES: usize = 1_024;

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
        Field(format!("{}[{}]", self.0, cut(key, PATH_BYTES / 2)))
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
        if self.found.len() >= MOST {
            return self.count();
        }
        let shown = cut(shown, SHOWN_BYTES);
        let detail = cut(detail, DETAIL_BYTES);
        let words = kind.words();
        let message = if detail.is_empty() {
            format!("{words}{shown}")
        } else {
            format!("{words}{shown}: {detail}")
        };
        self.found.push(Invalid {
            path: cut(&at.0, PATH_BYTES),
            kind,
            message,
        });
    }

    /// One more that is not told.
    fn count(&mut self) {
        let more = match self.found.last() {
            Some(Invalid {
                kind: InvalidKind::More(more),
                ..
            }) => {
                let more = more + 1;
                self.found.pop();
                more
            }
            _ => 1,
        };
        self.found.push(Invalid {
            path: String::new(),
            kind: InvalidKind::More(more),
            message: format!("and {more} more"),
        });
    }
}

/// The beginning of a text, of which no more is made than is shown.
fn cut(shown: impl Display, most: usize) -> String {
    struct Cut {
        text: String,
        most: usize,
    }
    impl Write for Cut {
        fn write_str(&mut self, piece: &str) -> fmt::Result {
            let room = self.most - self.text.len();
            if piece.len() <= room {
                self.text.push_str(piece);
                return Ok(());
            }
            let end = (0..=room).rev().find(|at| piece.is_char_boundary(*at));
            self.text.push_str(&piece[..end.unwrap_or(0)]);
            Err(fmt::Error)
        }
    }
    let text = String::new();
    let mut cut = Cut { text, most };
    if write!(cut, "{shown}").is_err() {
        cut.text.push('…');
    }
    cut.text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_any_length_is_told_in_few_words() {
        let mut out = Findings::default();
        let long = "é".repeat(1_000_000);
        out.invalid(&Field::root("a").key(&long), &long, &long);
        let one = &out.found[0];
        assert!(one.path.len() <= PATH_BYTES + 4, "{}", one.path.len());
        assert!(one.message.len() < 2_000, "{}", one.message.len());
        assert!(
            one.message.starts_with("Invalid value: \"éé"),
            "{}",
            one.message
        );
    }

    #[test]
    fn rules_that_are_broken_again_and_again_are_counted() {
        let mut out = Findings::default();
        for _ in 0..MOST + 5_000 {
            out.required(&Field::root("a"), "");
        }
        assert_eq!(out.found.len(), MOST + 1);
        assert_eq!(out.found[MOST].kind, InvalidKind::More(5_000));
        assert_eq!(out.found[MOST].to_string(), "and 5000 more");
    }
}
