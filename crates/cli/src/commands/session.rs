//! How does a command in a Pod speak with our terminal, and which exit code does it leave?

use std::io::{IsTerminal, Write};

use hyper::body::Bytes;
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::args::Streams;
use crate::client::{Channels, Client, Place, Refusal, Sender};
use crate::failure::Failure;
use crate::terminal::{self, Raw};

pub(super) const STDIN: u8 = 0;
pub(super) const STDOUT: u8 = 1;
pub(super) const STDERR: u8 = 2;
pub(super) const OUTCOME: u8 = 3;
const RESIZE: u8 = 4;
/// Its message names a channel that nothing more comes on.
pub(super) const CLOSE: u8 = 255;
/// The protocol whose channels can be closed.
pub(super) const PROTOCOL: &str = "v5.channel.k8s.io";
/// How much is read of our input at once.
const PIECE: usize = 32 << 10;

/// Carries a session to its end: the command's exit code.
pub(super) async fn session(
    client: &Client,
    place: Place,
    streams: &Streams,
) -> Result<u8, Failure> {
    let with_input = streams.stdin;
    let with_terminal = streams.tty && with_input && std::io::stdin().is_terminal();
    if streams.tty && !with_terminal && !streams.quiet {
        crate::screen::error(
            "Unable to use a TTY - input is not a terminal or the right kind of file",
        );
    }
    let place = place
        .with("stdin", with_input)
        .with("stdout", true)
        .with("stderr", !with_terminal)
        .with("tty", with_terminal);
    let (sender, channels) = client.channels(place, PROTOCOL).await?;
    let mut ends = Ends::listen().map_err(|error| Failure::of("listen for signals", &error))?;
    let raw = if with_terminal { Raw::lend()? } else { None };
    let outcome = tokio::select! {
        outcome = hear(channels) => outcome,
        outcome = speak(sender, with_input, with_terminal) => outcome,
        code = ends.next() => Ok(Outcome::Left(code)),
    };
    drop(raw);
    match outcome? {
        Outcome::Status(status) => {
            let code = code_of(&status)?;
            if code != 0 {
                crate::screen::error(&format!("command terminated with exit code {code}"));
            }
            Ok(code)
        }
        Outcome::Left(code) => Ok(code),
        Outcome::Lost => Err(Failure::say(
            "the daemon has closed the stream before the command ended",
        )),
    }
}

enum Outcome {
    Status(Value),
    Left(u8),
    Lost,
}

/// Prints what comes, until it is said what came of it.
async fn hear(mut channels: Channels) -> Result<Outcome, Failure> {
    let failed = |error: std::io::Error| Failure::of("write what the command says", &error);
    while let Some((channel, piece)) = channels.next().await {
        match channel {
            STDOUT => print(std::io::stdout().lock(), &piece).map_err(failed)?,
            STDERR => print(std::io::stderr().lock(), &piece).map_err(failed)?,
            OUTCOME => {
                let status = serde_json::from_slice(&piece)
                    .map_err(|error| Failure::of("read what came of the command", &error))?;
                return Ok(Outcome::Status(status));
            }
            _ => {}
        }
    }
    Ok(Outcome::Lost)
}

/// A terminal that another program has made non-blocking may have no room just now.
fn print(mut to: impl Write, piece: &Bytes) -> std::io::Result<()> {
    let mut rest = &piece[..];
    while !rest.is_empty() {
        match to.write(rest) {
            Ok(length) => rest = &rest[length..],
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                std::thread::yield_now()
            }
            Err(error) => return Err(error),
        }
    }
    to.flush()
}

/// Passes on what is typed and how large the terminal is; it ends only when the other side is gone.
async fn speak(
    mut sender: Sender,
    with_input: bool,
    with_terminal: bool,
) -> Result<Outcome, Failure> {
    let mut resized = signal(SignalKind::window_change())
        .map_err(|error| Failure::of("listen for signals", &error))?;
    let mut stdin = tokio::io::stdin();
    let mut piece = vec![0; PIECE];
    let mut is_open = with_input;
    let mut alive = true;
    if with_terminal && let Some(size) = terminal::size() {
        alive = sender.send(RESIZE, &size).await;
    }
    while alive {
        tokio::select! {
            read = stdin.read(&mut piece), if is_open => match read {
                Ok(0) | Err(_) => {
                    is_open = false;
                    alive = sender.send(CLOSE, &[STDIN]).await;
                }
                Ok(length) => alive = sender.send(STDIN, &piece[..length]).await,
            },
            Some(()) = resized.recv(), if with_terminal => {
                if let Some(size) = terminal::size() {
                    alive = sender.send(RESIZE, &size).await;
                }
            }
            else => break,
        }
    }
    // What came of it may still be on its way.
    std::future::pending().await
}

/// The exit code that a `Status` tells.
pub(super) fn code_of(status: &Value) -> Result<u8, Failure> {
    if status["status"] == "Success" {
        return Ok(0);
    }
    let causes = status["details"]["causes"].as_array();
    let code = causes.into_iter().flatten().find_map(|cause| {
        let code = cause["message"].as_str()?.parse::<i64>().ok()?;
        (cause["reason"] == "ExitCode").then_some(code)
    });
    match code {
        Some(code) => Ok(u8::try_from(code).unwrap_or(1)),
        None => Err(Refusal::Status(status.clone()).into()),
    }
}

/// The signals that end us; without a terminal of our own to lend, Ctrl-C is one of them.
struct Ends {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
    quit: Signal,
}

impl Ends {
    fn listen() -> std::io::Result<Ends> {
        Ok(Ends {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            quit: signal(SignalKind::quit())?,
        })
    }

    async fn next(&mut self) -> u8 {
        tokio::select! {
            _ = self.interrupt.recv() => 130,
            _ = self.terminate.recv() => 143,
            _ = self.hang_up.recv() => 129,
            _ = self.quit.recv() => 131,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::code_of;

    #[test]
    fn the_commands_exit_code_becomes_ours() {
        assert_eq!(code_of(&json!({ "status": "Success" })).unwrap(), 0);
        let cause = json!({ "reason": "ExitCode", "message": "3" });
        let failed = json!({ "status": "Failure", "reason": "NonZeroExitCode", "details": { "causes": [cause] } });
        assert_eq!(code_of(&failed).unwrap(), 3);
        let refused =
            json!({ "status": "Failure", "reason": "InternalError", "message": "no such command" });
        let words = code_of(&refused).unwrap_err().0;
        assert_eq!(words, "Error from server (InternalError): no such command");
    }
}
