//! One connection to a shim: frames out, frames and descriptors in.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use outrigger_pod::text::{MESSAGE_MAX_BYTES, bound};
use outrigger_wire::frame::{self, Decoder};
use outrigger_wire::{Call, Event, Message, Refusal, Reply, Request, Stage, Streams};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};

use crate::shim::CallError;
use crate::shim::hearing::Hearing;
use crate::shim::reaching::{kill_peer, peer};

/// A good answer with the descriptors that came beside it.
pub(super) type Answered = (Reply, Vec<OwnedFd>);
type Answer = Result<Answered, Refusal>;

/// Who waits for what; `None` once the connection is over.
type Waiting = Arc<Mutex<Option<Waiters>>>;

#[derive(Debug, Default)]
struct Waiters {
    /// The calls that wait for their reply.
    replies: BTreeMap<u64, oneshot::Sender<Answer>>,
    /// The interactive commands that wait for their end.
    ends: BTreeMap<u64, oneshot::Sender<i32>>,
}

/// A connection. It ends when this value is dropped, and a shim with a lease on it then ends too.
#[derive(Debug)]
pub(crate) struct Connection {
    /// Frames go through one task, so that a call that is given up half-way cuts no frame.
    frames: mpsc::UnboundedSender<Vec<u8>>,
    waiting: Waiting,
    next_id: AtomicU64,
    hearing: Arc<Hearing>,
    stream: Arc<UnixStream>,
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
        let waiting: Waiting = Arc::new(Mutex::new(Some(Waiters::default())));
        let (events, receiver) = mpsc::unbounded_channel();
        let (frames, outgoing) = mpsc::unbounded_channel();
        let hearing = Arc::new(Hearing::new());
        let incoming = Incoming {
            waiting: Arc::clone(&waiting),
            hearing: Arc::clone(&hearing),
            events,
        };
        let tasks = [
            tokio::spawn(read(Arc::clone(&stream), incoming)),
            tokio::spawn(write(Arc::clone(&stream), outgoing)),
        ];
        Ok((
            Connection {
                frames,
                waiting,
                next_id: AtomicU64::new(1),
                hearing,
                stream,
                tasks,
            },
            receiver,
        ))
    }

    /// Asks, and waits for the answer.
    pub(super) async fn call(&self, request: Request) -> Result<Answered, CallError> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        self.ask(id, request, None).await
    }

    /// Asks for something that goes on after the answer; the receiver gives the code of its end, or
    /// fails if the connection ends before. The number is for [`Connection::cancel`].
    pub(super) async fn begin(
        &self,
        request: Request,
    ) -> Result<(Answered, oneshot::Receiver<i32>, u64), CallError> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (sender, ended) = oneshot::channel();
        let mut given_up = GivenUp {
            connection: self,
            call: Some(id),
        };
        let answered = self.ask(id, request, Some(sender)).await;
        given_up.call = None;
        if answered.is_err()
            && let Some(waiters) = &mut *lock(&self.waiting)
        {
            waiters.ends.remove(&id);
        }
        Ok((answered?, ended, id))
    }

    /// What is known of its answers.
    pub(super) fn hearing(&self) -> &Hearing {
        &self.hearing
    }

    /// The process at the other end, if it is there.
    pub(super) fn process(&self) -> Option<OwnedFd> {
        peer(&*self.stream).map(|(process, _)| process)
    }

    /// Kills the process at the other end, if it is there; gives its process id.
    pub(super) fn kill(&self) -> Option<i32> {
        kill_peer(&*self.stream)
    }

    /// Asks for the end of what a call began; nobody waits for the answer.
    pub(super) fn cancel(&self, call: u64) {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let request = Request::CancelExec { call };
        if let Ok(bytes) = frame::encode(&Call { id, request }) {
            // Without a connection it has ended already.
            self.frames.send(bytes).ok();
        }
    }

    async fn ask(
        &self,
        id: u64,
        request: Request,
        end: Option<oneshot::Sender<i32>>,
    ) -> Result<Answered, CallError> {
        let bytes = frame::encode(&Call { id, request }).map_err(|error| {
            CallError::Refused(Refusal {
                message: error.to_string(),
                stage: Stage::Protocol,
            })
        })?;
        let (sender, answer) = oneshot::channel();
        match &mut *lock(&self.waiting) {
            Some(waiters) => {
                waiters.replies.insert(id, sender);
                waiters.ends.extend(end.map(|end| (id, end)));
            }
            None => return Err(CallError::Gone),
        }
        self.frames.send(bytes).map_err(|_| CallError::Gone)?;
        answer
            .await
            .map_err(|_| CallError::Gone)?
            .map_err(CallError::Refused)
    }
}

/// Takes back what was asked for by somebody who does not wait for the answer any more: it must not begin
/// when nobody is there to see it.
struct GivenUp<'c> {
    connection: &'c Connection,
    call: Option<u64>,
}

impl Drop for GivenUp<'_> {
    fn drop(&mut self) {
        let Some(call) = self.call else { return };
        if let Some(waiters) = &mut *lock(&self.connection.waiting) {
            waiters.replies.remove(&call);
            waiters.ends.remove(&call);
        }
        self.connection.cancel(call);
    }
}

/// Where what comes goes.
struct Incoming {
    waiting: Waiting,
    hearing: Arc<Hearing>,
    events: mpsc::UnboundedSender<Event>,
}

fn lock(waiting: &Waiting) -> MutexGuard<'_, Option<Waiters>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
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
async fn read(stream: Arc<UnixStream>, incoming: Incoming) {
    let Incoming {
        waiting,
        hearing,
        events,
    } = incoming;
    let mut decoder = Decoder::default();
    let mut sockets = VecDeque::new();
    let mut buffer = vec![0; 16 << 10];
    while let Ok(count) = receive(&stream, &mut buffer, &mut sockets).await {
        hearing.hears();
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
    lock(&waiting).take();
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
        Message::Ended { id, code } => {
            let mut waiting = lock(waiting);
            if let Some(sender) = waiting.as_mut().and_then(|all| all.ends.remove(&id)) {
                // Whoever asked may not wait for the end.
                sender.send(code).ok();
            }
            return true;
        }
    };
    let result = result.map_err(|mut refusal| {
        bound(&mut refusal.message, MESSAGE_MAX_BYTES);
        refusal
    });
    let answer = result.map(|reply| {
        // Descriptors come in the order of the frames they belong to.
        let count = descriptors(&reply).min(sockets.len());
        (reply, sockets.drain(..count).collect())
    });
    let mut waiting = lock(waiting);
    if let Some(sender) = waiting.as_mut().and_then(|all| all.replies.remove(&id)) {
        // Whoever asked may have given up on the answer.
        sender.send(answer).ok();
    }
    true
}

/// How many descriptors come beside a reply.
fn descriptors(reply: &Reply) -> usize {
    match reply {
        Reply::Socket => 1,
        Reply::Streams(Streams {
            stdin,
            stdout,
            stderr,
            terminal,
        }) => [stdin, stdout, stderr, terminal]
            .into_iter()
            .filter(|there| **there)
            .count(),
        _ => 0,
    }
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
