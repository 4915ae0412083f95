//! What did a container write, given its log file? For those who show and follow logs.

use super::Stream;

/// One entry of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// When, as RFC 3339.
    pub time: &'a str,
    /// From which stream.
    pub stream: Stream,
    /// Whether the line goes on in the stream's next entry.
    pub partial: bool,
    /// The text, without a newline.
    pub text: &'a [u8],
}

impl Entry<'_> {
    /// Appends the bytes that the container wrote.
    pub fn append_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.text);
        if !self.partial {
            out.push(b'\n');
        }
    }
}

/// A line that is no entry, such as one cut short when the disk was full.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a log entry: {0:?}")]
pub struct Malformed(pub String);

/// Collects a file's bytes and gives whole entries. A torn last line stays in it until its rest
/// comes.
#[derive(Debug, Default)]
pub struct Reader {
    bytes: Vec<u8>,
    start: usize,
}

impl Reader {
    /// Takes more of the file's bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.start);
        self.start = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next entry, if its line is whole.
    pub fn entry(&mut self) -> Option<Result<Entry<'_>, Malformed>> {
        let rest = self.bytes.get(self.start..)?;
        let length = rest.iter().position(|&byte| byte == b'\n')?;
        self.start += length + 1;
        let line = &rest[..length];
        Some(parse(line).ok_or_else(|| Malformed(String::from_utf8_lossy(line).into_owned())))
    }

    /// How many bytes of a torn line it holds.
    #[must_use]
    pub fn torn_bytes(&self) -> usize {
        self.bytes.len() - self.start
    }
}

/// Reads one line, given without its newline.
#[must_use]
pub fn parse(line: &[u8]) -> Option<Entry<'_>> {
    let mut fields = line.splitn(4, |&byte| byte == b' ');
    let time = std::str::from_utf8(fields.next()?)
        .ok()
        .filter(|time| time.contains('T'))?;
    let stream = match fields.next()? {
        b"stdout" => Stream::Stdout,
        b"stderr" => Stream::Stderr,
        _ => return None,
    };
    // The tag is a list with colons between; today it has one element.
    let partial = match fields.next()?.split(|&byte| byte == b':').next()? {
        b"P" => true,
        b"F" => false,
        _ => return None,
    };
    Some(Entry {
        time,
        stream,
        partial,
        text: fields.next()?,
    })
}
