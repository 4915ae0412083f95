//! Which documents does a text hold, and where does each of their parts stand?
//!
//! Documents are split before they are parsed, so that a slip in one does not hide what is wrong
//! in the next. Size, depth and the number of values that aliases may make are bounded.

mod build;

use super::tree::{Node, Path};
use super::{Problem, SourceFile};
use crate::bounds::MOST_VALUES;
use build::Builder;

const MAX_BYTES: usize = 1 << 20;
/// Values in a document of a file, which may hold a list of many objects.
const MAX_VALUES: usize = 200_000;
/// Documents in a file.
const MAX_DOCUMENTS: usize = 10_000;

/// Every document of `file` that is not empty; what is wrong with the others goes to `problems`.
pub(crate) fn documents(file: &SourceFile, problems: &mut Vec<Problem>) -> Vec<Node> {
    if file.text.len() > MAX_BYTES {
        let message = format!(
            "the file has {} bytes; at most 1 MiB is read",
            file.text.len()
        );
        problems.push(Problem::new(&file.name, String::new(), message, None));
        return Vec::new();
    }
    let mut documents = Vec::new();
    let chunks = chunks(&file.text);
    if chunks.len() > MAX_DOCUMENTS {
        let message = format!("the file has more than {MAX_DOCUMENTS} documents: split it");
        problems.push(Problem::new(&file.name, String::new(), message, None));
        return Vec::new();
    }
    for chunk in chunks {
        let mut builder = Builder::new(&file.name, chunk, MAX_VALUES);
        match builder.run() {
            Ok(Some(node)) => documents.push(node),
            Ok(None) => {}
            Err(problem) => builder.problems.push(*problem),
        }
        problems.append(&mut builder.problems);
    }
    documents
}

/// The one document of a text, and the paths of keys that it gives twice; the first one counts.
pub(crate) fn read_one(text: &str) -> Result<(Node, Vec<Path>), String> {
    if text.len() > MAX_BYTES {
        return Err(format!(
            "the text has {} bytes; of YAML at most 1 MiB is read, of JSON more",
            text.len()
        ));
    }
    let mut chunks = chunks(text).into_iter();
    let (Some(chunk), None) = (chunks.next(), chunks.next()) else {
        return Err("one object is expected, and there are none or several".to_owned());
    };
    let mut builder = Builder::new("", chunk, MOST_VALUES);
    let said = |problem: &Problem| match problem.place {
        Some(place) => format!("line {}: {}", place.line, problem.message),
        None => problem.message.clone(),
    };
    let read = builder.run();
    let twice: Vec<String> = builder.twice.iter().map(Path::to_string).collect();
    let mut other = builder.problems.iter();
    if let Some(problem) = other.find(|problem| !twice.contains(&problem.path)) {
        return Err(said(problem));
    }
    match read {
        Ok(Some(node)) => Ok((node, builder.twice)),
        Ok(None) => Err("the text is empty".to_owned()),
        Err(problem) => Err(said(&problem)),
    }
}

/// One document's text and where it starts in its file.
#[derive(Clone, Copy)]
struct Chunk<'a> {
    text: &'a str,
    line: usize,
    byte: usize,
}

fn chunks(text: &str) -> Vec<Chunk<'_>> {
    let skip = if text.starts_with('\u{feff}') {
        '\u{feff}'.len_utf8()
    } else {
        0
    };
    let mut starts = vec![(skip, 0)];
    let mut byte = skip;
    for (line, content) in text[skip..].split_inclusive('\n').enumerate() {
        let marks = content
            .strip_prefix("---")
            .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']));
        if marks && byte > skip {
            starts.push((byte, line));
        }
        byte += content.len();
    }
    let ends = starts
        .iter()
        .skip(1)
        .map(|(byte, _)| *byte)
        .chain([text.len()]);
    let chunks = starts.iter().zip(ends).map(|(&(byte, line), end)| Chunk {
        text: &text[byte..end],
        line,
        byte,
    });
    chunks.filter(|chunk| !is_blank(chunk.text)).collect()
}

fn is_blank(chunk: &str) -> bool {
    chunk.lines().all(|line| {
        let line = line.trim();
        line.is_empty() || line.starts_with(['#', '%']) || line == "---" || line == "..."
    })
}

/// JSON may be indented with tabs, which YAML takes amiss; a space in their place moves nothing.
fn without_tabs(text: &str) -> String {
    let (mut in_string, mut escaped) = (false, false);
    let plain = text.chars().map(|c| {
        match c {
            _ if escaped => escaped = false,
            '\\' if in_string => escaped = true,
            '"' => in_string = !in_string,
            '\t' if !in_string => return ' ',
            _ => {}
        }
        c
    });
    plain.collect()
}

/// What is usually behind the parser's complaint.
fn syntax_help(info: &str) -> Option<&'static str> {
    if info.contains("mapping values are not allowed") {
        return Some("text that holds `: ` must stand in quotes; else look at the indentation");
    }
    if info.contains("tab") {
        return Some("indent with spaces");
    }
    if info.contains("invalid Unicode character escape") {
        return Some("write a character beyond \\uffff as itself, not as a pair of escapes");
    }
    info.contains("unknown anchor")
        .then_some("text that starts with `*` must stand in quotes")
}

#[cfg(test)]
mod tests;
