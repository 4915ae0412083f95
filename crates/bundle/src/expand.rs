//! What does `$(NAME)` become?
//!
//! `$(NAME)` becomes the value of a known name and stays as it is for an unknown one. `$$` is one
//! dollar, so that `$$(NAME)` is the text `$(NAME)`. An unfinished `$(` is text. What was put in is
//! not looked at again.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::EnvVar;
use outrigger_pod::text::quoted;

use crate::bounds::{Budget, TooLong};

/// Replaces every `$(NAME)` in a text that `value` knows. The result may be far longer than the text:
/// whoever calls this has counted before, with [`bytes`].
pub(crate) fn expand<'v>(text: &str, value: impl Fn(&str) -> Option<&'v str>) -> String {
    let mut out = String::new();
    walk(text, value, |piece| out.push_str(piece));
    out
}

/// How long the result would be.
pub(crate) fn bytes<'v>(text: &str, value: impl Fn(&str) -> Option<&'v str>) -> u64 {
    let mut bytes = 0_u64;
    walk(text, value, |piece| {
        bytes = bytes.saturating_add(piece.len() as u64)
    });
    bytes
}

/// Gives the pieces of the result, in order.
fn walk<'v>(text: &str, value: impl Fn(&str) -> Option<&'v str>, mut put: impl FnMut(&str)) {
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        put(&rest[..at]);
        let after = &rest[at + 1..];
        if let Some(tail) = after.strip_prefix('$') {
            put("$");
            rest = tail;
        } else if let Some((name, tail)) = after
            .strip_prefix('(')
            .and_then(|inner| inner.split_once(')'))
        {
            match value(name) {
                Some(value) => put(value),
                None => {
                    put("$(");
                    put(name);
                    put(")");
                }
            }
            rest = tail;
        } else {
            put("$");
            rest = after;
        }
    }
    put(rest);
}

/// A container's command or arguments with its complete environment put in.
///
/// # Errors
/// If the kernel would not take them.
pub(crate) fn command(
    words: &[String],
    env: &[(String, String)],
    budget: &mut Budget,
) -> Result<Vec<String>, TooLong> {
    let known: BTreeMap<&str, &str> = env
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    all(words, |name| known.get(name).copied(), budget)
}

/// A probe's command, in which only names count whose values stand in the manifest as they are.
///
/// # Errors
/// If the kernel would not take it.
pub fn probe_command(words: &[String], env: &[EnvVar]) -> Result<Vec<String>, TooLong> {
    let literal = env.iter().filter(|variable| variable.value_from.is_none());
    let known: BTreeMap<&str, &str> = literal
        .map(|variable| {
            let value = variable.value.as_deref().unwrap_or_default();
            (variable.name.as_str(), value)
        })
        .collect();
    let value = |name: &str| known.get(name).copied().filter(|value| !value.is_empty());
    all(words, value, &mut Budget::default())
}

fn all<'v>(
    words: &[String],
    value: impl Fn(&str) -> Option<&'v str>,
    budget: &mut Budget,
) -> Result<Vec<String>, TooLong> {
    let words = words.iter().enumerate().map(|(at, word)| {
        let what = || format!("word {} of the command, {}", at + 1, quoted(word));
        budget.expand(0, word, &value, what)
    });
    words.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_and_names_are_read_as_kubernetes_reads_them() {
        let value = |name: &str| match name {
            "A" => Some("a"),
            "DEEP" => Some("$(A)"),
            "EMPTY" => Some(""),
            _ => None,
        };
        for (text, expected) in [
            ("$(A)", "a"),
            ("x$(A)y$(A)", "xaya"),
            ("$$(A)", "$(A)"),
            ("$$$(A)", "$a"),
            ("$$$$(A)", "$$(A)"),
            ("$(NO)", "$(NO)"),
            ("$(A", "$(A"),
            ("$A", "$A"),
            ("$", "$"),
            ("$$", "$"),
            ("$()", "$()"),
            ("$(DEEP)", "$(A)"),
            ("[$(EMPTY)]", "[]"),
            ("$(A)$(NO)$$(A)é", "a$(NO)$(A)é"),
            ("$($(A))", "$($(A))"),
        ] {
            assert_eq!(expand(text, value), expected, "{text}");
            assert_eq!(bytes(text, value), expected.len() as u64, "{text}");
        }
    }

    #[test]
    fn a_probe_knows_only_literal_values() {
        let literal = EnvVar {
            name: "L".to_owned(),
            value: Some("$(X)".to_owned()),
            value_from: None,
        };
        let derived = EnvVar {
            name: "D".to_owned(),
            value: None,
            value_from: Some(Default::default()),
        };
        let words = ["$(L)".to_owned(), "$(D)".to_owned()];
        let command = probe_command(&words, &[literal, derived]).unwrap();
        assert_eq!(command, ["$(X)", "$(D)"]);
    }

    #[test]
    fn a_probe_whose_words_grow_is_refused() {
        let long = EnvVar {
            name: "L".to_owned(),
            value: Some("x".repeat(100_000)),
            value_from: None,
        };
        let refused = |word: &str, words: usize| {
            let words = vec![word.to_owned(); words];
            probe_command(&words, std::slice::from_ref(&long)).unwrap_err()
        };
        assert!(matches!(refused("$(L)$(L)", 1), TooLong::Text { .. }));
        assert!(matches!(refused("$(L)", 21), TooLong::All { .. }));
    }
}
