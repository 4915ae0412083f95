//! One Pod: what to do now, when to ask again, and how it stands. Reads as a table of contents.

use crate::status::Status;
use crate::{Because, Step, Time};

/// What to do now.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The steps to take now, in this order. Empty if there is nothing to do but wait.
    pub steps: Vec<(Step, Because)>,
    /// When to plan again if nothing is observed before.
    pub wake: Option<Time>,
    /// How the Pod stands.
    pub status: Status,
}
