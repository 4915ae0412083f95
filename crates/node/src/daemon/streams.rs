//! How do the descriptors that a shim hands over become streams?

use std::io;
use std::net::TcpStream as Unconnected;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use outrigger_api::{Interaction, Refused, Session};
use outrigger_wire::Streams;
use rustix::io::Errno;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::unix::pipe;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::oneshot;

use crate::shim::Shim;

type Ending = Pin<Box<dyn Future<Output = Result<i32, Refused>> + Send>>;
type Source = Box<dyn AsyncRead + Send + Unpin>;
type Target = Box<dyn AsyncWrite + Send + Unpin>;

/// The end of a command that was begun; dropped before, it kills the command.
pub(crate) struct Ended {
    shim: Arc<Shim>,
    call: u64,
    code: oneshot::Receiver<i32>,
    over: bool,
}

impl Ended {
    /// Of the command with this number.
    pub(crate) fn new(shim: Arc<Shim>, call: u64, code: oneshot::Receiver<i32>) -> Ended {
        Ended {
            shim,
            call,
            code,
            over: false,
        }
    }

    async fn wait(mut self) -> Result<i32, Refused> {
        let code = (&mut self.code).await;
        self.over = true;
        code.map_err(|_| Refused::Internal("the pod's shim is gone".to_owned()))
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        if !self.over {
            self.shim.cancel(self.call);
        }
    }
}

/// The descriptors by name.
#[derive(Default)]
struct Ends {
    stdin: Option<OwnedFd>,
    stdout: Option<OwnedFd>,
    stderr: Option<OwnedFd>,
    terminal: Option<OwnedFd>,
}

impl Ends {
    fn of(streams: Streams, descriptors: Vec<OwnedFd>) -> io::Result<Ends> {
        let mut descriptors = descriptors.into_iter();
        let mut next = |wanted: bool| match wanted {
            true => descriptors
                .next()
                .map(Some)
                .ok_or_else(|| io::Error::other("the shim sent too few descriptors")),
            false => Ok(None),
        };
        Ok(Ends {
            stdin: next(streams.stdin)?,
            stdout: next(streams.stdout)?,
            stderr: next(streams.stderr)?,
            terminal: next(streams.terminal)?,
        })
    }
}

/// The session of a command.
pub(crate) fn of_exec(
    streams: Streams,
    descriptors: Vec<OwnedFd>,
    wanted: Interaction,
    ended: Ended,
) -> io::Result<Session> {
    let ends = Ends::of(streams, descriptors)?;
    let (mut stdin, mut stdout) = (target(ends.stdin)?, source(ends.stdout)?);
    if let Some(terminal) = &ends.terminal {
        if wanted.stdin {
            stdin = Some(Box::new(Terminal::of(terminal)?));
        }
        stdout = Some(Box::new(Terminal::of(terminal)?));
    }
    Ok(Session {
        stdin,
        stdout,
        stderr: source(ends.stderr)?,
        terminal: ends.terminal,
        ended: Box::pin(ended.wait()),
    })
}

/// The session of someone who takes part in a container's streams.
pub(crate) fn of_attach(
    streams: Streams,
    descriptors: Vec<OwnedFd>,
    wanted: Interaction,
    ended: Ending,
) -> io::Result<Session> {
    let ends = Ends::of(streams, descriptors)?;
    let mut stdin = target(ends.stdin)?;
    if let (true, None, Some(terminal)) = (wanted.stdin, &stdin, &ends.terminal) {
        stdin = Some(Box::new(Terminal::of(terminal)?));
    }
    let (stdout, stderr) = (source(ends.stdout)?, source(ends.stderr)?);
    Ok(Session {
        stdin: stdin.filter(|_| wanted.stdin),
        stdout: stdout.filter(|_| wanted.stdout),
        stderr: stderr.filter(|_| wanted.stderr),
        terminal: ends.terminal,
        ended,
    })
}

fn source(pipe: Option<OwnedFd>) -> io::Result<Option<Source>> {
    let Some(pipe) = pipe else { return Ok(None) };
    Ok(Some(Box::new(pipe::Receiver::from_owned_fd(pipe)?)))
}

fn target(pipe: Option<OwnedFd>) -> io::Result<Option<Target>> {
    let Some(pipe) = pipe else { return Ok(None) };
    Ok(Some(Box::new(pipe::Sender::from_owned_fd(pipe)?)))
}

/// Makes a socket of the Pod's network a connection to one of its own addresses.
pub(crate) async fn connect(socket: OwnedFd, host: &str, port: u16) -> io::Result<TcpStream> {
    let address = std::net::SocketAddr::new(host.parse().map_err(io::Error::other)?, port);
    let socket = Unconnected::from(socket);
    socket.set_nonblocking(true)?;
    let stream = TcpSocket::from_std_stream(socket).connect(address).await?;
    Ok(stream)
}

/// A terminal's controlling side.
struct Terminal(AsyncFd<OwnedFd>);

impl Terminal {
    #[allow(
        deprecated,
        reason = "its successor is an unsafe function; an OwnedFd keeps what that one asks for"
    )]
    fn of(descriptor: &OwnedFd) -> io::Result<Terminal> {
        let descriptor = descriptor.try_clone()?;
        rustix::io::ioctl_fionbio(&descriptor, true)?;
        Ok(Terminal(AsyncFd::new(descriptor)?))
    }
}

impl AsyncRead for Terminal {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let mut guard = ready!(self.0.poll_read_ready(context))?;
            let space = buffer.initialize_unfilled();
            let read = guard.try_io(|terminal| {
                match rustix::io::read(terminal.get_ref(), &mut *space) {
                    // Nobody has the other side open any more.
                    Err(Errno::IO) => Ok(0),
                    other => Ok(other?),
                }
            });
            match read {
                Ok(count) => {
                    buffer.advance(count?);
                    return Poll::Ready(Ok(()));
                }
                Err(_would_block) => {}
            }
        }
    }
}

impl AsyncWrite for Terminal {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            let mut guard = ready!(self.0.poll_write_ready(context))?;
            let written =
                guard.try_io(|terminal| Ok(rustix::io::write(terminal.get_ref(), bytes)?));
            if let Ok(written) = written {
                return Poll::Ready(written);
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pipe::pipe;
    use tokio::io::AsyncReadExt;

    #[tokio::test]
    async fn descriptors_come_in_the_order_of_their_names() {
        let (out_reader, out_writer) = pipe().unwrap();
        let (err_reader, err_writer) = pipe().unwrap();
        let streams = Streams {
            stdout: true,
            stderr: true,
            ..Streams::default()
        };
        let wanted = Interaction {
            stdin: false,
            stdout: false,
            stderr: true,
            tty: false,
        };
        let ended = Box::pin(async { Ok(3) });
        let mut session = of_attach(streams, vec![out_reader, err_reader], wanted, ended).unwrap();
        rustix::io::write(&err_writer, b"oh").unwrap();
        drop((out_writer, err_writer));
        let mut text = String::new();
        session
            .stderr
            .as_mut()
            .unwrap()
            .read_to_string(&mut text)
            .await
            .unwrap();
        assert_eq!((text.as_str(), session.stdout.is_none()), ("oh", true));
        assert_eq!(session.ended.await, Ok(3));
    }

    #[test]
    fn a_descriptor_that_is_missing_is_an_error() {
        let streams = Streams {
            terminal: true,
            ..Streams::default()
        };
        assert!(Ends::of(streams, Vec::new()).is_err());
    }
}
