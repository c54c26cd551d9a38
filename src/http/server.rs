//! Accepts connections and serves them, each within limits of time and number. TLS is a proxy's work.

use super::connection::Guarded;
use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// How long and how many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerLimits {
    /// From accepting to the first 24 bytes.
    pub first_bytes: Duration,
    /// From the first byte of a request's header to its end; also how long a connection may rest
    /// between two requests.
    pub header: Duration,
    /// How long the other side may leave an answer unread.
    pub write: Duration,
    /// Connections at once; more wait in the listener's queue.
    pub connections: usize,
    /// Requests at once on one HTTP/2 connection.
    pub streams: u32,
    /// How long requests under way may take to finish at shutdown.
    pub drain: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            first_bytes: Duration::from_secs(10),
            header: Duration::from_secs(10),
            write: Duration::from_secs(30),
            connections: 8_192,
            streams: 128,
            drain: Duration::from_secs(20),
        }
    }
}

/// The other end of a request's connection, as an extension of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// Serves `router` on `listener` until `shutdown`, then lets requests under way finish, at most
/// [`ServerLimits::drain`] long.
pub async fn serve(listener: TcpListener, router: Router, limits: ServerLimits, shutdown: CancellationToken) {
    let slots = Arc::new(Semaphore::new(limits.connections));
    let graceful = GracefulShutdown::new();
    let builder = Arc::new(builder(&limits));
    while let Some((stream, peer, slot)) = next(&listener, &slots, &shutdown).await {
        let io = TokioIo::new(Guarded::new(stream, limits.first_bytes, limits.write));
        let service =
            TowerToHyperService::new(router.clone().map_request(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(Peer(peer));
                request
            }));
        let connection = builder.serve_connection(io, service).into_owned();
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(slot);
        });
    }
    drop(listener);
    if tokio::time::timeout(limits.drain, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests were still under way when the time to finish them was over");
    }
}

/// The next connection with its slot; `None` at shutdown.
async fn next(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
    shutdown: &CancellationToken,
) -> Option<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    shutdown
        .run_until_cancelled(async {
            let slot = Arc::clone(slots).acquire_owned().await.ok()?;
            loop {
                match listener.accept().await {
                    Ok((stream, peer)) => {
                        // Answers are small and whole: waiting to fill a segment only delays them.
                        if let Err(error) = stream.set_nodelay(true) {
                            tracing::debug!(%error, "a connection was gone at once");
                        }
                        return Some((stream, peer, slot));
                    }
                    Err(error) => pause_after(&error).await,
                }
            }
        })
        .await
        .flatten()
}

/// Out of descriptors is over when connections end; the connection's own faults are over at once.
async fn pause_after(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        tracing::error!(%error, "cannot accept connections");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn builder(limits: &ServerLimits) -> auto::Builder<TokioExecutor> {
    /// Header block of one request.
    const HEADER_BYTES: usize = 64 * 1024;
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        // A sender that hangs up behind its whole request has sent it: it is kept all the same.
        .half_close(true)
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header)
        .max_buf_size(HEADER_BYTES)
        .max_headers(100);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(32 * 1024)
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(10));
    builder
}
