//! How do a command's streams travel in one WebSocket? As channels: each message begins with the
//! number of its own. Output and the outcome go one way, input and the terminal's size the other.

mod greeting;

use std::future::Future;
use std::os::fd::OwnedFd;
use std::time::Duration;

use futures_util::stream::SplitSink;
use futures_util::{SinkExt, Stream, StreamExt};
use hyper::body::Bytes;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message};

use super::PIECE;
use crate::{Failure, Refused, Session};

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const OUTCOME: u8 = 3;
const RESIZE: u8 = 4;
const CLOSE: u8 = 255;

/// Messages of input that wait for a command that does not read.
const INPUT_WAITING: usize = 8;
/// kubectl hangs up if it hears nothing for a minute; and a client that is gone shows by this too.
const HEARTBEAT: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 10 });
/// When a command is over but something else holds its output open, this much silence is the end.
const SILENCE: Duration = Duration::from_millis(500);

/// What the client is told at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// The command's exit code.
    ExitCode,
    /// Only that it is over.
    Over,
}

type Input = Box<dyn AsyncWrite + Send + Unpin>;
type Output = Box<dyn AsyncRead + Send + Unpin>;

/// Carries a session until it is over or the client is gone; dropping it then ends the command.
pub(super) async fn converse<S>(
    socket: WebSocketStream<S>,
    begin: impl Future<Output = Result<Session, Refused>>,
    ending: Ending,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut sink, mut source) = socket.split();
    let (begun, said) = tokio::join!(begin, greeting::greet(&mut sink, &mut source));
    let Some(said) = said else { return };
    let source = futures_util::stream::iter(said.map(Ok)).chain(source);
    let mut teller = Teller { sink };
    let Session {
        stdin,
        stdout,
        stderr,
        terminal,
        ended,
    } = match begun {
        Ok(session) => session,
        Err(refused) => return teller.finish(&Failure::from(refused).status()).await,
    };
    let (to_stdin, waiting) = mpsc::channel(INPUT_WAITING);
    let output = async {
        let told = teller.output(stdout, stderr, ended).await;
        if let Some(outcome) = told {
            teller.finish(&status(outcome, ending)).await;
        }
    };
    tokio::select! {
        () = output => {}
        () = listen(source, to_stdin, terminal) => {}
        () = write_input(stdin, waiting) => {}
    }
}

/// Hears the client until it is gone.
async fn listen<E>(
    mut source: impl Stream<Item = Result<Message, E>> + Unpin,
    to_stdin: mpsc::Sender<Bytes>,
    terminal: Option<OwnedFd>,
) {
    let mut to_stdin = Some(to_stdin);
    while let Some(Ok(message)) = source.next().await {
        let mut bytes = match message {
            Message::Binary(bytes) => bytes,
            Message::Text(text) => text.into(),
            Message::Close(_) => return,
            _ => continue,
        };
        if bytes.is_empty() {
            continue;
        }
        let channel = bytes.split_to(1)[0];
        match channel {
            STDIN if !bytes.is_empty() => {
                if let Some(to_stdin) = &to_stdin {
                    // It only fails when the session is over, which others tell the client.
                    let _ = to_stdin.send(bytes).await;
                }
            }
            RESIZE => resize(terminal.as_ref(), &bytes),
            CLOSE if bytes.first() == Some(&STDIN) => to_stdin = None,
            _ => {}
        }
    }
}

/// Writes what comes, and closes the command's input when no more will. Never ends before the session.
async fn write_input(stdin: Option<Input>, mut waiting: mpsc::Receiver<Bytes>) {
    let mut stdin = stdin;
    while let Some(bytes) = waiting.recv().await {
        if let Some(open) = &mut stdin {
            let written = async {
                open.write_all(&bytes).await?;
                open.flush().await
            };
            // The command has closed its input: what else comes is for nobody.
            if written.await.is_err() {
                stdin = None;
            }
        }
    }
    if let Some(mut open) = stdin.take() {
        let _ = open.shutdown().await;
    }
    std::future::pending::<()>().await;
}

fn resize(terminal: Option<&OwnedFd>, size: &[u8]) {
    let Some(terminal) = terminal else { return };
    let Ok(size) = serde_json::from_slice::<Value>(size) else {
        return;
    };
    let cells = |name: &str| {
        let number = size.get(name).and_then(Value::as_u64);
        number.and_then(|number| u16::try_from(number).ok())
    };
    if let (Some(width), Some(height)) = (cells("Width"), cells("Height")) {
        let size = rustix::termios::Winsize {
            ws_row: height,
            ws_col: width,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        if let Err(problem) = rustix::termios::tcsetwinsize(terminal, size) {
            tracing::debug!(%problem, "resize a terminal");
        }
    }
}

/// The side that tells the client.
struct Teller<S> {
    sink: SplitSink<WebSocketStream<S>, Message>,
}

impl<S> Teller<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    /// Sends all output. What came of the command, or `None` if the client is gone.
    async fn output(
        &mut self,
        mut stdout: Option<Output>,
        mut stderr: Option<Output>,
        mut ended: impl Future<Output = Result<i32, Refused>> + Unpin,
    ) -> Option<Result<i32, Refused>> {
        let mut from_stdout = vec![0; PIECE];
        let mut from_stderr = vec![0; if stderr.is_some() { PIECE } else { 1 }];
        let mut outcome = None;
        let mut heartbeat = interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Clients may wait for the first message to know that the command has begun.
        self.send(STDOUT, &[]).await?;
        while outcome.is_none() || stdout.is_some() || stderr.is_some() {
            let silence = Instant::now() + SILENCE;
            tokio::select! {
                read = read(&mut stdout, &mut from_stdout) => match read {
                    0 => stdout = None,
                    length => self.send(STDOUT, &from_stdout[..length]).await?,
                },
                read = read(&mut stderr, &mut from_stderr) => match read {
                    0 => stderr = None,
                    length => self.send(STDERR, &from_stderr[..length]).await?,
                },
                over = &mut ended, if outcome.is_none() => outcome = Some(over),
                _ = heartbeat.tick() => {
                    self.sink.send(Message::Pong(Bytes::new())).await.ok()?;
                }
                () = sleep_until(silence), if outcome.is_some() => break,
            }
        }
        outcome
    }

    async fn send(&mut self, channel: u8, piece: &[u8]) -> Option<()> {
        let mut message = Vec::with_capacity(1 + piece.len());
        message.push(channel);
        message.extend_from_slice(piece);
        self.sink.send(Message::binary(message)).await.ok()
    }

    /// Says what came of it, and goodbye. If the client is gone, nobody hears it.
    async fn finish(&mut self, status: &Value) {
        let _ = self.send(OUTCOME, status.to_string().as_bytes()).await;
        let close = CloseFrame {
            code: CloseCode::Normal,
            reason: "".into(),
        };
        let _ = self.sink.send(Message::Close(Some(close))).await;
    }
}

/// Reads from a stream that is open; 0 at its end. A terminal whose command is gone gives an error.
async fn read(from: &mut Option<Output>, piece: &mut [u8]) -> usize {
    match from {
        Some(open) => open.read(piece).await.unwrap_or(0),
        None => std::future::pending().await,
    }
}

fn status(outcome: Result<i32, Refused>, ending: Ending) -> Value {
    match (outcome, ending) {
        (Ok(0), _) | (Ok(_), Ending::Over) => json!({ "metadata": {}, "status": "Success" }),
        (Ok(code), Ending::ExitCode) => json!({
            "metadata": {}, "status": "Failure", "reason": "NonZeroExitCode",
            "message": format!("command terminated with non-zero exit code: exit status {code}"),
            "details": { "causes": [{ "reason": "ExitCode", "message": code.to_string() }] },
        }),
        (Err(refused), _) => Failure::from(refused).status(),
    }
}

#[cfg(test)]
mod tests;
