//! How does what a container wrote become log entries?

use std::io::BufRead;

use super::time_text::TEXT_BYTES;
use super::{PART_BYTES, Stream, TimeText};

/// Time, space, stream, space, tag, space.
const HEAD_BYTES: usize = TEXT_BYTES + 10;
const TAG_AT: usize = HEAD_BYTES - 2;

/// Formats one stream of one container. A line's beginning is held until its end has come, so
/// that only lines above [`PART_BYTES`] are ever split; whole lines are never held.
#[derive(Debug)]
pub struct Writer {
    stream: Stream,
    held: Vec<u8>,
}

impl Writer {
    /// A writer that holds nothing.
    #[must_use]
    pub fn new(stream: Stream) -> Writer {
        Writer {
            stream,
            held: Vec::new(),
        }
    }

    /// Which stream's entries it makes.
    #[must_use]
    pub fn stream(&self) -> Stream {
        self.stream
    }

    /// Appends the entries that `input` completes to `out`, until `out` is longer than `limit`
    /// bytes or the input is used up; gives the input that is left. A limit is needed because
    /// short lines grow by a factor of twenty.
    pub fn push<'a>(
        &mut self,
        input: &'a [u8],
        time: &TimeText,
        out: &mut Vec<u8>,
        limit: usize,
    ) -> &'a [u8] {
        let head = self.head(time);
        let mut rest = input;
        while !rest.is_empty() && out.len() < limit {
            let used = if self.held.is_empty() {
                self.straight(rest, &head, out)
            } else {
                self.through(rest, &head, out)
            };
            rest = &rest[used..];
        }
        rest
    }

    /// Appends what is held as a part without an end: the stream is over.
    pub fn finish(&mut self, time: &TimeText, out: &mut Vec<u8>) {
        if !self.held.is_empty() {
            let head = self.head(time);
            entry(out, &head, b'P', &self.held);
        }
        self.held = Vec::new();
    }

    /// Gives memory back that a long line once needed.
    pub fn shrink(&mut self) {
        self.held.shrink_to_fit();
    }

    /// A line that begins in `rest`: written to `out` without a detour.
    fn straight(&mut self, rest: &[u8], head: &[u8; HEAD_BYTES], out: &mut Vec<u8>) -> usize {
        let start = out.len();
        out.extend_from_slice(head);
        let taken = take_line(&rest[..rest.len().min(PART_BYTES + 1)], out);
        if out.ends_with(b"\n") {
            return taken;
        }
        if taken > PART_BYTES {
            out.pop();
            out.push(b'\n');
            out[start + TAG_AT] = b'P';
            return PART_BYTES;
        }
        self.held.extend_from_slice(&out[start + HEAD_BYTES..]);
        out.truncate(start);
        taken
    }

    /// A line whose beginning is held.
    fn through(&mut self, rest: &[u8], head: &[u8; HEAD_BYTES], out: &mut Vec<u8>) -> usize {
        let room = PART_BYTES + 1 - self.held.len();
        let taken = take_line(&rest[..rest.len().min(room)], &mut self.held);
        if self.held.ends_with(b"\n") {
            self.held.pop();
            entry(out, head, b'F', &self.held);
        } else if self.held.len() > PART_BYTES {
            self.held.pop();
            entry(out, head, b'P', &self.held);
            self.held.clear();
            return taken - 1;
        } else {
            return taken;
        }
        self.held.clear();
        taken
    }

    fn head(&self, time: &TimeText) -> [u8; HEAD_BYTES] {
        let mut head = *b"0000-00-00T00:00:00.000000000Z stdxxx F ";
        head[..TEXT_BYTES].copy_from_slice(time.as_bytes());
        head[TEXT_BYTES + 1..TEXT_BYTES + 7].copy_from_slice(self.stream.word().as_bytes());
        head
    }
}

fn entry(out: &mut Vec<u8>, head: &[u8; HEAD_BYTES], tag: u8, text: &[u8]) {
    let start = out.len();
    out.extend_from_slice(head);
    out[start + TAG_AT] = tag;
    out.extend_from_slice(text);
    out.push(b'\n');
}

/// Appends bytes up to and with the first newline, or all of them; says how many. The standard
/// library looks for the newline a vector register at a time, which a plain loop does not.
fn take_line(mut from: &[u8], to: &mut Vec<u8>) -> usize {
    // Reading from memory has no way to fail.
    from.read_until(b'\n', to).unwrap_or_default()
}
