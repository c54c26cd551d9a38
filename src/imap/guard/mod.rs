//! The guard between TLS and async-imap: it sees every byte first. It passes bytes through untouched, ends the
//! stream with an error as soon as a bound is passed, and turns silence into an error.

mod scan;

pub use scan::{Bounds, Refusal};

use bytes::{Buf, Bytes};
use scan::Scanner;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// A byte stream to a server: TCP in clear, TLS over TCP, or a pipe in tests.
pub trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// See the module.
pub struct Guard {
    wire: Box<dyn Wire>,
    /// Bytes that were read before the guard was put on.
    early: Bytes,
    scanner: Scanner,
    received_bytes: u64,
    /// Longest silence while somebody reads; `None` while silence is normal.
    patience: Option<Duration>,
    alarm: Option<Pin<Box<Sleep>>>,
    waiting: bool,
}

impl Guard {
    /// Guards `wire`, of which `early` was read already and not used.
    pub fn new(wire: Box<dyn Wire>, early: Bytes, bounds: Bounds, patience: Duration) -> Self {
        Self {
            wire,
            early,
            scanner: Scanner::new(bounds),
            received_bytes: 0,
            patience: Some(patience),
            alarm: None,
            waiting: false,
        }
    }

    /// Changes how long the server may be silent; `None`: as long as it likes (IDLE, whose limits are the caller's).
    pub fn set_patience(&mut self, patience: Option<Duration>) {
        self.patience = patience;
        self.waiting = false;
        if patience.is_none() {
            self.alarm = None;
        }
    }

    /// Bytes received so far.
    pub const fn received_bytes(&self) -> u64 {
        self.received_bytes
    }

    /// Called when nothing is there to read: starts or asks the alarm.
    fn poll_alarm(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(patience) = self.patience else { return Poll::Pending };
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        if !self.waiting {
            alarm.as_mut().reset(Instant::now() + patience);
            self.waiting = true;
        }
        ready!(alarm.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, Refusal::Silence)))
    }
}

impl AsyncRead for Guard {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        if this.early.is_empty() {
            match Pin::new(&mut this.wire).poll_read(context, buffer) {
                Poll::Pending => return this.poll_alarm(context),
                Poll::Ready(result) => {
                    this.waiting = false;
                    result?;
                }
            }
        } else {
            let count = this.early.len().min(buffer.remaining());
            buffer.put_slice(this.early.get(..count).unwrap_or_default());
            this.early.advance(count);
        }
        let fresh = buffer.filled().get(before..).unwrap_or_default();
        this.received_bytes = this.received_bytes.saturating_add(fresh.len() as u64);
        let verdict = this.scanner.feed(fresh);
        // async-imap reads no further after an error, so what was refused never reaches its parser.
        Poll::Ready(verdict.map_err(|refusal| io::Error::new(io::ErrorKind::InvalidData, refusal)))
    }
}

impl AsyncWrite for Guard {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().wire).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().wire).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().wire).poll_shutdown(context)
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("received_bytes", &self.received_bytes).finish_non_exhaustive()
    }
}
