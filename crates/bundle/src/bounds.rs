//! How much text may a container be given? As much as the kernel takes from an `execve`, counted
//! before it is built: `$(NAME)` makes any amount of text out of a short manifest.

use outrigger_pod::text::quoted;

use crate::expand;
use crate::process::STACK_BYTES;

/// The longest argument or `NAME=value` that the kernel takes: `MAX_ARG_STRLEN` without the NUL.
pub const TEXT_MAX_BYTES: u64 = 131_071;

/// What the kernel takes in all: a quarter of what the stack may grow to, as containers have it.
const ALL_MAX_BYTES: u64 = STACK_BYTES / 4;
/// Each text costs its NUL and a pointer beside its bytes.
const EACH_BYTES: u64 = 1 + 8;

/// How often the kernel's limit may be built on the way to what is used in the end: a variable that is
/// set again takes the place of the earlier one, and the earlier one took its time.
const TIMES_BUILT: u64 = 8;

/// Why a text is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TooLong {
    /// One text is longer than the kernel takes.
    #[error(
        "{what} would have more than {TEXT_MAX_BYTES} bytes, which is the most that the kernel takes in one text"
    )]
    Text {
        /// Which text.
        what: String,
    },
    /// All of them together are.
    #[error(
        "with {what} the command, its arguments and its environment would have more than {limit_bytes} bytes, which is the most that the kernel takes in all"
    )]
    All {
        /// The text that was the last straw.
        what: String,
        /// The limit.
        limit_bytes: u64,
    },
    /// So much text was built from other text that only a manifest made for that purpose can mean it.
    #[error(
        "{what} is not put together: the values of this container were built from more than {limit_bytes} bytes already"
    )]
    Built {
        /// The text that was the last straw.
        what: String,
        /// The limit.
        limit_bytes: u64,
    },
}

/// Counts a container's texts before they are built.
#[derive(Debug, Default)]
pub struct Budget {
    used_bytes: u64,
    built_bytes: u64,
}

/// How a variable is named to people.
pub(crate) fn variable(name: &str) -> String {
    format!("env {}", quoted(name))
}

impl Budget {
    /// Counts a text that has `bytes` bytes, `NAME=` included.
    ///
    /// # Errors
    /// If the kernel would not take it, or not beside all others.
    pub fn take(&mut self, bytes: u64, what: impl Fn() -> String) -> Result<(), TooLong> {
        if bytes > TEXT_MAX_BYTES {
            return Err(TooLong::Text { what: what() });
        }
        let (used, built) = (
            self.used_bytes + bytes + EACH_BYTES,
            self.built_bytes + bytes,
        );
        if used > ALL_MAX_BYTES {
            return Err(TooLong::All {
                what: what(),
                limit_bytes: ALL_MAX_BYTES,
            });
        }
        let limit_bytes = ALL_MAX_BYTES * TIMES_BUILT;
        if built > limit_bytes {
            return Err(TooLong::Built {
                what: what(),
                limit_bytes,
            });
        }
        (self.used_bytes, self.built_bytes) = (used, built);
        Ok(())
    }

    /// Counts what stands behind `before_bytes` when every `$(NAME)` in a text is replaced, and replaces
    /// them only if that fits.
    ///
    /// # Errors
    /// As of [`Budget::take`].
    pub fn expand<'v>(
        &mut self,
        before_bytes: usize,
        text: &str,
        value: impl Fn(&str) -> Option<&'v str>,
        what: impl Fn() -> String,
    ) -> Result<String, TooLong> {
        let bytes = expand::bytes(text, &value).saturating_add(before_bytes as u64);
        self.take(bytes, what)?;
        Ok(expand::expand(text, value))
    }

    /// Gives back a text of `bytes` bytes that another takes the place of.
    pub fn give_back(&mut self, bytes: u64) {
        self.used_bytes = self.used_bytes.saturating_sub(bytes + EACH_BYTES);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn what() -> String {
        "this".to_owned()
    }

    #[test]
    fn one_text_and_all_of_them_are_bounded_as_the_kernel_bounds_them() {
        let mut budget = Budget::default();
        assert!(matches!(
            budget.take(TEXT_MAX_BYTES + 1, what),
            Err(TooLong::Text { .. })
        ));
        let fit = (2 << 20) / (TEXT_MAX_BYTES + EACH_BYTES);
        for _ in 0..fit {
            budget.take(TEXT_MAX_BYTES, what).unwrap();
        }
        assert!(matches!(
            budget.take(TEXT_MAX_BYTES, what),
            Err(TooLong::All { .. })
        ));
        budget.give_back(TEXT_MAX_BYTES);
        budget.take(TEXT_MAX_BYTES, what).unwrap();
    }

    #[test]
    fn what_is_built_again_and_again_comes_to_an_end() {
        let mut budget = Budget::default();
        let mut built = 0_u64;
        let end = loop {
            match budget.take(TEXT_MAX_BYTES, what) {
                Ok(()) => built += TEXT_MAX_BYTES,
                Err(end) => break end,
            }
            budget.give_back(TEXT_MAX_BYTES);
        };
        assert!(matches!(end, TooLong::Built { .. }), "{end}");
        assert!(built <= (2 << 20) * TIMES_BUILT);
    }
}
