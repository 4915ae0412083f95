//! A file system that does not answer: a FUSE whose server is this test. Whoever looks up the name `hang` in
//! it stands in the kernel until the test says so, and not even SIGKILL ends him before.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Receiver, Sender, channel};

use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::{Failure, failed};

/// Requests of the kernel's protocol (`linux/fuse.h`).
const LOOKUP: u32 = 1;
const FORGET: u32 = 2;
const GETATTR: u32 = 3;
const INIT: u32 = 26;
const INTERRUPT: u32 = 36;
const BATCH_FORGET: u32 = 42;

const ENOENT: i32 = 2;
const ENOSYS: i32 = 38;
/// A request's head: length, opcode, unique, node, uid, gid, pid, padding.
const HEAD: usize = 40;
/// The kernel reads nothing out with less room than this.
const ROOM: usize = 128 << 10;

/// Such a file system, while it is mounted.
#[derive(Debug)]
pub struct Hanging {
    /// Where it is mounted.
    pub path: PathBuf,
    device: File,
    hung: Receiver<u64>,
    held: Vec<u64>,
}

impl Hanging {
    /// Mounts one at a folder that is made for it.
    ///
    /// # Errors
    /// If this machine has no FUSE.
    pub fn mount(path: &Path) -> Result<Hanging, Failure> {
        std::fs::create_dir_all(path)?;
        let open = || File::options().read(true).write(true).open("/dev/fuse");
        // A machine that has not used it yet has perhaps not loaded it; if that fails, the second try says so.
        let load = |_| {
            Command::new("modprobe")
                .arg("fuse")
                .status()
                .and_then(|_| open())
        };
        let device = open().or_else(load);
        let device = device.map_err(|error| failed(format!("open /dev/fuse: {error}")))?;
        let options = format!(
            "fd={},rootmode=40000,user_id=0,group_id=0",
            device.as_raw_fd()
        );
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
        mount(Some("hang"), path, Some("fuse"), flags, Some(&*options))?;
        let (sender, hung) = channel();
        let requests = device.try_clone()?;
        // It ends with the file system, or with this process.
        std::thread::spawn(move || serve(requests, &sender));
        Ok(Hanging {
            path: path.to_owned(),
            device,
            hung,
            held: Vec::new(),
        })
    }

    /// Waits until somebody hangs in it.
    ///
    /// # Errors
    /// If that takes too long.
    pub fn until_somebody_hangs(&mut self) -> Result<(), Failure> {
        let hung = self.hung.recv_timeout(crate::at_most_s(30.0));
        self.held
            .push(hung.map_err(|_| failed("nobody has asked for the name that hangs"))?);
        Ok(())
    }

    /// Answers all who hang, that there is no such name.
    ///
    /// # Errors
    /// If the kernel takes no answer.
    pub fn answer(&mut self) -> Result<(), Failure> {
        self.held.extend(self.hung.try_iter());
        for unique in self.held.drain(..) {
            // Who was killed in the meantime may be gone.
            self.device.write_all(&reply(unique, ENOENT, &[])).ok();
        }
        Ok(())
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        self.answer().ok();
        // What stays mounted the leak check finds.
        umount2(&self.path, MntFlags::MNT_DETACH).ok();
        std::fs::remove_dir(&self.path).ok();
    }
}

/// Answers what must be answered, until the file system is gone.
fn serve(mut device: File, hung: &Sender<u64>) {
    let mut request = vec![0; ROOM];
    while let Ok(length) = device.read(&mut request) {
        let Some((opcode, unique, body)) = parts(&request[..length]) else {
            return;
        };
        let answer = match opcode {
            INIT => reply(unique, 0, &init()),
            GETATTR => reply(unique, 0, &attributes()),
            LOOKUP if body.starts_with(b"hang\0") => {
                if hung.send(unique).is_err() {
                    return;
                }
                continue;
            }
            LOOKUP => reply(unique, ENOENT, &[]),
            FORGET | BATCH_FORGET | INTERRUPT => continue,
            _ => reply(unique, ENOSYS, &[]),
        };
        // Who asked may be gone.
        device.write_all(&answer).ok();
    }
}

/// Opcode, unique and body of a request.
fn parts(request: &[u8]) -> Option<(u32, u64, &[u8])> {
    let opcode = u32::from_ne_bytes(request.get(4..8)?.try_into().ok()?);
    let unique = u64::from_ne_bytes(request.get(8..16)?.try_into().ok()?);
    Some((opcode, unique, request.get(HEAD..)?))
}

/// An answer: its length, an error, which request it is for, and a body.
fn reply(unique: u64, error: i32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(16 + body.len()).unwrap_or(16);
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend((-error).to_ne_bytes());
    bytes.extend(unique.to_ne_bytes());
    bytes.extend(body);
    bytes
}

/// Version 7.31, no flags, writes of 4 KiB.
fn init() -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in [7_u32, 31, 0, 0, 0, 4096, 1] {
        bytes.extend(word.to_ne_bytes());
    }
    bytes.resize(64, 0);
    bytes
}

/// Those of the root: a folder that everybody may read, valid for an hour.
fn attributes() -> Vec<u8> {
    let mut bytes = 3600_u64.to_ne_bytes().to_vec();
    bytes.extend([0; 8]);
    bytes.extend(1_u64.to_ne_bytes());
    bytes.extend([0; 52]);
    for word in [0o040_755_u32, 2] {
        bytes.extend(word.to_ne_bytes());
    }
    bytes.resize(16 + 88, 0);
    bytes
}
