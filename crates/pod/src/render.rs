//! What does a problem look like to a person?

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use crate::manifest::{Place, Problem, SourceFile};

/// How much of a line is shown, in characters.
const WIDTH: usize = 120;
/// How much of it stands before the problem, if the line must be cut there.
const LEAD: usize = 40;

/// Whether a problem keeps a Pod from running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// It does.
    Error,
    /// It does not.
    Warning,
}

/// Draws each problem with the line that it is about, in the order given.
#[must_use]
pub fn problems(
    files: &[SourceFile],
    problems: &[Problem],
    severity: Severity,
    coloured: bool,
) -> String {
    let renderer = if coloured {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let renderer = renderer.term_width(2 * WIDTH);
    let mut text = String::new();
    for problem in problems {
        text.push_str(
            renderer
                .render(&[group(files, problem, severity)])
                .trim_end(),
        );
        text.push_str("\n\n");
    }
    text
}

fn group<'a>(files: &'a [SourceFile], problem: &'a Problem, severity: Severity) -> Group<'a> {
    let level = match severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = match problem.path.as_str() {
        "" => problem.message.clone(),
        path => format!("{path}: {}", problem.message),
    };
    let title = level.primary_title(printable(&title));
    let file = files.iter().find(|file| file.name == problem.file);
    let mut group = match file.zip(problem.place) {
        Some((file, place)) => {
            let view = View::of(&file.text, place);
            let span = AnnotationKind::Primary.span(view.start..view.end);
            let snippet = Snippet::source(view.line)
                .line_start(place.line)
                .annotation(span);
            if view.starts_the_line {
                title.element(snippet.path(file.name.as_str()))
            } else {
                // The column within a cut line is not the column within the file.
                let origin = Origin::path(file.name.as_str())
                    .line(place.line)
                    .char_column(place.column);
                title.element(origin).element(snippet)
            }
        }
        None => title.element(Origin::path(problem.file.as_str())),
    };
    if let Some(help) = &problem.help {
        group = group.element(Level::HELP.message(printable(help)));
    }
    group
}

/// The line of a place, cut to what can be read, and the place within it.
struct View {
    line: String,
    starts_the_line: bool,
    start: usize,
    end: usize,
}

impl View {
    fn of(text: &str, place: Place) -> View {
        let at = floor(text, place.start.min(text.len()));
        let first = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let last = text[at..]
            .find(['\n', '\r'])
            .map_or(text.len(), |newline| at + newline);
        let mut from = first;
        if text[first..at].chars().count() > WIDTH - LEAD {
            from = floor(text, at - LEAD.min(at));
        }
        let shown: String = text[from..last].chars().take(WIDTH).collect();
        let until = from + shown.len();
        let end = floor(text, place.end.clamp(at, until.max(at)));
        let (before, after) = (
            if from > first { "…" } else { "" },
            if until < last { "…" } else { "" },
        );
        let start = before.len() + (at - from);
        let line: String = format!("{before}{shown}{after}");
        View {
            start: start.min(line.len()),
            end: (before.len() + (end - from)).min(line.len()),
            line,
            starts_the_line: from == first,
        }
    }
}

fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// What a manifest holds may be meant for the terminal rather than for the reader.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests;
