//! What did a container have to say at its end? (`terminationMessagePath` and its policy.)

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use outrigger_wire::cri_log;
use rustix::fs::{Mode, OFlags};

use crate::beneath;

/// How much of the file counts: its end.
const FILE_LIMIT: u64 = 4096;
/// How much of the log counts when it stands in for the file.
const LOG_LIMIT_BYTES: usize = 2048;
const LOG_LIMIT_LINES: usize = 80;
/// How far from the log's end we look: entries carry time and stream besides their text.
const LOG_WINDOW: u64 = 64 << 10;

/// The message that an instance left in a file. One that cannot be read is an empty message, as the
/// container may have done to it what it liked.
pub(crate) fn in_file(file: &Path) -> String {
    let bytes = tail(file, FILE_LIMIT).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The message of an instance that ended: its own, or what stands in for an empty one.
pub(crate) fn message(own: String, log: Option<&Path>) -> String {
    match log {
        Some(log) if own.is_empty() => {
            let log = beneath::file(log).and_then(|log| end_of(log, LOG_WINDOW));
            from_log(&log.unwrap_or_default())
        }
        _ => own,
    }
}

/// The last bytes of a regular file. The container owns the file's content and could have put
/// anything in its place, so no link is followed and nothing is waited for.
fn tail(path: &Path, limit: u64) -> std::io::Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    end_of(
        File::from(rustix::fs::open(path, flags, Mode::empty())?),
        limit,
    )
}

fn end_of(mut file: File, limit: u64) -> std::io::Result<Vec<u8>> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(std::io::Error::other("not a regular file"));
    }
    file.seek(SeekFrom::Start(metadata.len().saturating_sub(limit)))?;
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The last lines of a log in the CRI's format, without its times and stream names.
fn from_log(log: &[u8]) -> String {
    let mut texts: Vec<u8> = Vec::new();
    for line in log.split(|byte| *byte == b'\n') {
        // The first line of the window is most often the end of one, which is no entry.
        if let Some(entry) = cri_log::parse(line) {
            entry.append_to(&mut texts);
        }
    }
    let start = texts.len().saturating_sub(LOG_LIMIT_BYTES);
    let mut kept = &texts[start..];
    let lines = kept.iter().filter(|byte| **byte == b'\n').count();
    for _ in LOG_LIMIT_LINES..lines {
        let end = kept
            .iter()
            .position(|byte| *byte == b'\n')
            .map_or(kept.len(), |at| at + 1);
        kept = &kept[end..];
    }
    String::from_utf8_lossy(kept).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn the_end_of_a_long_file_is_the_message_and_the_log_only_stands_in_for_an_empty_one() {
        let scratch = Scratch::new();
        let (file, log) = (scratch.path.join("message"), scratch.path.join("0.log"));
        std::fs::write(
            &log,
            "2026-01-01T00:00:00Z stdout P a\n2026-01-01T00:00:00Z stderr F b\n",
        )
        .unwrap();
        std::fs::write(&file, "x".repeat(5000)).unwrap();
        assert_eq!(message(in_file(&file), Some(&log)).len(), 4096);
        std::fs::write(&file, "").unwrap();
        assert_eq!(message(in_file(&file), Some(&log)), "ab\n");
        assert_eq!(message(in_file(&file), None), "");
    }

    #[test]
    fn a_link_in_the_place_of_the_file_is_not_followed() {
        let scratch = Scratch::new();
        let secret = scratch.path.join("secret");
        std::fs::write(&secret, "secret").unwrap();
        std::os::unix::fs::symlink(&secret, scratch.path.join("message")).unwrap();
        assert_eq!(in_file(&scratch.path.join("message")), "");
    }

    #[test]
    fn at_most_eighty_lines_of_the_log_are_kept() {
        let log: String = (0..100)
            .map(|n| format!("2026-01-01T00:00:00Z stdout F {n}\n"))
            .collect();
        let kept = from_log(log.as_bytes());
        assert_eq!(
            (kept.lines().count(), kept.lines().next()),
            (80, Some("20"))
        );
    }
}
