//! One connection to a shim: frames out, frames and descriptors in.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use outrigger_wire::frame::{self, Decoder};
use outrigger_wire::{Call, Event, Message, Refusal, Reply, Request, Stage};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};

use crate::shim::CallError;

type Answer = Result<(Reply, Option<OwnedFd>), Refusal>;

/// The calls that wait for their reply; `None` once the connection is over.
type Waiting = Arc<Mutex<Option<BTreeMap<u64, oneshot::Sender<Answer>>>>>;

/// A connection. It ends when this value is dropped, and a shim with a lease on it then ends too.
#[derive(Debug)]
pub(crate) struct Connection {
    /// Frames go through one task, so that a call that is given up half-way cuts no frame.
    frames: mpsc::UnboundedSender<Vec<u8>>,
    waiting: Waiting,
    next_id: AtomicU64,
    tasks: [tokio::task::JoinHandle<()>; 2],
}

impl Drop for Connection {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Connection {
    /// Connects, and begins to read.
    pub(super) async fn open(
        socket: &Path,
    ) -> io::Result<(Connection, mpsc::UnboundedReceiver<Event>)> {
        let stream = Arc::new(UnixStream::connect(socket).await?);
        let waiting: Waiting = Arc::new(Mutex::new(Some(BTreeMap::new())));
        let (events, receiver) = mpsc::unbounded_channel();
        let (frames, outgoing) = mpsc::unbounded_channel();
        let tasks = [
            tokio::spawn(read(Arc::clone(&stream), Arc::clone(&waiting), events)),
            tokio::spawn(write(stream, outgoing)),
        ];
        Ok((
            Connection {
                frames,
                waiting,
                next_id: AtomicU64::new(1),
                tasks,
            },
            receiver,
        ))
    }

    /// Asks, and waits for the answer.
    pub(super) async fn call(
        &self,
        request: Request,
    ) -> Result<(Reply, Option<OwnedFd>), CallError> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let bytes = frame::encode(&Call { id, request }).map_err(|error| {
            CallError::Refused(Refusal {
                message: error.to_string(),
                stage: Stage::Protocol,
            })
        })?;
        let (sender, answer) = oneshot::channel();
        match &mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(waiting) => waiting.insert(id, sender),
            None => return Err(CallError::Gone),
        };
        self.frames.send(bytes).map_err(|_| CallError::Gone)?;
        answer
            .await
            .map_err(|_| CallError::Gone)?
            .map_err(CallError::Refused)
    }
}

/// Writes frames until the connection ends; the reader notices that end too and tells everybody.
async fn write(stream: Arc<UnixStream>, mut frames: mpsc::UnboundedReceiver<Vec<u8>>) {
    while let Some(frame) = frames.recv().await {
        let mut rest = frame.as_slice();
        while !rest.is_empty() {
            if stream.writable().await.is_err() {
                return;
            }
            match stream.try_write(rest) {
                Ok(count) => rest = &rest[count..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }
}

/// Reads until the connection ends. Whatever goes wrong, it is the end of the connection: the
/// calls that wait are told so by their senders being dropped.
async fn read(stream: Arc<UnixStream>, waiting: Waiting, events: mpsc::UnboundedSender<Event>) {
    let mut decoder = Decoder::default();
    let mut sockets = VecDeque::new();
    let mut buffer = vec![0; 16 << 10];
    while let Ok(count) = receive(&stream, &mut buffer, &mut sockets).await {
        decoder.push(&buffer[..count]);
        let mut sound = count > 0;
        while sound {
            match decoder.message::<Message>() {
                Ok(Some(message)) => sound = deliver(message, &waiting, &mut sockets, &events),
                Ok(None) => break,
                Err(_) => sound = false,
            }
        }
        if !sound {
            break;
        }
    }
    waiting
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
}

/// Hands one message to whom it concerns; false if nobody listens any more.
fn deliver(
    message: Message,
    waiting: &Waiting,
    sockets: &mut VecDeque<OwnedFd>,
    events: &mpsc::UnboundedSender<Event>,
) -> bool {
    let (id, result) = match message {
        Message::Event(event) => return events.send(event).is_ok(),
        Message::Reply { id, result } => (id, result),
    };
    let answer = result.map(|reply| match reply {
        // Descriptors come in the order of the frames they belong to.
        Reply::Socket => (Reply::Socket, sockets.pop_front()),
        other => (other, None),
    });
    let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(sender) = waiting.as_mut().and_then(|waiting| waiting.remove(&id)) {
        // Whoever asked may have given up on the answer.
        sender.send(answer).ok();
    }
    true
}

async fn receive(
    stream: &UnixStream,
    buffer: &mut [u8],
    sockets: &mut VecDeque<OwnedFd>,
) -> io::Result<usize> {
    loop {
        stream.readable().await?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = stream.try_io(Interest::READABLE, || {
            let mut slices = [IoSliceMut::new(buffer)];
            Ok(recvmsg(
                stream,
                &mut slices,
                &mut control,
                RecvFlags::CMSG_CLOEXEC,
            )?)
        });
        match received {
            Ok(message) => {
                for part in control.drain() {
                    if let RecvAncillaryMessage::ScmRights(descriptors) = part {
                        sockets.extend(descriptors);
                    }
                }
                return Ok(message.bytes);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}
