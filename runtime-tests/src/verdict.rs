//! How does a test end?

use std::fmt;

/// What a test gives back.
pub type Verdict = Result<(), Failure>;

/// Why a test did not pass.
#[derive(Debug)]
pub enum Failure {
    /// It could not be run here; says what is missing.
    Skipped(String),
    /// It ran, and what it checks does not hold.
    Failed(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Skipped(reason) => write!(f, "SKIP: {reason}"),
            Failure::Failed(reason) => f.write_str(reason),
        }
    }
}

// `Failure` is not an `Error` itself, so that `?` takes every error there is.
impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure::Failed(error.to_string())
    }
}

/// A failure with this text.
pub fn failed(text: impl Into<String>) -> Failure {
    Failure::Failed(text.into())
}

/// Fails the test with a formatted text unless the condition holds.
#[macro_export]
macro_rules! ensure {
    ($holds:expr, $($text:tt)+) => {
        if !$holds {
            return Err($crate::Failure::Failed(format!($($text)+)));
        }
    };
}

/// Skips the test unless a command is installed.
#[macro_export]
macro_rules! needs {
    ($command:literal) => {
        if !$crate::stage::has_command($command) {
            return Err($crate::Failure::Skipped(format!(
                "{} is not installed",
                $command
            )));
        }
    };
}
