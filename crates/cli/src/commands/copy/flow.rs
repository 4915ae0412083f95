//! How does a tar stream flow between a thread that packs or unpacks and a command in a container?

use std::io::{Error, ErrorKind, Read, Write};

use hyper::body::Bytes;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::super::session::{CLOSE, OUTCOME, PROTOCOL, STDERR, STDIN, STDOUT, code_of};
use crate::client::{Client, Place};
use crate::failure::Failure;

/// Pieces that wait for the other side.
const WAITING: usize = 16;
const PIECE: usize = 32 << 10;

/// The end that is written to.
pub(super) struct Pipe {
    pieces: Sender<Bytes>,
}

/// The end that is read from.
pub(super) struct Pieces {
    pieces: Receiver<Bytes>,
}

/// The same for a thread that wants bytes and not pieces.
pub(super) struct Reader {
    pieces: Receiver<Bytes>,
    rest: Bytes,
}

/// What becomes of a command's output.
pub(super) enum Sink {
    /// Nobody wants it.
    Nothing,
    /// It is a complaint.
    Stderr,
    /// It goes into a pipe.
    Pipe(Pipe),
}

impl Pipe {
    pub(super) fn new() -> (Pipe, Pieces) {
        let (sender, pieces) = channel(WAITING);
        (Pipe { pieces: sender }, Pieces { pieces })
    }
}

impl Pieces {
    pub(super) fn reader(self) -> Reader {
        Reader {
            pieces: self.pieces,
            rest: Bytes::new(),
        }
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let piece = &bytes[..bytes.len().min(PIECE)];
        match self.pieces.blocking_send(Bytes::copy_from_slice(piece)) {
            Ok(()) => Ok(piece.len()),
            Err(_) => Err(Error::from(ErrorKind::BrokenPipe)),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Read for Reader {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        while self.rest.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.rest = piece,
                None => return Ok(0),
            }
        }
        let length = into.len().min(self.rest.len());
        into[..length].copy_from_slice(&self.rest.split_to(length));
        Ok(length)
    }
}

/// Runs a command in the container; its exit code.
pub(super) async fn run(
    client: &Client,
    place: Place,
    command: &[&str],
    input: Option<Pieces>,
    sink: Sink,
) -> Result<u8, Failure> {
    let mut place = place
        .with("stdin", input.is_some())
        .with("stdout", true)
        .with("stderr", true);
    for word in command {
        place = place.with("command", word);
    }
    let (mut sender, mut channels) = client.channels(place, PROTOCOL).await?;
    let feed = async {
        if let Some(mut input) = input {
            while let Some(piece) = input.pieces.recv().await {
                if !sender.send(STDIN, &piece).await {
                    break;
                }
            }
            sender.send(CLOSE, &[STDIN]).await;
        }
        // The command's end decides.
        std::future::pending::<()>().await;
    };
    let hear = async {
        while let Some((number, piece)) = channels.next().await {
            match (number, &sink) {
                (OUTCOME, _) => {
                    let status = serde_json::from_slice(&piece)
                        .map_err(|error| Failure::of("read what came of the command", &error))?;
                    return code_of(&status);
                }
                (STDOUT, Sink::Pipe(pipe)) => {
                    let is_heard = piece.is_empty() || pipe.pieces.send(piece).await.is_ok();
                    // A thread that unpacks no more has a reason, which it tells.
                    if !is_heard {
                        return Ok(0);
                    }
                }
                (STDOUT | STDERR, Sink::Stderr) | (STDERR, Sink::Pipe(_)) => {
                    let complaint = std::io::stderr().write_all(&piece);
                    complaint.map_err(|error| Failure::of("write to stderr", &error))?;
                }
                _ => {}
            }
        }
        Err(Failure::say(
            "the daemon has closed the stream before the command ended",
        ))
    };
    tokio::select! {
        () = feed => Ok(0),
        code = hear => code,
    }
}
