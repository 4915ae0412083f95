//! What did the containers write, and when exactly? Their log files are removed with the Pod, so
//! they are opened as they appear and read through the open descriptors.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// One line of a CRI log file.
#[derive(Debug, Clone, PartialEq)]
pub struct LogLine {
    /// The folder of the Pod: `<namespace>_<name>_<uid>`.
    pub pod: String,
    /// The container.
    pub container: String,
    /// Which attempt wrote it.
    pub attempt: u32,
    /// The line as it stands in the file.
    pub raw: String,
    /// Its time, in seconds since the epoch; 0 if it cannot be read.
    pub at_s: f64,
    /// `stdout` or `stderr`.
    pub stream: String,
    /// `F` or `P`.
    pub tag: String,
    /// What the container wrote.
    pub text: String,
}

/// Watches a logs folder while the program runs.
#[derive(Debug)]
pub(crate) struct Capture {
    stop: Arc<AtomicBool>,
    watcher: JoinHandle<BTreeMap<PathBuf, File>>,
    folder: PathBuf,
}

impl Capture {
    pub(crate) fn start(folder: &Path) -> Capture {
        let stop = Arc::new(AtomicBool::new(false));
        let (seen, watched) = (Arc::clone(&stop), folder.to_path_buf());
        let watcher = std::thread::spawn(move || {
            let mut open = BTreeMap::new();
            while !seen.load(Ordering::Relaxed) {
                open_new(&watched, 0, &mut open);
                std::thread::sleep(Duration::from_millis(10));
            }
            open_new(&watched, 0, &mut open);
            open
        });
        Capture {
            stop,
            watcher,
            folder: folder.to_path_buf(),
        }
    }

    /// All lines, in the order of their times.
    pub(crate) fn finish(self) -> Vec<LogLine> {
        self.stop.store(true, Ordering::Relaxed);
        let Ok(files) = self.watcher.join() else {
            return Vec::new();
        };
        let mut lines = Vec::new();
        for (path, mut file) in files {
            let mut bytes = Vec::new();
            if file.read_to_end(&mut bytes).is_ok() {
                let text = String::from_utf8_lossy(&bytes);
                lines.extend(
                    text.lines()
                        .filter_map(|line| read_line(&self.folder, &path, line)),
                );
            }
        }
        lines.sort_by(|a, b| a.at_s.total_cmp(&b.at_s));
        lines
    }
}

/// Pod folder, container folder, file: three levels.
fn open_new(folder: &Path, depth: u32, open: &mut BTreeMap<PathBuf, File>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        if depth < 2 {
            open_new(&path, depth + 1, open);
        } else if !open.contains_key(&path)
            && path.extension().is_some_and(|end| end == "log")
            && let Ok(file) = File::open(&path)
        {
            open.insert(path, file);
        }
    }
}

fn read_line(logs: &Path, file: &Path, line: &str) -> Option<LogLine> {
    let mut names = file
        .strip_prefix(logs)
        .ok()?
        .iter()
        .map(|part| part.to_string_lossy());
    let (pod, container) = (names.next()?.into_owned(), names.next()?.into_owned());
    let mut fields = line.splitn(4, ' ');
    let at_s = epoch_s(fields.next()?).unwrap_or(0.0);
    Some(LogLine {
        pod,
        container,
        attempt: names.next()?.split('.').next()?.parse().ok()?,
        raw: line.to_string(),
        at_s,
        stream: fields.next()?.to_string(),
        tag: fields.next()?.to_string(),
        text: fields.next().unwrap_or("").to_string(),
    })
}

/// `2026-11-23T09:04:03.123456789Z` or `…+00:00` in seconds since the epoch.
fn epoch_s(stamp: &str) -> Option<f64> {
    let number = |from: usize, to: usize| stamp.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute) = (number(11, 13)?, number(14, 16)?);
    let rest = stamp.get(17..)?;
    let end = rest.find(['Z', '+', '-'])?;
    let seconds: f64 = rest.get(..end)?.parse().ok()?;
    let zone = &rest[end..];
    let offset_s = match zone {
        "Z" => 0,
        _ => {
            let (hours, minutes) = zone.get(1..)?.split_once(':')?;
            let size = hours.parse::<i64>().ok()? * 3_600 + minutes.parse::<i64>().ok()? * 60;
            if zone.starts_with('-') { -size } else { size }
        }
    };
    // Days since the epoch, with the year beginning in March so that leap days come last.
    let (y, m) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days =
        365 * y + y.div_euclid(4) - y.div_euclid(100) + y.div_euclid(400) + (153 * m + 2) / 5 + day
            - 1
            - 719_468;
    Some((days * 86_400 + hour * 3_600 + minute * 60 - offset_s) as f64 + seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_seconds_since_the_epoch() {
        assert_eq!(epoch_s("1970-01-01T00:00:00.5Z"), Some(0.5));
        assert_eq!(epoch_s("2024-02-29T12:00:00Z"), Some(1_709_208_000.0));
        assert_eq!(epoch_s("2024-02-29T14:00:00+02:00"), Some(1_709_208_000.0));
        assert_eq!(epoch_s("yesterday"), None);
    }

    #[test]
    fn a_log_line_is_taken_apart() {
        let file = Path::new("/logs/default_web_123/main/2.log");
        let line = read_line(
            Path::new("/logs"),
            file,
            "1970-01-01T00:00:01Z stderr P some text",
        )
        .unwrap();
        assert_eq!(
            (line.container.as_str(), line.attempt, line.at_s),
            ("main", 2, 1.0)
        );
        assert_eq!(
            (line.stream.as_str(), line.tag.as_str(), line.text.as_str()),
            ("stderr", "P", "some text")
        );
    }
}
