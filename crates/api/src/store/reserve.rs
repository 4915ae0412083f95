//! How does an object end on a disk that is full? A file beside the store holds blocks that nobody else can use. What
//! ends an object, and so makes room, gets them piece by piece when there are no others; they are taken again when
//! there is room.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FallocateFlags, OFlags, fallocate, fstatvfs};
use rustix::io::Errno;

/// What is kept: a change to the store takes some dozens of KiB.
const BYTES: u64 = 4 << 20;
/// What is given up at once.
const PIECE: u64 = 1 << 20;
/// How often it is tried to take them again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// `st_blocks` counts these.
const BLOCK: u64 = 512;

/// The blocks that are kept.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    /// How many bytes are kept now.
    kept: u64,
    tried: Option<Instant>,
}

impl Reserve {
    /// Keeps blocks in `reserve` in this directory. Without room for it there is none, for now.
    pub(super) fn open(directory: &Path) -> Reserve {
        let path = directory.join("reserve");
        let found = path.symlink_metadata();
        let kept = found.map_or(0, |found| found.len().min(found.blocks() * BLOCK));
        let mut reserve = Reserve {
            path,
            kept,
            tried: None,
        };
        reserve.mend();
        reserve
    }

    /// Gives a piece to the store; whether there was one.
    pub(super) fn release(&mut self, store: &Path) -> bool {
        if self.kept == 0 {
            return false;
        }
        let left = self.kept.saturating_sub(PIECE);
        let given = open(&self.path).and_then(|file| {
            file.set_len(left)?;
            // At once: whoever has filled the disk may go on filling it.
            if hand_over(store).is_err() {
                // Some file systems give blocks to others only when it is written down that they are free.
                file.sync_all()?;
                hand_over(store).ok();
            }
            Ok(())
        });
        match &given {
            Ok(()) => tracing::warn!(
                path = %self.path.display(), left,
                "the disk is full: room that was kept for deletions is used; make room on it"
            ),
            Err(error) => tracing::error!(path = %self.path.display(), "cannot be cut: {error}"),
        }
        self.kept = left;
        given.is_ok()
    }

    /// Takes again what was given up, if there is room for twice as much.
    pub(super) fn mend(&mut self) {
        let is_early = self
            .tried
            .is_some_and(|tried| tried.elapsed() < AGAIN_AFTER);
        if self.kept >= BYTES || is_early {
            return;
        }
        self.tried = Some(Instant::now());
        match fill(&self.path, BYTES - self.kept) {
            Ok(true) => self.kept = BYTES,
            Ok(false) => {}
            Err(error) => tracing::warn!(
                path = %self.path.display(),
                "no room can be kept for deletions on a full disk: {error}"
            ),
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed())
        .open(path)
}

/// Takes blocks for what the store writes next, in its holes and behind its end.
fn hand_over(store: &Path) -> io::Result<()> {
    let file = open(store)?;
    let end = file.metadata()?.len() + PIECE / 2;
    Ok(fallocate(&file, FallocateFlags::KEEP_SIZE, 0, end)?)
}

/// Fills the file up to its size; whether there was room.
fn fill(path: &Path, missing: u64) -> io::Result<bool> {
    let mut file = open(path)?;
    let disk = fstatvfs(&file)?;
    if disk.f_bavail.saturating_mul(disk.f_frsize) < missing.saturating_mul(2) {
        return Ok(false);
    }
    let filled = match fallocate(&file, FallocateFlags::empty(), 0, BYTES) {
        // Some file systems know no other way.
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => write_zeros(&mut file),
        filled => filled.map_err(io::Error::from),
    };
    if filled.is_err() {
        file.set_len(0)?;
    }
    filled.map(|()| true)
}

fn write_zeros(file: &mut File) -> io::Result<()> {
    let zeros = vec![0; 64 << 10];
    let mut left = BYTES;
    while left > 0 {
        let now = left.min(zeros.len() as u64);
        file.write_all(&zeros[..usize::try_from(now).unwrap_or(zeros.len())])?;
        left -= now;
    }
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_kept_given_up_in_pieces_and_taken_again() {
        let name = format!("outrigger-reserve-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory).unwrap();
        let mut reserve = Reserve::open(&directory);
        let blocks = || directory.join("reserve").metadata().unwrap().blocks() * BLOCK;
        assert!(blocks() >= BYTES);
        let mut pieces = 0;
        while reserve.release(&directory.join("store")) {
            pieces += 1;
        }
        assert_eq!((pieces, blocks()), (4, 0));
        let store = directory.join("store").metadata().unwrap();
        assert!(store.len() == 0 && store.blocks() * BLOCK >= PIECE / 2);
        // Not again at once, and after a restart.
        reserve.mend();
        assert_eq!(blocks(), 0);
        drop(Reserve::open(&directory));
        assert!(blocks() >= BYTES);
        for file in ["reserve", "store"] {
            std::fs::remove_file(directory.join(file)).unwrap();
        }
        std::fs::remove_dir(&directory).unwrap();
    }
}
