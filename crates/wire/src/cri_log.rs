//! What does a container's log look like? The log format of the CRI, one entry a line:
//! `<RFC 3339 time> <stdout|stderr> <F|P> <text>`. P marks a part of a line that goes on in the
//! next entry of the same stream, or that ended without a newline.
//!
//! [`Writer`] turns what a container wrote into entries, [`Reader`] turns a file's bytes back.
//! Neither touches a file.

mod reader;
mod time_text;
mod writer;

pub use reader::{Entry, Malformed, Reader, parse};
pub use time_text::TimeText;
pub use writer::Writer;

/// The most text in one entry; a longer line is split.
pub const PART_BYTES: usize = 16 * 1024;

/// Which of its two outputs a container wrote to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Descriptor 1.
    Stdout,
    /// Descriptor 2.
    Stderr,
}

impl Stream {
    /// As it stands in an entry.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        }
    }
}

#[cfg(test)]
mod tests;
