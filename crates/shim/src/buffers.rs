//! Where do bytes pass through on their way from a pipe to a log? Through two buffers that all
//! containers share, and that exist only while something is being written.

use outrigger_wire::cri_log::TimeText;

/// How much is read from a pipe at once as long as little comes: a probe's words, and the end.
const FIRST_BYTES: usize = 4096;
/// How much is read from a pipe at once.
const READ_BYTES: usize = 64 * 1024;
/// How much is formatted before it is written to a log; above what one read makes of long lines.
pub(crate) const WRITE_BYTES: usize = 96 * 1024;

/// The shared buffers.
#[derive(Debug)]
pub(crate) struct Buffers {
    /// What was read. Empty, or of one of its two lengths.
    pub(crate) input: Vec<u8>,
    /// What is to be written.
    pub(crate) output: Vec<u8>,
    /// The time of the entries.
    pub(crate) time: TimeText,
}

impl Buffers {
    /// Buffers without memory.
    pub(crate) fn new() -> Buffers {
        Buffers {
            input: Vec::new(),
            output: Vec::new(),
            time: TimeText::new(0),
        }
    }

    /// Makes the input buffer large enough to read into.
    pub(crate) fn prepare(&mut self) {
        if self.input.is_empty() {
            self.input.resize(FIRST_BYTES, 0);
        }
    }

    /// After a read: whether all that fits at the most was read. If only the buffer was too small
    /// the next one is larger.
    pub(crate) fn is_filled_by(&mut self, count: usize) -> bool {
        if count < self.input.len() {
            return false;
        }
        let was_full = self.input.len() == READ_BYTES;
        self.input.resize(READ_BYTES, 0);
        was_full
    }

    /// Gives the memory back.
    pub(crate) fn release(&mut self) {
        self.input = Vec::new();
        self.output = Vec::new();
    }
}
