//! Guards one TCP connection in the two places that hyper leaves without a limit: before the first
//! bytes are there (it waits for them to tell HTTP/1 from HTTP/2), and when the other side does not
//! read what we write.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// The length of the HTTP/2 preface (RFC 9113 section 3.4): with so many bytes hyper knows the version.
const PREFACE_BYTES: usize = 24;

/// A connection whose first bytes and whose writes have a limit.
#[derive(Debug)]
pub struct Guarded<S> {
    stream: S,
    seen_bytes: usize,
    first_bytes: Pin<Box<Sleep>>,
    write_patience: Duration,
    blocked: Option<Pin<Box<Sleep>>>,
}

impl<S> Guarded<S> {
    /// Guards `stream`: its first bytes have to come within `first_bytes`, and a write may not stand
    /// still for longer than `write_patience`.
    pub fn new(stream: S, first_bytes: Duration, write_patience: Duration) -> Self {
        Self {
            stream,
            seen_bytes: 0,
            first_bytes: Box::pin(sleep(first_bytes)),
            write_patience,
            blocked: None,
        }
    }

    /// Passes progress on, and turns a wait that is too long into an error.
    fn watch_write<T>(
        &mut self,
        context: &mut Context<'_>,
        outcome: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.blocked = None;
            return outcome;
        }
        let patience = self.write_patience;
        let blocked = self.blocked.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(blocked.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read the answer")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(context, buffer);
        if self.seen_bytes >= PREFACE_BYTES {
            return outcome;
        }
        self.seen_bytes += buffer.filled().len() - before;
        if outcome.is_pending() && self.first_bytes.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client says nothing")));
        }
        outcome
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch_write(context, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.watch_write(context, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_flush(context);
        self.watch_write(context, outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_shutdown(context);
        self.watch_write(context, outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const LIMIT: Duration = Duration::from_millis(200);

    #[tokio::test]
    async fn a_silent_client_is_given_up() {
        let (_client, server) = tokio::io::duplex(64);
        let error = Guarded::new(server, LIMIT, LIMIT).read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_client_that_sends_less_than_a_request_is_given_up() {
        let (mut client, server) = tokio::io::duplex(64);
        client.write_all(b"P").await.unwrap();
        let mut guarded = Guarded::new(server, LIMIT, LIMIT);
        assert_eq!(guarded.read_u8().await.unwrap(), b'P');
        assert_eq!(guarded.read_u8().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_client_that_has_said_enough_may_be_silent() {
        let (mut client, server) = tokio::io::duplex(64);
        client.write_all(&[b'x'; PREFACE_BYTES]).await.unwrap();
        let mut guarded = Guarded::new(server, LIMIT, LIMIT);
        guarded.read_exact(&mut [0; PREFACE_BYTES]).await.unwrap();
        let waited = tokio::time::timeout(LIMIT * 2, guarded.read_u8()).await;
        assert!(waited.is_err());
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_is_given_up_and_a_slow_one_is_not() {
        let (mut client, server) = tokio::io::duplex(1);
        let mut guarded = Guarded::new(server, LIMIT, LIMIT);
        let reader = tokio::spawn(async move {
            for _ in 0..5 {
                sleep(LIMIT / 2).await;
                client.read_u8().await.unwrap();
            }
            client
        });
        guarded.write_all(b"12345").await.unwrap();
        let _client = reader.await.unwrap();
        let error = guarded.write_all(b"123").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
