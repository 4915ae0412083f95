//! What does a reader get of a log's entries? Those since then, of that stream, with their times if they
//! are wanted, and not more than so many bytes. Pure.

use outrigger_api::LogQuery;
use outrigger_wire::cri_log::{Reader, TimeText};

/// Turns a file's bytes into what a reader gets.
pub(super) struct Entries {
    reader: Reader,
    /// Times are spelled so that their order is that of their letters.
    since: Option<String>,
    stream: Option<String>,
    timestamps: bool,
    left: Option<u64>,
    at_line_start: bool,
}

impl Entries {
    /// As the query says.
    pub(super) fn new(query: &LogQuery) -> Entries {
        let since = query
            .since_ns
            .and_then(|since_ns| u64::try_from(since_ns).ok());
        let spelled =
            |wall_ns| String::from_utf8_lossy(TimeText::new(wall_ns).as_bytes()).into_owned();
        Entries {
            reader: Reader::default(),
            since: since.map(spelled),
            stream: query.stream.map(str::to_lowercase),
            timestamps: query.timestamps,
            left: query.limit_bytes,
            at_line_start: true,
        }
    }

    /// Takes bytes of a file, and gives what the reader gets.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.reader.push(bytes);
        let mut out = Vec::with_capacity(bytes.len());
        while let Some(entry) = self.reader.entry() {
            // A line that was cut when the disk was full says nothing.
            let Ok(entry) = entry else { continue };
            let early = self
                .since
                .as_deref()
                .is_some_and(|since| entry.time < since);
            let other = self
                .stream
                .as_deref()
                .is_some_and(|stream| stream != entry.stream.word());
            if early || other {
                continue;
            }
            if self.timestamps && self.at_line_start {
                out.extend_from_slice(entry.time.as_bytes());
                out.push(b' ');
            }
            entry.append_to(&mut out);
            self.at_line_start = !entry.partial;
        }
        if let Some(left) = &mut self.left {
            let given = usize::try_from(*left).unwrap_or(usize::MAX).min(out.len());
            out.truncate(given);
            *left -= given as u64;
        }
        out
    }

    /// Whether the reader has got all that it wanted.
    pub(super) fn is_over(&self) -> bool {
        self.left == Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &[u8] = b"2026-01-01T00:00:01.000000000Z stdout F one\n\
2026-01-01T00:00:02.000000000Z stderr F oh\n\
torn\n\
2026-01-01T00:00:03.000000000Z stdout P th\n\
2026-01-01T00:00:03.000000001Z stdout F ree\n";

    fn read(query: &LogQuery) -> String {
        let mut entries = Entries::new(query);
        // In pieces that end anywhere.
        let pieces = LOG.chunks(7).flat_map(|piece| entries.take(piece));
        String::from_utf8(pieces.collect()).unwrap()
    }

    #[test]
    fn parts_of_a_line_come_together() {
        assert_eq!(read(&LogQuery::default()), "one\noh\nthree\n");
    }

    #[test]
    fn a_line_begins_with_its_time_once() {
        let query = LogQuery {
            timestamps: true,
            since_ns: Some(1_767_225_602_000_000_000),
            ..LogQuery::default()
        };
        assert_eq!(
            read(&query),
            "2026-01-01T00:00:02.000000000Z oh\n2026-01-01T00:00:03.000000000Z three\n"
        );
    }

    #[test]
    fn a_stream_and_a_limit_narrow_it() {
        let query = LogQuery {
            stream: Some("Stderr"),
            ..LogQuery::default()
        };
        assert_eq!(read(&query), "oh\n");
        let query = LogQuery {
            limit_bytes: Some(5),
            ..LogQuery::default()
        };
        assert_eq!(read(&query), "one\no");
    }
}
