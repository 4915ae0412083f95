//! Who is at the other end of a connection, and what waits to be read from and written to it?

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use outrigger_sys::fd_passing;
use outrigger_wire::frame::{self, Decoder, FrameError};
use outrigger_wire::{Call, Message};
use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::SendFlags;

/// How much one read takes; calls are small.
const READ_BYTES: usize = 4096;
/// What may wait for a node that does not read, before it is dropped.
const MAX_WAITING_BYTES: usize = 8 << 20;

/// A connection is of no use any more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PeerError {
    #[error("the connection was closed")]
    Closed,
    #[error("the node does not read what it asked for")]
    Stalled,
    #[error("use the connection")]
    Io(#[source] io::Error),
    #[error("read a call")]
    Frame(#[from] FrameError),
}

/// A connection from a node.
#[derive(Debug)]
pub(crate) struct Peer {
    /// Its number in this shim's life.
    pub(crate) serial: u64,
    /// Whether it has said `Hello`.
    pub(crate) greeted: bool,
    socket: OwnedFd,
    decoder: Decoder,
    waiting: VecDeque<Frame>,
    waiting_bytes: usize,
}

/// Bytes on their way out.
#[derive(Debug)]
struct Frame {
    bytes: Vec<u8>,
    sent: usize,
    descriptors: Vec<OwnedFd>,
}

impl Peer {
    /// Takes a socket that does not block.
    pub(crate) fn new(serial: u64, socket: OwnedFd) -> Peer {
        let (decoder, waiting) = (Decoder::default(), VecDeque::new());
        Peer {
            serial,
            greeted: false,
            socket,
            decoder,
            waiting,
            waiting_bytes: 0,
        }
    }

    /// What to wait for.
    pub(crate) fn interest(&self) -> (BorrowedFd<'_>, PollFlags) {
        let writing = if self.waiting.is_empty() {
            PollFlags::empty()
        } else {
            PollFlags::OUT
        };
        (self.socket.as_fd(), PollFlags::IN | writing)
    }

    /// Reads what is there; gives the calls that are whole.
    pub(crate) fn read(&mut self) -> Result<Vec<Call>, PeerError> {
        let mut bytes = [0; READ_BYTES];
        let mut calls = Vec::new();
        loop {
            match rustix::io::read(&self.socket, &mut bytes) {
                Ok(0) if calls.is_empty() => return Err(PeerError::Closed),
                // What came before the end is done first; the end is read again next time.
                Ok(0) => return Ok(calls),
                Ok(count) => self.decoder.push(&bytes[..count]),
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => return Ok(calls),
                Err(error) => return Err(PeerError::Io(error.into())),
            }
            while let Some(call) = self.decoder.message()? {
                calls.push(call);
            }
        }
    }

    /// Sends a message, now or when there is room.
    pub(crate) fn send(
        &mut self,
        message: &Message,
        descriptors: Vec<OwnedFd>,
    ) -> Result<(), PeerError> {
        let bytes = frame::encode(message)?;
        self.waiting_bytes += bytes.len();
        self.waiting.push_back(Frame {
            bytes,
            sent: 0,
            descriptors,
        });
        if self.waiting_bytes > MAX_WAITING_BYTES {
            return Err(PeerError::Stalled);
        }
        self.flush()
    }

    /// Whether all that was sent has left.
    pub(crate) fn is_flushed(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Writes as much as there is room for.
    pub(crate) fn flush(&mut self) -> Result<(), PeerError> {
        while let Some(frame) = self.waiting.front_mut() {
            let sent = match transmit(&self.socket, frame) {
                Ok(sent) => sent,
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::PIPE | Errno::CONNRESET) => return Err(PeerError::Closed),
                Err(error) => return Err(PeerError::Io(error.into())),
            };
            frame.sent += sent;
            frame.descriptors = Vec::new();
            self.waiting_bytes -= sent;
            if frame.sent == frame.bytes.len() {
                self.waiting.pop_front();
            }
        }
        self.waiting.shrink_to(4);
        Ok(())
    }
}

/// One write; descriptors go with the frame's first byte.
fn transmit(socket: &OwnedFd, frame: &Frame) -> Result<usize, Errno> {
    let bytes = &frame.bytes[frame.sent..];
    if frame.descriptors.is_empty() {
        return rustix::net::send(socket, bytes, SendFlags::NOSIGNAL);
    }
    let descriptors: Vec<_> = frame.descriptors.iter().map(AsFd::as_fd).collect();
    fd_passing::send(socket, bytes, &descriptors)
}
