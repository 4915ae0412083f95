//! From text to Pods: which documents a file holds, and everything that is wrong with them.

use std::fmt;

use crate::support::Field;
use crate::{Objects, Pod};

mod decode;
mod document;
mod edit_distance;
mod json;
mod reader;
mod scalar;
mod schema;
mod tree;
mod values;
mod yaml;

pub(crate) use decode::{Strictly, strictly};
pub(crate) use json::{MOST_DUPLICATES as MOST_FINDINGS, of_value, read as read_json};
pub use reader::read;
pub(crate) use tree::{Entry, Node, Path, Step, Value};
pub use values::values;
pub(crate) use yaml::read_one as read_yaml;

/// One file as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// What to call it; `<stdin>` where it has no name.
    pub name: String,
    /// YAML or JSON, one document or several.
    pub text: String,
}

/// Something wrong with a manifest, at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The name of the [`SourceFile`] that it is about.
    pub file: String,
    /// Kubernetes' field path, such as `spec.containers[0].image`; empty for a document as a whole.
    pub path: String,
    /// What is wrong and what would be right, in Kubernetes' words where it has some.
    pub message: String,
    /// What to do about it, if that can be guessed.
    pub help: Option<String>,
    /// Where it stands, if a place in the text can be named.
    pub place: Option<Place>,
}

impl Problem {
    pub(crate) fn new(file: &str, path: String, message: String, place: Option<Place>) -> Problem {
        Problem {
            file: file.to_owned(),
            path,
            message: shortened(message),
            help: None,
            place,
        }
    }
}

/// A message may quote what somebody wrote, of any length; nobody reads more than this.
const MESSAGE_BYTES: usize = 2_048;

fn shortened(mut message: String) -> String {
    if message.len() > MESSAGE_BYTES {
        let end = (0..=MESSAGE_BYTES)
            .rev()
            .find(|at| message.is_char_boundary(*at));
        message.truncate(end.unwrap_or(0));
        message.push('…');
    }
    message
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(place) = self.place {
            write!(f, ":{}:{}", place.line, place.column)?;
        }
        f.write_str(": ")?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

/// A place in a manifest's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// First byte.
    pub start: usize,
    /// Byte after the last.
    pub end: usize,
}

/// What a set of manifest files holds. Whether it is an error that [`Manifest::pods`] is empty is
/// for the caller to say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Manifest {
    /// The Pods in the order of the text.
    pub pods: Vec<Pod>,
    /// ConfigMaps and Secrets.
    pub objects: Objects,
    /// What is accepted but not honoured yet.
    pub warnings: Vec<Problem>,
    /// Every field of the Pods that somebody wrote, and what becomes of it.
    pub fields: Vec<Field>,
}

/// Everything that is wrong with a set of manifest files, in the order of the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the manifest has {} problem{}", .problems.len(), if .problems.len() == 1 { "" } else { "s" })]
pub struct Rejected {
    /// The problems; never empty.
    pub problems: Vec<Problem>,
    /// Warnings about what could be read all the same.
    pub warnings: Vec<Problem>,
}

/// Every field of a Pod, such as `spec.containers[].image`, for tests that must not forget one.
#[cfg(test)]
pub(crate) fn pod_fields() -> Vec<String> {
    let spell = |(home, name): &(String, &str)| match home.as_str() {
        "" => (*name).to_owned(),
        home => format!("{home}.{name}"),
    };
    schema::of_pod().iter().map(spell).collect()
}
