//! From text to Pods: which documents a file holds, and everything that is wrong with them.

use crate::{Objects, Pod};

/// Something wrong with a manifest, at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Kubernetes' field path, such as `spec.containers[0].image`.
    pub path: String,
    /// What is wrong and what would be right, in Kubernetes' words where it has some.
    pub message: String,
    /// Where it stands, if a place in the text can be named.
    pub place: Option<Place>,
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

/// What a set of manifest files holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Manifest {
    /// The Pods in the order of the text.
    pub pods: Vec<Pod>,
    /// ConfigMaps and Secrets.
    pub objects: Objects,
    /// What is accepted but not honoured yet.
    pub warnings: Vec<Problem>,
}
