//! How does the child tell its parent how far it got?
//!
//! Messages of nine bytes on a socket that keeps them apart: what kind, where, which errno. `Ready`
//! comes just before the program; the end of the stream after it means that the program runs.
//! A terminal that the child has opened comes beside its message as a descriptor.

use std::cell::RefCell;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use outrigger_sys::{Errno, fd_passing};
use rustix::io::{read, write};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair,
};

/// Where in the child's work something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// At this step of the list.
    Step(u32),
    /// In the end that all lists have.
    Part(Part),
}

/// The parts of the end, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Enter,
    Join,
    OomScore,
    Terminal,
    Process,
    Output,
    Session,
    Keyring,
    Limits,
    Directory,
    Outside,
    Bounding,
    Groups,
    User,
    Parent,
    Descriptors,
    Capabilities,
    NoNewPrivileges,
    Seccomp,
    Search,
    Exec,
}

const PARTS: [(Part, &str); 21] = [
    (Part::Enter, "enter the container's namespaces"),
    (Part::Join, "join the cgroups"),
    (Part::OomScore, "set oom_score_adj"),
    (Part::Terminal, "open a terminal in /dev/pts"),
    (Part::Process, "make a process"),
    (Part::Output, "take standard input and output"),
    (Part::Session, "begin a session"),
    (Part::Keyring, "make a session keyring"),
    (Part::Limits, "set resource limits"),
    (Part::Directory, "change to the working directory"),
    (
        Part::Outside,
        "use the working directory, which is outside of the container",
    ),
    (Part::Bounding, "bound capabilities"),
    (Part::Groups, "set the groups"),
    (Part::User, "set the user"),
    (Part::Parent, "tie its life to its parent's"),
    (Part::Descriptors, "close the host's descriptors"),
    (Part::Capabilities, "set capabilities"),
    (Part::NoNewPrivileges, "forbid new privileges"),
    (Part::Seccomp, "load the seccomp profile"),
    (Part::Search, "find the program"),
    (Part::Exec, "execute the program"),
];

impl Part {
    /// The operation, for messages.
    pub(crate) fn operation(self) -> &'static str {
        PARTS[self as usize].1
    }
}

const PART: u32 = 0x8000_0000;
const FAILED: u8 = 1;
const WARNED: u8 = 2;
const READY: u8 = 3;
const TERMINAL: u8 = 4;
const RUNS: u8 = 5;
const ENDED: u8 = 6;

/// The child's end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Report<'a> {
    socket: BorrowedFd<'a>,
}

impl<'a> Report<'a> {
    pub(crate) fn new(socket: BorrowedFd<'a>) -> Report<'a> {
        Report { socket }
    }

    /// The one descriptor that the child keeps to its end.
    pub(crate) fn socket(&self) -> BorrowedFd<'a> {
        self.socket
    }

    /// Tells of a failure and gives the status to end with.
    pub(crate) fn fail(&self, place: Place, errno: Errno) -> i32 {
        // Nobody is left to be told when this fails.
        let _ = self.send(FAILED, place, errno.raw_os_error());
        1
    }

    /// Tells of something that was left out.
    pub(crate) fn warn(&self, place: Place, errno: Errno) {
        // If the parent is gone, `ready` will notice.
        let _ = self.send(WARNED, place, errno.raw_os_error());
    }

    /// Says that only the program is missing. Fails when the parent is gone.
    pub(crate) fn ready(&self) -> Result<(), Errno> {
        self.send(READY, Place::Step(0), 0)
    }

    /// Says, after `ready`, that the program runs or has said why not.
    pub(crate) fn runs(&self) -> Result<(), Errno> {
        self.send(RUNS, Place::Step(0), 0)
    }

    /// Says that the program has ended, with this code.
    pub(crate) fn ended(&self, code: i32) -> Result<(), Errno> {
        self.send(ENDED, Place::Step(0), code)
    }

    /// Waits for the word to go on; fails when the parent goes instead.
    pub(crate) fn wait(&self) -> Result<(), Errno> {
        let mut byte = [0_u8];
        match read(self.socket, &mut byte)? {
            1 => Ok(()),
            _ => Err(Errno::PIPE),
        }
    }

    /// Gives the controlling side of the program's terminal away.
    pub(crate) fn give(&self, controller: BorrowedFd<'_>) -> Result<(), Errno> {
        let bytes = message(TERMINAL, Place::Step(0), 0);
        fd_passing::send(self.socket, &bytes, &[controller]).map(drop)
    }

    /// By `write`, and the word to go on is taken by `read`: a strict seccomp profile may refuse what is
    /// for sockets alone. Without a parent there is nobody to tell, and a signal then is as good an end.
    fn send(&self, kind: u8, place: Place, errno: i32) -> Result<(), Errno> {
        write(self.socket, &message(kind, place, errno)).map(drop)
    }
}

fn message(kind: u8, place: Place, errno: i32) -> [u8; 9] {
    let place = match place {
        Place::Step(index) => index & !PART,
        Place::Part(part) => PART | part as u32,
    };
    let mut bytes = [0_u8; 9];
    bytes[0] = kind;
    bytes[1..5].copy_from_slice(&place.to_le_bytes());
    bytes[5..].copy_from_slice(&errno.to_le_bytes());
    bytes
}

/// What came from the child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Message {
    Failed(Place, Errno),
    Warned(Place, Errno),
    Ready,
    /// The program runs, or has failed and said so before.
    Runs,
    /// The program has ended, and perhaps not all that it has left.
    Ended(i32),
    /// Nothing more will come.
    End,
}

/// The parent's end.
#[derive(Debug)]
pub(crate) struct Reader {
    socket: OwnedFd,
    /// What came beside a message.
    terminal: RefCell<Option<OwnedFd>>,
}

impl Reader {
    /// Both ends, close-on-exec.
    pub(crate) fn pair() -> Result<(Reader, OwnedFd), Errno> {
        let (socket, child) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )?;
        let terminal = RefCell::new(None);
        Ok((Reader { socket, terminal }, child))
    }

    /// The controlling side of the terminal that the child has opened.
    pub(crate) fn terminal(&self) -> Option<OwnedFd> {
        self.terminal.take()
    }

    /// The next message.
    pub(crate) fn next(&self) -> Result<Message, Errno> {
        let mut bytes = [0_u8; 9];
        loop {
            match fd_passing::receive(&self.socket, &mut bytes) {
                Err(Errno::INTR) => {}
                // The child was killed with the word to go on unread.
                Ok((0, _)) | Err(Errno::CONNRESET) => return Ok(Message::End),
                Ok((9, mut descriptors)) if bytes[0] == TERMINAL => {
                    self.terminal.replace(descriptors.pop());
                }
                Ok((9, _)) => return parse(bytes),
                Ok(_) => return Err(Errno::PROTO),
                Err(errno) => return Err(errno),
            }
        }
    }

    /// The next message if there is one by now; `AGAIN` if there is none.
    pub(crate) fn try_next(&self) -> Result<Message, Errno> {
        let mut bytes = [0_u8; 9];
        match recv(&self.socket, &mut bytes, RecvFlags::DONTWAIT) {
            Ok((9, _)) => parse(bytes),
            Ok((0, _)) | Err(Errno::CONNRESET) => Ok(Message::End),
            Ok(_) => Err(Errno::PROTO),
            Err(errno) => Err(errno),
        }
    }

    /// Readable when there is a message.
    pub(crate) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// The word to go on.
    pub(crate) fn go(&self) -> Result<(), Errno> {
        send(&self.socket, &[1], SendFlags::NOSIGNAL).map(drop)
    }
}

fn parse(bytes: [u8; 9]) -> Result<Message, Errno> {
    let [kind, a, b, c, d, e, f, g, h] = bytes;
    let (place, errno) = (
        u32::from_le_bytes([a, b, c, d]),
        i32::from_le_bytes([e, f, g, h]),
    );
    let place = if place & PART == 0 {
        Place::Step(place)
    } else {
        let part = PARTS.get((place & !PART) as usize).ok_or(Errno::PROTO)?;
        Place::Part(part.0)
    };
    match kind {
        READY => Ok(Message::Ready),
        RUNS => Ok(Message::Runs),
        ENDED => Ok(Message::Ended(errno)),
        FAILED if errno > 0 => Ok(Message::Failed(place, Errno::from_raw_os_error(errno))),
        WARNED if errno > 0 => Ok(Message::Warned(place, Errno::from_raw_os_error(errno))),
        _ => Err(Errno::PROTO),
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn messages_arrive_as_they_were_sent_and_then_the_end() {
        let (reader, child) = Reader::pair().unwrap();
        let report = Report::new(child.as_fd());
        report.warn(Place::Part(Part::Keyring), Errno::DQUOT);
        report.ready().unwrap();
        assert_eq!(report.fail(Place::Step(7), Errno::NOENT), 1);
        drop(child);
        assert_eq!(
            reader.next(),
            Ok(Message::Warned(Place::Part(Part::Keyring), Errno::DQUOT))
        );
        assert_eq!(reader.next(), Ok(Message::Ready));
        assert_eq!(
            reader.next(),
            Ok(Message::Failed(Place::Step(7), Errno::NOENT))
        );
        assert_eq!(reader.next(), Ok(Message::End));
    }

    #[test]
    fn a_terminal_comes_beside_the_messages() {
        let (reader, child) = Reader::pair().unwrap();
        let report = Report::new(child.as_fd());
        let (kept, given) = Reader::pair().unwrap();
        report.give(given.as_fd()).unwrap();
        report.ready().unwrap();
        assert_eq!(reader.next(), Ok(Message::Ready));
        let terminal = reader.terminal().unwrap();
        assert!(reader.terminal().is_none());
        Report::new(terminal.as_fd()).ready().unwrap();
        assert_eq!(kept.next(), Ok(Message::Ready));
    }

    #[test]
    fn the_parts_stand_in_their_order() {
        for (index, (part, _)) in PARTS.iter().enumerate() {
            assert_eq!(*part as usize, index);
        }
    }
}
