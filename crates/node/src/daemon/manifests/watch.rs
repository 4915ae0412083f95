//! When is the folder to be looked at again? When inotify says so, and in any case each 20 seconds, as the
//! kubelet does, or each minute on a disk of this machine, of which inotify hears everything; each second
//! where there is no inotify to be had.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::sleep;

use crate::awaited::readable;

/// How often it is looked at although nothing is heard: another machine may have changed it.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often on a file system that only this machine changes; then only a mount or another folder of its
/// parent's name can have been missed, and an idle machine is not to be woken often.
const PATIENCE_HERE: Duration = Duration::from_secs(60);
/// The types of such file systems: ext4, XFS, Btrfs, tmpfs, overlay, F2FS, ZFS.
const OF_THIS_MACHINE: [u64; 7] = [
    0xef53,
    0x5846_5342,
    0x9123_683e,
    0x0102_1994,
    0x794c_7630,
    0xf2f5_2010,
    0x2fc1_2fc1,
];
/// How often it is looked at when nothing can be heard.
const IMPATIENCE: Duration = Duration::from_secs(1);
/// Who writes one file often writes more.
const SETTLING: Duration = Duration::from_millis(20);

/// Hears of changes.
pub(super) struct Changes {
    path: PathBuf,
    /// What is really listened to.
    nearest: PathBuf,
    ear: io::Result<AsyncFd<OwnedFd>>,
}

impl Changes {
    /// Begins to listen. It needs a tokio runtime.
    pub(super) fn of(path: &Path) -> Changes {
        Changes {
            path: path.to_owned(),
            nearest: nearest(path).to_owned(),
            ear: listen(path),
        }
    }

    /// Why nothing can be heard, if that is so.
    pub(super) fn problem(&self) -> Option<String> {
        let error = self.ear.as_ref().err()?;
        Some(format!(
            "watch {} with inotify: {error}",
            self.path.display()
        ))
    }

    /// Waits until it is time to look.
    pub(super) async fn next(&mut self) {
        let Ok(ear) = &self.ear else {
            sleep(IMPATIENCE).await;
            // The folder may have been made, or an inotify instance may have become free.
            self.nearest = nearest(&self.path).to_owned();
            self.ear = listen(&self.path);
            return;
        };
        tokio::select! {
            () = sleep(patience(&self.nearest)) => {
                // The folder may have been replaced by another of its name.
                if let Ok(ear) = &self.ear && watch(ear.get_ref(), nearest(&self.path)).is_err() {
                    self.ear = listen(&self.path);
                }
            }
            heard = ear.async_io(Interest::READABLE, drain) => {
                sleep(SETTLING).await;
                if heard.is_err() || self.nearest != nearest(&self.path) {
                    self.nearest = nearest(&self.path).to_owned();
                    self.ear = listen(&self.path);
                }
            }
        }
    }
}

/// For how long nothing heard means that nothing happened.
fn patience(path: &Path) -> Duration {
    let kind = rustix::fs::statfs(path).map(|found| u64::try_from(found.f_type).unwrap_or(0));
    match kind {
        Ok(kind) if OF_THIS_MACHINE.contains(&kind) => PATIENCE_HERE,
        _ => PATIENCE,
    }
}

fn listen(path: &Path) -> io::Result<AsyncFd<OwnedFd>> {
    let ear = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
    watch(&ear, nearest(path))?;
    readable(ear)
}

/// The folder itself, or where it would have to be made first.
fn nearest(path: &Path) -> &Path {
    path.ancestors()
        .find(|folder| folder.is_dir())
        .unwrap_or(path)
}

fn watch(ear: &OwnedFd, path: &Path) -> io::Result<()> {
    // A file is complete when it was closed or moved in place; a queue that ran over tells too.
    let flags = WatchFlags::CLOSE_WRITE
        | WatchFlags::MOVED_TO
        | WatchFlags::MOVED_FROM
        | WatchFlags::DELETE
        | WatchFlags::CREATE
        | WatchFlags::ATTRIB
        | WatchFlags::DELETE_SELF
        | WatchFlags::MOVE_SELF
        | WatchFlags::ONLYDIR;
    inotify::add_watch(ear, path, flags)?;
    Ok(())
}

/// Reads all that is there: what it says does not matter, the folder is looked at as a whole.
fn drain(ear: &OwnedFd) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); 4096];
    let mut reader = inotify::Reader::new(ear, &mut space);
    let mut gone = false;
    let first = reader.next()?;
    gone |= first.events().contains(inotify::ReadFlags::IGNORED);
    while let Ok(event) = reader.next() {
        gone |= event.events().contains(inotify::ReadFlags::IGNORED);
    }
    match gone {
        false => Ok(()),
        true => Err(io::ErrorKind::NotFound.into()),
    }
}
