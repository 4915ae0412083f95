//! Does this document have the shape of that Kubernetes type, and where does it not?
//!
//! Values are as strict as the API server's: text is not a number, a boolean is not text, `null` is
//! the type's empty value. The Kubernetes types themselves pass over unknown fields in silence, so
//! they are caught here, where a type says which fields it has.

mod cursor;

use std::cell::{Cell, RefCell};

use serde::Deserialize;

use super::tree::{Node, Path, Value};
use super::{Place, Problem, schema};
use crate::bounds;
use cursor::{Cursor, Failure, Trace};

/// So many fields that nobody knows are told of one document; the others are counted.
const MOST_UNKNOWN: usize = 100;

/// After that many ill-typed values a document is not looked at any further.
const MOST_FAILURES: usize = 50;

/// Reads `node` as a `T`. What does not fit is reported and taken as empty; `None` means that
/// nothing could be made of the whole.
pub(crate) fn decode<'de, T: Deserialize<'de>>(
    file: &str,
    text: &str,
    node: &mut Node,
    problems: &mut Vec<Problem>,
) -> Option<T> {
    let mut last = None;
    for _ in 0..MOST_FAILURES {
        let trace = Trace::of(node);
        match T::deserialize(Cursor {
            node,
            trace: &trace,
        }) {
            Ok(object) => {
                let more = trace.more_unknown.get();
                report_unknown(file, node, trace.unknown.into_inner(), more, problems);
                return Some(object);
            }
            Err(failure) => {
                let path = Path(trace.at.into_inner());
                let place = node.place_of(&path);
                if last.as_ref() == Some(&path) || path.0.is_empty() {
                    problems.push(problem(file, text, &path, failure, place));
                    return None;
                }
                problems.push(problem(file, text, &path, failure, place));
                node.at_mut(&path)?.value = Value::Null;
                last = Some(path);
            }
        }
    }
    let message = format!(
        "more than {MOST_FAILURES} values are of the wrong type; this document is not read on"
    );
    problems.push(Problem::new(file, String::new(), message, Some(node.place)));
    None
}

/// An object that was read, or the first thing that does not fit, and the fields that nobody knows.
pub(crate) struct Strictly<T> {
    /// The object, or the path of what does not fit and why it does not.
    pub(crate) object: Result<T, (Path, String)>,
    /// The paths of fields that the type does not have.
    pub(crate) unknown: Vec<Path>,
    /// How many more there are.
    pub(crate) more_unknown: usize,
}

/// Reads `node` as a `T` and stops at the first value that does not fit, as the API server does.
pub(crate) fn strictly<'de, T: Deserialize<'de>>(node: &Node) -> Strictly<T> {
    let trace = Trace::of(node);
    let read = T::deserialize(Cursor {
        node,
        trace: &trace,
    });
    let at = Path(trace.at.into_inner());
    let more_unknown = trace.more_unknown.get();
    let unknown = trace.unknown.into_inner().into_iter();
    Strictly {
        object: read.map_err(|failure| {
            let reason = reason(&at, &failure);
            (at, reason)
        }),
        unknown: unknown.map(|one| one.path.with_key(&one.key)).collect(),
        more_unknown,
    }
}

fn reason(path: &Path, failure: &Failure) -> String {
    // Only what is base64 has a fault of its own there; the decoder does not name itself.
    if is_base64(path)
        && let Failure::Other(message) = failure
    {
        return format!("not base64: {message}");
    }
    failure.to_string()
}

fn is_base64(path: &Path) -> bool {
    matches!(path.0.first(), Some(super::Step::Key(key)) if key == "data" || key == "binaryData")
}

fn problem(file: &str, text: &str, path: &Path, failure: Failure, place: Place) -> Problem {
    let written = text.get(place.start..place.end).unwrap_or_default();
    let message = format!("Invalid value: {}", reason(path, &failure));
    let help = match failure {
        Failure::Type { expected, found } => quote_help(&expected, &found, written),
        Failure::Other(_) if is_base64(path) => (path.0.first()
            == Some(&super::Step::Key("data".to_owned())))
        .then(|| "plain text goes into `stringData`".to_owned()),
        Failure::Other(_) => None,
    };
    Problem {
        help,
        ..Problem::new(file, path.to_string(), message, Some(place))
    }
}

fn quote_help(expected: &str, found: &str, written: &str) -> Option<String> {
    if written.is_empty() || written.len() > 60 || written.contains('\n') {
        return None;
    }
    let bare = written.trim_matches(['"', '\'']);
    let quoted = bare.len() + 2 == written.len();
    if expected == "text" && !quoted && (found.contains("number") || found.contains("boolean")) {
        return Some(format!("write it in quotes: \"{written}\""));
    }
    let is_meant = match expected {
        "a whole number" => bare.parse::<i64>().is_ok(),
        "true or false" => matches!(bare, "true" | "false"),
        _ => false,
    };
    (quoted && is_meant).then(|| format!("write it without quotes: {bare}"))
}

fn report_unknown(
    file: &str,
    root: &Node,
    unknown: Vec<cursor::Unknown>,
    more: usize,
    problems: &mut Vec<Problem>,
) {
    if more > 0 {
        let message = format!("and {more} more unknown fields");
        let place = Some(root.place);
        problems.push(Problem::new(file, String::new(), message, place));
    }
    let kind = root.get("kind").and_then(Node::text).unwrap_or("Pod");
    for cursor::Unknown {
        path,
        key,
        place,
        fields,
    } in unknown
    {
        let help = schema::suggest(kind, &path, &key, fields);
        let message = format!("unknown field {key:?}");
        problems.push(Problem {
            help,
            ..Problem::new(file, path.with_key(&key).to_string(), message, Some(place))
        });
    }
}

impl Trace {
    /// A walk through this document.
    fn of(node: &Node) -> Trace {
        let room_bytes = bounds::items_bytes(node.measure().bytes());
        Trace {
            most_bytes: room_bytes,
            room_bytes: Cell::new(room_bytes),
            ..Trace::default()
        }
    }

    fn step<T, E>(&self, step: super::Step, go: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        self.at.borrow_mut().push(step);
        let result = go();
        // After a failure the trace stays where it happened.
        if result.is_ok() {
            self.at.borrow_mut().pop();
        }
        result
    }

    fn path(at: &RefCell<Vec<super::Step>>) -> Path {
        Path(at.borrow().clone())
    }
}
