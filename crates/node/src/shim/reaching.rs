//! Is there a shim already, and is it one that we can speak with?

use std::io::ErrorKind;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use outrigger_wire::{Event, LedgerEntry, Reply, Request};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::own_file;
use crate::shim::{CallError, Connection, Shim};

/// A shim that is there and was greeted.
#[derive(Debug)]
pub(crate) struct Greeted {
    /// The shim.
    pub(crate) shim: Shim,
    /// Whether the Pod's namespaces, mounts and cgroup are made.
    pub(crate) prepared: bool,
    /// The containers that were started and not removed.
    pub(crate) containers: Vec<String>,
    /// The events that were missed.
    pub(crate) missed: Vec<Event>,
    /// Those that will come.
    pub(crate) events: UnboundedReceiver<Event>,
}

/// A shim that was not reached.
#[derive(Debug)]
pub(crate) enum Reaching {
    /// Nobody listens.
    Gone,
    /// It is there and takes nobody now.
    Busy,
    /// It does not speak our protocol.
    Stranger(String),
}

impl Shim {
    /// Connects to a shim that an earlier node started, for the events after `resume_after`.
    ///
    /// # Errors
    /// If it is not there or is none of ours. That it never answers is the caller's to bound.
    pub(crate) async fn connect(socket: &Path, resume_after: u64) -> Result<Greeted, Reaching> {
        let opened = Connection::open(socket).await;
        let (connection, mut events) = opened.map_err(|error| match error.kind() {
            ErrorKind::NotFound | ErrorKind::ConnectionRefused => Reaching::Gone,
            _ => Reaching::Busy,
        })?;
        let hello = Request::Hello {
            version: outrigger_wire::VERSION,
            resume_after,
        };
        let (prepared, containers, confines) = match connection.call(hello).await {
            Ok((
                Reply::Hello {
                    prepared,
                    containers,
                    seccomp,
                    ..
                },
                _,
            )) => (prepared, containers, seccomp),
            Ok(_) => return Err(Reaching::Stranger("it does not greet".to_owned())),
            // Whether it is gone or only hung up shows when it is asked again.
            Err(
                CallError::Gone | CallError::Silent | CallError::Late { .. } | CallError::Unfitting,
            ) => {
                return Err(Reaching::Busy);
            }
            Err(error @ CallError::Refused(_)) => {
                return Err(Reaching::Stranger(error.to_string()));
            }
        };
        // The events that were missed come right after the greeting, and so before the answer to
        // whatever is asked then.
        match connection.call(Request::CancelExec { call: 0 }).await {
            Ok(_) | Err(CallError::Refused(_)) => {}
            Err(
                CallError::Gone | CallError::Silent | CallError::Late { .. } | CallError::Unfitting,
            ) => {
                return Err(Reaching::Busy);
            }
        }
        let mut missed = Vec::new();
        while let Ok(event) = events.try_recv() {
            missed.push(event);
        }
        Ok(Greeted {
            shim: Shim {
                connection,
                confines,
            },
            prepared,
            containers,
            missed,
            events,
        })
    }
}

/// The longest ledger that is read: a thousand times the size from which on it is shortened.
const LONGEST_LEDGER_BYTES: u64 = 64 << 20;

/// What stands in the ledger of a shim that is gone after the event `resume_after`: what it wrote down
/// and had nobody to tell. Its last line may have been cut.
pub(crate) fn unheard(ledger: &Path, resume_after: u64) -> Vec<Event> {
    // Without a ledger nothing is known.
    let bytes = own_file::read(ledger, LONGEST_LEDGER_BYTES).unwrap_or_default();
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let whole = lines.filter_map(|line| line.strip_suffix(b"\n"));
    whole
        .map_while(LedgerEntry::read)
        .filter(|event| event.seq > resume_after)
        .collect()
}

/// Whether a process listens at `socket`.
pub(crate) fn listens(socket: &Path) -> bool {
    dial(socket).map_or_else(is_perhaps_there, |_| true)
}

/// Whether somebody may listen where connecting fails like this. A node that lacks descriptors or memory
/// of its own has not found out, and must not take away what a shim lives in.
fn is_perhaps_there(errno: Errno) -> bool {
    let own = [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::NOBUFS];
    errno == Errno::AGAIN || own.contains(&errno)
}

/// Connects without ever waiting; a queue that is full is `EAGAIN`.
fn dial(socket: &Path) -> Result<OwnedFd, Errno> {
    let address = SocketAddrUnix::new(socket)?;
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let stream = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    connect(&stream, &address)?;
    Ok(stream)
}

/// Kills the process that listens at `socket`; gives its process id, if it is there. It never waits:
/// one that takes nobody any more, as it is stopped and its queue is full, is left alone.
pub(crate) fn kill_listener(socket: &Path) -> Option<i32> {
    kill_peer(dial(socket).ok()?)
}

/// The process of a Pod's shim that may take nobody any more: it holds the Pod's ledger locked as long as
/// it lives. Gives its process id, too.
pub(crate) fn holder(ledger: &Path) -> Option<(OwnedFd, i32)> {
    let inode = std::fs::metadata(ledger).ok()?.ino();
    let pid = locked_by(&std::fs::read_to_string("/proc/locks").ok()?, inode)?;
    let process = pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()?;
    // A file system other than the ledger's may have such an inode too, and a number may become another
    // process' in between: it is the one whose command line names the ledger, and that still holds it.
    let command = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let names = |argument: &[u8]| argument == ledger.as_os_str().as_bytes();
    let again = locked_by(&std::fs::read_to_string("/proc/locks").ok()?, inode);
    let is_shim = command.split(|byte| *byte == 0).any(names);
    (is_shim && again == Some(pid)).then_some((process, pid))
}

/// Who holds the file with this inode number alone, by the text of `/proc/locks`:
/// `1: FLOCK  ADVISORY  WRITE 708 08:01:1234 0 EOF`.
fn locked_by(locks: &str, inode: u64) -> Option<i32> {
    let inode = inode.to_string();
    let held = locks.lines().find_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let kind = (words.next()?, words.next()?, words.next()?);
        let (pid, file) = (words.next()?, words.next()?);
        let same =
            kind == ("FLOCK", "ADVISORY", "WRITE") && file.rsplit(':').next() == Some(&inode);
        same.then(|| pid.parse().ok())
    });
    held.flatten()
}

/// Kills the process at the other end of a connection, if it is still there; gives its process id.
pub(super) fn kill_peer(stream: impl AsFd) -> Option<i32> {
    let (process, pid) = peer(stream)?;
    pidfd_send_signal(process, Signal::KILL).ok()?;
    Some(pid)
}

/// The process at the other end of a connection, if it is still there, and its id.
pub(super) fn peer(stream: impl AsFd) -> Option<(OwnedFd, i32)> {
    let credentials = rustix::net::sockopt::socket_peercred(&stream).ok()?;
    let process = pidfd_open(credentials.pid, PidfdFlags::empty()).ok()?;
    // It has not hung up even now, so it was alive when the descriptor was made, and that is its own:
    // its number cannot have become another process' before.
    let mut ends = [PollFd::new(&stream, PollFlags::empty())];
    poll(&mut ends, Some(&Timespec::default())).ok()?;
    if ends[0].revents().contains(PollFlags::HUP) {
        return None;
    }
    Some((process, credentials.pid.as_raw_nonzero().get()))
}

#[cfg(test)]
mod tests {
    use outrigger_wire::{EventKind, Stamp};

    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn who_cannot_ask_has_not_found_that_nobody_is_there() {
        for errno in [Errno::AGAIN, Errno::MFILE, Errno::NFILE, Errno::NOMEM] {
            assert!(is_perhaps_there(errno), "{errno}");
        }
        for errno in [Errno::NOENT, Errno::CONNREFUSED, Errno::NAMETOOLONG] {
            assert!(!is_perhaps_there(errno), "{errno}");
        }
    }

    #[test]
    fn a_listener_whose_queue_is_full_is_there_and_nobody_waits_for_it() {
        let scratch = Scratch::new();
        let socket = scratch.path.join("shim.sock");
        assert!(!listens(&socket));
        let flags = SocketFlags::CLOEXEC;
        let listener = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).unwrap();
        rustix::net::bind(&listener, &SocketAddrUnix::new(&socket).unwrap()).unwrap();
        rustix::net::listen(&listener, 0).unwrap();
        let first = dial(&socket).unwrap();
        assert_eq!(dial(&socket).unwrap_err(), Errno::AGAIN);
        assert!(listens(&socket));
        assert_eq!(kill_listener(&socket), None);
        drop((first, listener));
        assert!(!listens(&socket));
    }

    #[test]
    fn whoever_holds_a_ledger_is_named_by_the_kernel() {
        let locks = "1: POSIX  ADVISORY  WRITE 7 08:01:12 0 EOF\n\
                     2: FLOCK  ADVISORY  WRITE 708 00:1a:1234 0 EOF\n\
                     2: -> FLOCK  ADVISORY  WRITE 9 00:1a:1234 0 EOF\n";
        assert_eq!(locked_by(locks, 1234), Some(708));
        assert_eq!(locked_by(locks, 12), None);
        let scratch = Scratch::new();
        let ledger = scratch.path.join("ledger");
        std::fs::write(&ledger, "").unwrap();
        assert!(holder(&ledger).is_none());
        let mut shim = std::process::Command::new("flock")
            .arg(&ledger)
            .args(["sh", "-c", "echo up; read -r end"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut up = [0; 3];
        let mut said = shim.stdout.take().unwrap();
        std::io::Read::read_exact(&mut said, &mut up).unwrap();
        let pid = i32::try_from(shim.id()).unwrap();
        assert_eq!(holder(&ledger).map(|(_, pid)| pid), Some(pid));
        drop(shim.stdin.take());
        shim.wait().unwrap();
        assert!(holder(&ledger).is_none());
    }

    #[test]
    fn a_ledger_tells_all_whole_lines_that_nobody_has_heard() {
        let scratch = Scratch::new();
        let file = scratch.path.join("ledger");
        assert_eq!(unheard(&file, 0), []);
        let event = |seq| Event {
            seq,
            at: Stamp {
                boot_ns: seq,
                wall_ns: 0,
            },
            kind: EventKind::Started {
                container: "a".to_owned(),
                pid: 7,
            },
        };
        let mut bytes = Vec::new();
        for seq in 1..=3 {
            serde_json::to_writer(&mut bytes, &event(seq)).unwrap();
            bytes.push(b'\n');
        }
        std::fs::write(&file, &bytes).unwrap();
        assert_eq!(unheard(&file, 1), [event(2), event(3)]);
        std::fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
        assert_eq!(unheard(&file, 1), [event(2)]);
    }
}
