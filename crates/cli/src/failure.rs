//! What is said, and which exit code is given, when we give up?

/// Our own errors, bad manifests among them.
pub(crate) const OWN_ERROR: u8 = 125;
/// `--timeout` has passed.
pub(crate) const TIMED_OUT: u8 = 124;

/// Why a command gave up: text for people, ready to be printed.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) String);

impl Failure {
    /// One error of our own with everything that caused it.
    pub(crate) fn of(what: &str, error: &dyn std::error::Error) -> Failure {
        let mut text = format!("error: {what}: {error}");
        let mut cause = error.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        Failure(text)
    }

    /// An error in one sentence.
    pub(crate) fn say(sentence: impl std::fmt::Display) -> Failure {
        Failure(format!("error: {sentence}"))
    }
}
