//! Does all that a container writes come into its log, and how fast?

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use outrigger_wire::cri_log::Reader;
use rustix::event::{PollFd, PollFlags, poll};

use super::*;

fn folder() -> PathBuf {
    static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let path =
        Path::new("/dev/shm").join(format!("outrigger-pump-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&path).unwrap();
    path
}

/// Writes `rounds` times the bytes in pieces of 4 KiB while a pump reads, and gives the log.
fn pumped(bytes: &'static [u8], rounds: usize, max_bytes: u64) -> (PathBuf, f64) {
    let folder = folder();
    let path = folder.join("0.log");
    let log = LogFile::open(outrigger_wire::LogFile {
        path,
        max_bytes,
        max_files: 2,
    })
    .unwrap();
    let ((stdout, to_stdout), (stderr, to_stderr)) = (pipe().unwrap(), pipe().unwrap());
    let (mut pump, mut buffers) = (Pump::new(stdout, Some(stderr), log), Buffers::new());
    let begin = Instant::now();
    let writing = std::thread::spawn(move || {
        let mut stdout = File::from(to_stdout);
        for _ in 0..rounds {
            bytes
                .chunks(4096)
                .for_each(|piece| stdout.write_all(piece).unwrap());
        }
        File::from(to_stderr).write_all(b"no newline").unwrap();
    });
    loop {
        let open: Vec<usize> = pump.pipes().map(|(index, _)| index).collect();
        if open.is_empty() {
            break;
        }
        let mut fds: Vec<_> = pump
            .pipes()
            .map(|(_, fd)| PollFd::from_borrowed_fd(fd, PollFlags::IN))
            .collect();
        poll(&mut fds, None).unwrap();
        drop(fds);
        open.into_iter()
            .for_each(|index| pump.turn(index, &mut buffers));
    }
    pump.drain(&mut buffers);
    writing.join().unwrap();
    let mib = (bytes.len() * rounds) as f64 / f64::from(1 << 20);
    (folder, mib / begin.elapsed().as_secs_f64())
}

#[test]
fn what_is_written_is_logged_to_the_last_byte() {
    let line: &'static [u8] = b"a line of no great length\n".repeat(20_000).leak();
    let (folder, _) = pumped(line, 1, u64::MAX);
    let mut reader = Reader::default();
    reader.push(&std::fs::read(folder.join("0.log")).unwrap());
    let mut got = [Vec::new(), Vec::new()];
    while let Some(entry) = reader.entry() {
        let entry = entry.unwrap();
        entry.append_to(&mut got[usize::from(entry.stream == Stream::Stderr)]);
    }
    assert!(got[0] == line);
    assert_eq!(got[1], b"no newline");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
#[ignore = "it measures; run it with --release --nocapture"]
fn the_log_is_fast() {
    for length in [30, 100, 1000, 8000] {
        let lines: &'static [u8] = format!("{}\n", "x".repeat(length - 1))
            .repeat((16 << 20) / length)
            .into_bytes()
            .leak();
        let (folder, mib_per_s) = pumped(lines, 64, 64 << 20);
        println!("lines of {length} bytes: {mib_per_s:.0} MiB/s");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
