//! When does a connection begin to cost memory? With the first byte of its first request: only then it gets
//! the buffers of the HTTP library, which many never need.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// A stream whose first byte has been read already.
#[derive(Debug)]
pub(super) struct Begun<S> {
    first: Option<u8>,
    stream: S,
}

/// Waits for the first byte. `None` if the client goes without one.
pub(super) async fn begun<S: AsyncRead + Unpin>(mut stream: S) -> Option<Begun<S>> {
    let first = stream.read_u8().await.ok();
    first.map(|first| Begun {
        first: Some(first),
        stream,
    })
}

impl<S: AsyncRead + Unpin> AsyncRead for Begun<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(first) = self.first.filter(|_| buf.remaining() > 0) else {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        };
        self.first = None;
        buf.put_slice(&[first]);
        // What is there already comes along; that there is nothing, or no more, is said the next time.
        match Pin::new(&mut self.stream).poll_read(cx, buf) {
            Poll::Ready(Err(problem)) => Poll::Ready(Err(problem)),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(())),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Begun<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncWriteExt, duplex};

    #[tokio::test]
    async fn the_first_byte_comes_before_the_others() {
        let (mut client, server) = duplex(64);
        client.write_all(b"GET /").await.unwrap();
        let mut begun = begun(server).await.unwrap();
        let mut text = [0; 8];
        assert_eq!(begun.read(&mut text).await.unwrap(), 5);
        assert_eq!(&text[..5], b"GET /");
        client.write_all(b"rest").await.unwrap();
        drop(client);
        let mut rest = Vec::new();
        begun.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"rest");
    }

    #[tokio::test]
    async fn one_byte_is_not_lost_when_nothing_follows() {
        let (mut client, server) = duplex(64);
        client.write_all(b"G").await.unwrap();
        drop(client);
        let mut all = Vec::new();
        let mut begun = begun(server).await.unwrap();
        begun.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"G");
        let (client, server) = duplex(64);
        drop(client);
        assert!(super::begun(server).await.is_none());
    }
}
