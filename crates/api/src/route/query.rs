//! What does a query say? Everything in it is checked here.

use outrigger_pod::admission::FieldValidation;

use crate::selector::{Fields, Labels};
use crate::{Cause, Failure, Reason, Resource};

/// A watch ends by itself after this time if the client names none: 30 to 60 minutes on a cluster.
const WATCH_S: u64 = 30 * 60;
/// And after this one in any case.
const WATCH_MOST_S: u64 = 24 * 3_600;

/// Which objects of a kind, and of what time.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// The kind.
    pub resource: Resource,
    /// In one namespace or in all.
    pub namespace: Option<String>,
    /// Only this one.
    pub name: Option<String>,
    /// Only those with such labels.
    pub labels: Labels,
    /// Only those with such fields.
    pub fields: Fields,
    /// `resourceVersion`; `None` for the newest.
    pub version: Option<u64>,
    /// How old the answer may be.
    pub version_match: Match,
    /// No more than so many at once.
    pub limit: Option<usize>,
    /// Where the answer before ended.
    pub after: Option<String>,
    /// When a watch ends.
    pub timeout_s: u64,
    /// Whether a watch says from time to time how far it has come.
    pub bookmarks: bool,
    /// Whether a watch begins with all there is, and says when that was all.
    pub initial_events: bool,
}

/// `resourceVersionMatch`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// Nothing is said.
    Unset,
    /// At least of that version.
    NotOlderThan,
    /// Of that version.
    Exact,
}

/// How to take a new state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WriteOptions {
    /// Check everything and write nothing.
    pub dry_run: bool,
    /// What to do about unknown fields.
    pub validation: FieldValidation,
    /// Who says so.
    pub manager: String,
}

/// How to delete.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeleteOptions {
    /// `gracePeriodSeconds`
    pub grace_s: Option<i64>,
    /// Check everything and delete nothing.
    pub dry_run: bool,
    /// `preconditions.uid`
    pub uid: Option<String>,
    /// `preconditions.resourceVersion`
    pub version: Option<String>,
}

/// The pairs of a query.
#[derive(Debug, Clone, Default)]
pub(super) struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    pub(super) fn read(text: &str) -> Result<Query, Failure> {
        let mut pairs = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            pairs.push((decode(key, true)?, decode(value, true)?));
        }
        Ok(Query { pairs })
    }

    /// The same, but for a path that is a watch by itself.
    pub(super) fn watching(&self) -> Query {
        let mut pairs = self.pairs.clone();
        pairs.insert(0, ("watch".to_owned(), "1".to_owned()));
        Query { pairs }
    }

    pub(super) fn one(&self, name: &str) -> Option<&str> {
        let pair = self.pairs.iter().find(|(key, _)| key == name);
        pair.map(|(_, value)| value.as_str())
    }

    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs
            .iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// What is there is true, but for the words of no.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.one(name)
            .is_some_and(|value| !matches!(value.to_ascii_lowercase().as_str(), "0" | "false"))
    }

    /// A whole number, if there is something.
    pub(super) fn number(&self, name: &str) -> Result<Option<i64>, Failure> {
        match self.one(name) {
            None | Some("") => Ok(None),
            Some(text) => text.parse().map(Some).map_err(|_| {
                Failure::new(
                    Reason::BadRequest,
                    format!("{name}: {text:?} is not a whole number"),
                )
            }),
        }
    }

    pub(super) fn is_watch(&self) -> bool {
        self.flag("watch")
    }

    pub(super) fn listed(
        &self,
        resource: Resource,
        namespace: Option<String>,
    ) -> Result<Listed, Failure> {
        let version = self.version()?;
        let version_match = self.version_match()?;
        let is_watch = self.is_watch();
        let initial_events = self.flag("sendInitialEvents");
        let forbidden =
            |field: &str, why: &str| Err(wrong("ListOptions", field, "FieldValueForbidden", why));
        if initial_events && !is_watch {
            return forbidden(
                "sendInitialEvents",
                "Forbidden: sendInitialEvents is forbidden for list",
            );
        }
        if initial_events && version_match != Match::NotOlderThan {
            return forbidden(
                "resourceVersionMatch",
                "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
            );
        }
        if is_watch && !initial_events && version_match != Match::Unset {
            return forbidden(
                "resourceVersionMatch",
                "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
            );
        }
        let after = self.one("continue").filter(|token| !token.is_empty());
        if !is_watch && version_match != Match::Unset {
            if self.one("resourceVersion").is_none_or(str::is_empty) {
                return forbidden(
                    "resourceVersionMatch",
                    "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided",
                );
            }
            if after.is_some() {
                return forbidden(
                    "resourceVersionMatch",
                    "Forbidden: resourceVersionMatch is forbidden when continue is provided",
                );
            }
        }
        let limit = self.number("limit")?.filter(|limit| *limit != 0);
        let timeout = self.number("timeoutSeconds")?;
        Ok(Listed {
            resource,
            namespace,
            name: None,
            labels: Labels::parse(self.one("labelSelector").unwrap_or_default())?,
            fields: Fields::parse(resource, self.one("fieldSelector").unwrap_or_default())?,
            version,
            version_match,
            limit: limit.and_then(|limit| usize::try_from(limit).ok()),
            after: after.map(str::to_owned),
            timeout_s: timeout
                .and_then(|timeout| u64::try_from(timeout).ok())
                .filter(|timeout| *timeout > 0)
                .unwrap_or(WATCH_S)
                .min(WATCH_MOST_S),
            bookmarks: self.flag("allowWatchBookmarks"),
            initial_events,
        })
    }

    fn version(&self) -> Result<Option<u64>, Failure> {
        match self.one("resourceVersion") {
            None | Some("") => Ok(None),
            Some(text) => text.parse().map(Some).map_err(|_| {
                let why =
                    format!("Invalid value: {text:?}: it is no version that this server gave");
                wrong("ListOptions", "resourceVersion", "FieldValueInvalid", &why)
            }),
        }
    }

    fn version_match(&self) -> Result<Match, Failure> {
        match self.one("resourceVersionMatch") {
            None | Some("") => Ok(Match::Unset),
            Some("NotOlderThan") => Ok(Match::NotOlderThan),
            Some("Exact") => Ok(Match::Exact),
            Some(other) => {
                let why = format!(
                    "Unsupported value: {other:?}: supported values: \"Exact\", \"NotOlderThan\""
                );
                let field = "resourceVersionMatch";
                Err(wrong("ListOptions", field, "FieldValueNotSupported", &why))
            }
        }
    }

    pub(super) fn write_options(&self, kind: &str) -> Result<WriteOptions, Failure> {
        let word = self.one("fieldValidation").unwrap_or_default();
        let validation = FieldValidation::parse(word).ok_or_else(|| {
            let why = format!(
                "Unsupported value: {word:?}: supported values: \"Ignore\", \"Strict\", \"Warn\""
            );
            wrong(kind, "fieldValidation", "FieldValueNotSupported", &why)
        })?;
        Ok(WriteOptions {
            dry_run: dry_run(kind, self.all("dryRun"))?,
            validation,
            manager: self.one("fieldManager").unwrap_or_default().to_owned(),
        })
    }

    pub(super) fn delete_options(&self) -> Result<DeleteOptions, Failure> {
        Ok(DeleteOptions {
            grace_s: self.number("gracePeriodSeconds")?,
            dry_run: dry_run("DeleteOptions", self.all("dryRun"))?,
            uid: None,
            version: None,
        })
    }
}

/// Whether nothing is to be written.
pub(crate) fn dry_run<'a>(
    kind: &str,
    words: impl Iterator<Item = &'a str>,
) -> Result<bool, Failure> {
    let mut is_dry = false;
    for word in words.filter(|word| !word.is_empty()) {
        if word != "All" {
            let why = format!("Unsupported value: {word:?}: supported values: \"All\"");
            return Err(wrong(kind, "dryRun", "FieldValueNotSupported", &why));
        }
        is_dry = true;
    }
    Ok(is_dry)
}

/// One wrong option.
pub(super) fn wrong(kind: &str, field: &str, reason: &'static str, why: &str) -> Failure {
    let cause = Cause {
        reason,
        message: why.to_owned(),
        field: field.to_owned(),
    };
    Failure::invalid(kind, "", &[cause])
}

/// Percent-decoding; in queries `+` is a space.
pub(super) fn decode(text: &str, is_query: bool) -> Result<String, Failure> {
    let bad = || {
        Failure::new(
            Reason::BadRequest,
            format!("{text:?} in the address cannot be decoded"),
        )
    };
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let (high, low) = (digit(rest.next()), digit(rest.next()));
                let value = high.zip(low).map(|(high, low)| high * 16 + low);
                bytes.push(
                    value
                        .and_then(|value| u8::try_from(value).ok())
                        .ok_or_else(bad)?,
                );
            }
            b'+' if is_query => bytes.push(b' '),
            byte => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_watch_lasts_so_long_that_its_end_cannot_be_told() {
        let query = Query::read("watch=1&timeoutSeconds=9223372036854775807").unwrap();
        let listed = query.listed(Resource::Pods, None).unwrap();
        assert_eq!(listed.timeout_s, WATCH_MOST_S);
    }
}
