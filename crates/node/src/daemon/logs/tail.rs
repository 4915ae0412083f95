//! Where do the last lines of a log begin? It is read backwards, no further than needed.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::os::unix::fs::FileExt;

use outrigger_wire::cri_log::parse;

use super::files::Walk;

/// How much is read at once.
const BLOCK: u64 = 64 << 10;
/// The most that one entry takes; what is longer is none.
const ENTRY: usize = 64 << 10;

/// Moves to where the last `lines` lines begin.
pub(super) fn seek(walk: &mut Walk, lines: u64) {
    let mut counting = Counting {
        lines,
        seen: 0,
        newest: true,
    };
    for index in (0..walk.files.len()).rev() {
        let file = &mut walk.files[index].file;
        if let Some(offset) = counting.start_in(file) {
            // A file that cannot be moved in is read from its start: too much is better than nothing.
            file.seek(SeekFrom::Start(offset)).ok();
            walk.files.drain(..index);
            return;
        }
    }
}

struct Counting {
    lines: u64,
    seen: u64,
    /// Whether the newest entry of all is still to come.
    newest: bool,
}

impl Counting {
    /// The place in this file after which the wanted lines are; `None` if they begin before it.
    fn start_in(&mut self, file: &File) -> Option<u64> {
        let mut end = file.metadata().ok()?.len();
        if self.lines == 0 {
            return Some(end);
        }
        // The bytes from `end` to the end of the line that is being put together.
        let mut rest: Vec<u8> = Vec::new();
        while end > 0 {
            let start = end.saturating_sub(BLOCK);
            let mut block = vec![0; usize::try_from(end - start).unwrap_or(0)];
            file.read_exact_at(&mut block, start).ok()?;
            block.append(&mut rest);
            let mut line_end = block.len();
            while let Some(newline) = block[..line_end].iter().rposition(|&byte| byte == b'\n') {
                // Behind the last newline of the file stands nothing, or a torn line.
                if self.passes(&block[newline + 1..line_end]) {
                    return Some(start + newline as u64 + 1 + (line_end - newline - 1) as u64 + 1);
                }
                line_end = newline;
            }
            block.truncate(line_end);
            rest = block;
            if rest.len() > ENTRY {
                rest.clear();
            }
            end = start;
        }
        // The file's first entry; the line that it ends may begin in the file before.
        self.passes(&rest).then_some(rest.len() as u64 + 1)
    }

    /// Takes one entry, going backwards; says whether it is the end of a line that is not wanted.
    fn passes(&mut self, line: &[u8]) -> bool {
        let Some(entry) = parse(line) else {
            return false;
        };
        let ends_a_line = !entry.partial || self.newest;
        self.newest = false;
        if !ends_a_line {
            return false;
        }
        if self.seen == self.lines {
            return true;
        }
        self.seen += 1;
        false
    }
}
