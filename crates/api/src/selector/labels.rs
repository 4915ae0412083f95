//! Label selectors: `a=b,c!=d,e in (f,g),h notin (i),j,!k`.

use std::collections::BTreeSet;

use serde_json::Value;

use super::MOST_TERMS;
use crate::{Failure, Reason};

/// A label selector that was understood.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels {
    terms: Vec<Term>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    key: String,
    wish: Wish,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Wish {
    Exists,
    Missing,
    In(BTreeSet<String>),
    NotIn(BTreeSet<String>),
    Above(i64),
    Below(i64),
}

impl Labels {
    /// Reads a selector.
    ///
    /// # Errors
    /// If it is none.
    pub fn parse(text: &str) -> Result<Labels, Failure> {
        let mut reader = Reader {
            rest: text.trim(),
            whole: text,
        };
        let mut terms = Vec::new();
        while !reader.rest.is_empty() {
            terms.push(reader.term()?);
            if terms.len() > MOST_TERMS {
                return Err(super::too_many_terms("label"));
            }
            reader.skip();
            if reader.rest.is_empty() {
                break;
            }
            if !reader.take(",") {
                return Err(reader.failure("',' or the end"));
            }
            reader.skip();
            if reader.rest.is_empty() {
                return Err(reader.failure("a key after ','"));
            }
        }
        Ok(Labels { terms })
    }

    /// Whether it chooses everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether an object is chosen.
    #[must_use]
    pub fn matches(&self, object: &Value) -> bool {
        let labels = object.pointer("/metadata/labels");
        self.terms.iter().all(|term| {
            let label = labels
                .and_then(|labels| labels.get(&term.key))
                .and_then(Value::as_str);
            match (&term.wish, label) {
                (Wish::Exists, label) => label.is_some(),
                (Wish::Missing, label) => label.is_none(),
                (Wish::In(values), label) => label.is_some_and(|label| values.contains(label)),
                (Wish::NotIn(values), label) => label.is_none_or(|label| !values.contains(label)),
                (Wish::Above(bound), label) => number(label).is_some_and(|number| number > *bound),
                (Wish::Below(bound), label) => number(label).is_some_and(|number| number < *bound),
            }
        })
    }
}

fn number(label: Option<&str>) -> Option<i64> {
    label?.parse().ok()
}

struct Reader<'a> {
    rest: &'a str,
    whole: &'a str,
}

impl<'a> Reader<'a> {
    fn term(&mut self) -> Result<Term, Failure> {
        self.skip();
        let must_miss = self.take("!");
        self.skip();
        let key = self.word().to_owned();
        if !is_key(&key) {
            return Err(self.failure("a label's key"));
        }
        self.skip();
        let wish = if must_miss {
            Wish::Missing
        } else if self.rest.is_empty() || self.rest.starts_with(',') {
            Wish::Exists
        } else if self.take("!=") {
            Wish::NotIn(BTreeSet::from([self.value()?]))
        } else if self.take("==") || self.take("=") {
            Wish::In(BTreeSet::from([self.value()?]))
        } else if self.take(">") {
            Wish::Above(self.bound()?)
        } else if self.take("<") {
            Wish::Below(self.bound()?)
        } else {
            match self.word() {
                "in" => Wish::In(self.set()?),
                "notin" => Wish::NotIn(self.set()?),
                _ => return Err(self.failure("one of '=', '==', '!=', 'in', 'notin', '<', '>'")),
            }
        };
        Ok(Term { key, wish })
    }

    fn set(&mut self) -> Result<BTreeSet<String>, Failure> {
        self.skip();
        if !self.take("(") {
            return Err(self.failure("'('"));
        }
        let mut values = BTreeSet::new();
        loop {
            values.insert(self.value()?);
            if self.take(")") {
                return Ok(values);
            }
            if !self.take(",") {
                return Err(self.failure("',' or ')'"));
            }
        }
    }

    /// One value, which may be empty.
    fn value(&mut self) -> Result<String, Failure> {
        self.skip();
        let value = self.word();
        self.skip();
        if is_value(value) {
            Ok(value.to_owned())
        } else {
            Err(self.failure("a label's value"))
        }
    }

    fn bound(&mut self) -> Result<i64, Failure> {
        self.skip();
        self.word()
            .parse()
            .map_err(|_| self.failure("a whole number"))
    }

    fn word(&mut self) -> &'a str {
        let end = self
            .rest
            .find(|c: char| c.is_whitespace() || "=!<>(),".contains(c))
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    fn skip(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, sign: &str) -> bool {
        match self.rest.strip_prefix(sign) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn failure(&self, wanted: &str) -> Failure {
        let at = self.whole.len() - self.rest.len();
        Failure::new(
            Reason::BadRequest,
            format!(
                "unable to parse requirement: label selector {:?}: at character {at}: expected {wanted}",
                self.whole
            ),
        )
    }
}

fn is_key(key: &str) -> bool {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    let prefix_is_good = prefix.is_none_or(|prefix| {
        !prefix.is_empty()
            && prefix.len() <= 253
            && prefix
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.')
    });
    prefix_is_good && !name.is_empty() && is_value(name)
}

fn is_value(value: &str) -> bool {
    let ends = |b: Option<u8>| b.is_none_or(|b| b.is_ascii_alphanumeric());
    value.len() <= 63
        && ends(value.bytes().next())
        && ends(value.bytes().last())
        && value
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}
