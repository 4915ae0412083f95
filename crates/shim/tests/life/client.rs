//! How does a test speak with a shim? As the node does, one call at a time, without tokio.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use outrigger_wire::frame::{Decoder, encode};
use outrigger_wire::{Call, Event, EventKind, Exec, Message, Refusal, Reply, Request, VERSION};

/// No answer of a shim takes this long.
const PATIENCE: Duration = Duration::from_secs(30);

/// Starts a shim and waits until it is ready.
pub(crate) fn spawn(program: &Path, state: &Path) -> Child {
    let mut child = Command::new(program)
        .arg("--socket")
        .arg(state.join("shim.sock"))
        .arg("--ledger")
        .arg(state.join("ledger"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("start {}: {error}", program.display()));
    let mut ready = Vec::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_end(&mut ready)
        .unwrap();
    assert_eq!(ready, b"\n", "the shim is not ready");
    child
}

/// The example `shim` that was built with this program.
pub(crate) fn program() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let profile = own
        .ancestors()
        .find(|folder| folder.join("examples/shim").exists());
    profile
        .expect("build it first: cargo build -p outrigger-shim --example shim")
        .join("examples/shim")
}

/// A connection to a shim.
pub(crate) struct Client {
    socket: UnixStream,
    decoder: Decoder,
    last_id: u64,
    pub(crate) events: VecDeque<Event>,
    pub(crate) replies: Vec<(u64, Result<Reply, Refusal>)>,
    pub(crate) descriptors: Vec<OwnedFd>,
    pub(crate) ended: Vec<(u64, i32)>,
}

impl Client {
    /// Connects without saying anything.
    pub(crate) fn connect(state: &Path) -> Client {
        let socket = UnixStream::connect(state.join("shim.sock")).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let (events, replies, descriptors) = (VecDeque::new(), Vec::new(), Vec::new());
        Client {
            socket,
            decoder: Decoder::default(),
            last_id: 0,
            events,
            replies,
            descriptors,
            ended: Vec::new(),
        }
    }

    /// Connects and greets.
    pub(crate) fn hello(state: &Path, resume_after: u64) -> (Client, bool) {
        let mut client = Client::connect(state);
        let Reply::Hello { prepared, .. } = client.ask(Request::Hello {
            version: VERSION,
            resume_after,
        }) else {
            panic!("not greeted")
        };
        (client, prepared)
    }

    /// Sends a call and gives its number.
    pub(crate) fn send(&mut self, request: Request) -> u64 {
        self.last_id += 1;
        let call = Call {
            id: self.last_id,
            request,
        };
        self.socket.write_all(&encode(&call).unwrap()).unwrap();
        self.last_id
    }

    /// Calls and waits for the answer.
    pub(crate) fn call(&mut self, request: Request) -> Result<Reply, Refusal> {
        let id = self.send(request);
        self.answer(id)
    }

    /// Calls and wants a good answer.
    pub(crate) fn ask(&mut self, request: Request) -> Reply {
        self.call(request)
            .unwrap_or_else(|refusal| panic!("{refusal:?}"))
    }

    /// Waits for the answer to a call.
    pub(crate) fn answer(&mut self, id: u64) -> Result<Reply, Refusal> {
        loop {
            if let Some(at) = self.replies.iter().position(|(known, _)| *known == id) {
                return self.replies.remove(at).1;
            }
            assert!(
                self.receive(),
                "the connection was closed before the answer"
            );
        }
    }

    /// Waits for the next event.
    pub(crate) fn event(&mut self) -> Event {
        while self.events.is_empty() {
            assert!(self.receive(), "the connection was closed before the event");
        }
        self.events.pop_front().unwrap()
    }

    /// Waits for a container's end: code, signal.
    pub(crate) fn exit(&mut self, id: &str) -> (i32, Option<i32>) {
        loop {
            match self.event().kind {
                EventKind::Exited {
                    container,
                    code,
                    signal,
                    ..
                } if container == id => return (code, signal),
                _ => {}
            }
        }
    }

    /// Runs a command in a container.
    pub(crate) fn exec(
        &mut self,
        container: &str,
        args: &[&str],
        timeout_ms: Option<u64>,
    ) -> Result<Reply, Refusal> {
        self.call(Request::Exec(exec(container, args, timeout_ms)))
    }

    /// Waits for the end of an interactive command.
    pub(crate) fn end(&mut self, call: u64) -> i32 {
        loop {
            if let Some((_, code)) = self.ended.iter().find(|(id, _)| *id == call) {
                return *code;
            }
            assert!(self.receive(), "the connection was closed before the end");
        }
    }

    /// Asks for streams and gives them: stdin, stdout, stderr, terminal.
    pub(crate) fn streams(&mut self, request: Request) -> (u64, [Option<File>; 4]) {
        let call = self.send(request);
        let Reply::Streams(streams) = self.answer(call).unwrap() else {
            panic!("no streams")
        };
        let mut descriptors = self.descriptors.drain(..);
        let mut one = |is_there: bool| {
            is_there.then(|| {
                let descriptor = descriptors.next().unwrap();
                rustix::io::ioctl_fionbio(&descriptor, false).unwrap();
                File::from(descriptor)
            })
        };
        let all = [
            one(streams.stdin),
            one(streams.stdout),
            one(streams.stderr),
            one(streams.terminal),
        ];
        assert!(descriptors.next().is_none(), "more than was said");
        (call, all)
    }

    /// Whether the shim has hung up; waits for it.
    pub(crate) fn is_hung_up(&mut self) -> bool {
        while self.receive() {}
        true
    }

    fn receive(&mut self) -> bool {
        let mut bytes = [0; 16 * 1024];
        let (count, descriptors) =
            outrigger_sys::fd_passing::receive(&self.socket, &mut bytes).unwrap();
        self.descriptors.extend(descriptors);
        self.decoder.push(&bytes[..count]);
        while let Some(message) = self.decoder.message().unwrap() {
            match message {
                Message::Reply { id, result } => self.replies.push((id, result)),
                Message::Event(event) => self.events.push_back(event),
                Message::Ended { id, code } => self.ended.push((id, code)),
            }
        }
        count > 0
    }
}

/// A command to run.
pub(crate) fn exec(container: &str, args: &[&str], timeout_ms: Option<u64>) -> Exec {
    let args = args.iter().map(|&arg| arg.to_owned()).collect();
    Exec {
        container: container.to_owned(),
        args,
        timeout_ms,
        output_limit: 100,
        token: None,
    }
}
