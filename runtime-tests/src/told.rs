//! What did the containers tell? Tests ask processes to write `word value` lines and compare those.

use std::collections::BTreeMap;

use crate::{Output, Source, Verdict, World};

/// What each container told, by `container.word`; of a word told twice the last value.
#[must_use]
pub fn told(output: &Output) -> BTreeMap<String, String> {
    let lines = output
        .lines
        .iter()
        .filter(|line| line.source == Source::Out);
    lines.filter_map(|line| read(&line.text)).collect()
}

/// Reads `main | word value`; a colon behind the word is not part of it, and the value may lack.
fn read(line: &str) -> Option<(String, String)> {
    let (container, text) = line.split_once('|')?;
    let text = text.trim();
    let (word, value) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let key = format!("{}.{}", container.trim(), word.trim_end_matches(':'));
    Some((key, value.trim().to_string()))
}

/// Fails unless the containers told exactly these values.
///
/// # Errors
/// With the first that differs and everything that was seen.
pub fn has_told(output: &Output, wanted: &[(&str, &str)]) -> Verdict {
    let told = told(output);
    for (key, value) in wanted {
        let found = told.get(*key).map(String::as_str);
        crate::ensure!(
            found == Some(*value),
            "{key} is {found:?} and should be {value:?}: {}",
            output.shown()
        );
    }
    Ok(())
}

/// Runs a Pod that must end with exit code 0, and compares what it told.
///
/// # Errors
/// If it ends otherwise or told something else.
pub fn tells(world: &World, manifest: &str, wanted: &[(&str, &str)]) -> Verdict {
    has_told(&world.ended(manifest, &[], 0)?, wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_word_and_a_value() {
        let of = |line| read(line).map(|(key, value)| format!("{key}={value}"));
        assert_eq!(of("main | CapEff:\t00"), Some("main.CapEff=00".into()));
        assert_eq!(of("a  | word two words"), Some("a.word=two words".into()));
        assert_eq!(of("a  | word"), Some("a.word=".into()));
        assert_eq!(of("no container"), None);
    }
}
