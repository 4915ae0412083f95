//! Reads one container's log through all its instances and rotations, every line once.

use std::collections::{BTreeSet, VecDeque};
use std::io::Read;
use std::path::PathBuf;

use outrigger_wire::cri_log::{Reader, Stream};

use crate::log_folder::{LogFolder, Open};

/// A line longer than this is handed on in pieces.
const LINE_LIMIT: usize = 1 << 20;

/// The log of one container.
#[derive(Debug)]
pub(super) struct Tail {
    directory: PathBuf,
    /// Instances that began and were not read to their end, in order.
    attempts: BTreeSet<u32>,
    /// All instances up to this one have written everything.
    ended: Option<u32>,
    /// The files of the first of these instances that are not read to their end, oldest first.
    /// They are opened as soon as they are seen, as rotation may remove them before their turn.
    files: VecDeque<Open>,
    reader: Reader,
    /// The lines of both streams that are not complete yet.
    parts: [Vec<u8>; 2],
}

impl Tail {
    /// The log in `directory`; nothing of it was read yet.
    pub(super) fn new(directory: PathBuf) -> Tail {
        Tail {
            directory,
            attempts: BTreeSet::new(),
            ended: None,
            files: VecDeque::new(),
            reader: Reader::default(),
            parts: [Vec::new(), Vec::new()],
        }
    }

    /// An instance is about to write.
    pub(super) fn begin(&mut self, attempt: u32) {
        self.attempts.insert(attempt);
    }

    /// This instance, and all before it, have written everything.
    pub(super) fn end(&mut self, attempt: u32) {
        self.ended = self.ended.max(Some(attempt));
    }

    /// Hands on every whole line that can be read now.
    pub(super) fn pump(&mut self, line: &mut dyn FnMut(Stream, &[u8])) {
        let mut buffer = vec![0; 64 << 10];
        while let Some(attempt) = self.attempts.first().copied() {
            // In this order: what is there after an instance has ended is all there will ever be,
            // and once a file has a successor nobody writes to it any more.
            let complete = self.ended >= Some(attempt);
            self.look_for_files(attempt);
            let superseded = self.files.len() > 1;
            let read = match self.files.front_mut() {
                // A file that can be read no more is as good as its end.
                Some(open) => open.file.read(&mut buffer).unwrap_or(0),
                None => 0,
            };
            if read > 0 {
                self.reader.push(&buffer[..read]);
                self.take_entries(line);
            } else if superseded {
                self.files.pop_front();
            } else if complete {
                self.flush(line);
                self.files.clear();
                self.attempts.pop_first();
            } else {
                return;
            }
        }
    }

    fn take_entries(&mut self, line: &mut dyn FnMut(Stream, &[u8])) {
        while let Some(entry) = self.reader.entry() {
            // A line that was cut when the disk was full says nothing.
            let Ok(entry) = entry else { continue };
            let part = &mut self.parts[index(entry.stream)];
            if part.is_empty() && !entry.partial {
                line(entry.stream, entry.text);
                continue;
            }
            part.extend_from_slice(entry.text);
            if !entry.partial || part.len() > LINE_LIMIT {
                line(entry.stream, part);
                part.clear();
            }
        }
    }

    /// Opens the files that have appeared since the newest that is open.
    fn look_for_files(&mut self, attempt: u32) {
        if let Some(folder) = LogFolder::open(&self.directory) {
            let newer = folder.newer(attempt, self.files.back());
            self.files.extend(newer);
        }
    }

    /// The instance is over: a last line without its newline is a line too.
    fn flush(&mut self, line: &mut dyn FnMut(Stream, &[u8])) {
        self.reader = Reader::default();
        for stream in [Stream::Stdout, Stream::Stderr] {
            let part = std::mem::take(&mut self.parts[index(stream)]);
            if !part.is_empty() {
                line(stream, &part);
            }
        }
    }
}

fn index(stream: Stream) -> usize {
    match stream {
        Stream::Stdout => 0,
        Stream::Stderr => 1,
    }
}

#[cfg(test)]
mod tests;
