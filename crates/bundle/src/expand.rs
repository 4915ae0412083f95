//! What does `$(NAME)` become?
//!
//! `$(NAME)` becomes the value of a known name and stays as it is for an unknown one. `$$` is one
//! dollar, so that `$$(NAME)` is the text `$(NAME)`. An unfinished `$(` is text. What was put in is
//! not looked at again.

use k8s_openapi::api::core::v1::EnvVar;

/// Replaces every `$(NAME)` in a text that `value` knows.
pub fn expand<'v>(text: &str, value: impl Fn(&str) -> Option<&'v str>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if let Some(tail) = after.strip_prefix('$') {
            out.push('$');
            rest = tail;
        } else if let Some((name, tail)) = after
            .strip_prefix('(')
            .and_then(|inner| inner.split_once(')'))
        {
            match value(name) {
                Some(value) => out.push_str(value),
                None => {
                    out.push_str("$(");
                    out.push_str(name);
                    out.push(')');
                }
            }
            rest = tail;
        } else {
            out.push('$');
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

/// A container's command or arguments with its complete environment put in.
#[must_use]
pub fn command(words: &[String], env: &[(String, String)]) -> Vec<String> {
    let value = |name: &str| {
        env.iter()
            .rev()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    };
    words.iter().map(|word| expand(word, value)).collect()
}

/// A probe's command, in which only names count whose values stand in the manifest as they are.
#[must_use]
pub fn probe_command(words: &[String], env: &[EnvVar]) -> Vec<String> {
    let value = |name: &str| {
        let named = env
            .iter()
            .rev()
            .find(|variable| variable.name == name && variable.value_from.is_none());
        named
            .and_then(|variable| variable.value.as_deref())
            .filter(|value| !value.is_empty())
    };
    words.iter().map(|word| expand(word, value)).collect()
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
        assert_eq!(probe_command(&words, &[literal, derived]), ["$(X)", "$(D)"]);
    }
}
