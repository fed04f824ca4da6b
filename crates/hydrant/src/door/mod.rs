//! What all listening ports share: loopback only, Host and Origin checked, bodies bounded, a stop that ends requests.
//!
//! Limits: [`CONNECTIONS_MAX`] open connections a port (more wait to be accepted), [`HEADER_READ_TIMEOUT`] for the
//! head of a request and for an idle connection, [`HEAD_BYTES_MAX`] for that head, [`STOP_DEADLINE`] for running
//! requests once the port is told to stop. Bodies are bounded by [`guard`]. HTTP/1 only, no TLS, no credentials: that
//! is why an address which is not loopback is refused.

mod guard;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

pub use guard::{BODY_PAUSE_MAX, DRAIN_BYTES_MAX, guard};

/// Open connections of one port.
pub const CONNECTIONS_MAX: usize = 128;

/// From the first byte a connection may send to the end of the request's head.
pub const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(30);

/// Request line and headers together.
pub const HEAD_BYTES_MAX: usize = 32 * 1024;

/// How long running requests may take once the port stops.
pub const STOP_DEADLINE: Duration = Duration::from_secs(5);

/// Between two attempts to accept, when the host has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Why a port is not open.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    #[error("{name} cannot listen on {address}: only loopback addresses are served in this version")]
    NotLoopback { name: &'static str, address: SocketAddr },
    #[error(
        "{name} cannot listen on {address}: the port is in use, choose another one with `[listen] {key} = \"{ip}:PORT\"`",
        key = listen_key(name),
        ip = IpText(address)
    )]
    InUse { name: &'static str, address: SocketAddr },
    #[error("{name} cannot listen on {address}: {error}")]
    Io { name: &'static str, address: SocketAddr, error: std::io::Error },
}

/// Opens a port; `name` is what people call it (`page`, `OpenSearch API`). Port 0 takes a free one.
pub async fn bind(name: &'static str, address: SocketAddr) -> Result<TcpListener, DoorError> {
    if !address.ip().is_loopback() {
        return Err(DoorError::NotLoopback { name, address });
    }
    TcpListener::bind(address).await.map_err(|error| {
        if error.kind() == std::io::ErrorKind::AddrInUse {
            DoorError::InUse { name, address }
        } else {
            DoorError::Io { name, address, error }
        }
    })
}

/// Serves until `stop`, then lets running requests end for at most [`STOP_DEADLINE`].
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) -> std::io::Result<()> {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(ended) = connections.join_next() => report(ended),
            accepted = accept(&listener, &slots) => match accepted {
                Ok((stream, slot)) => {
                    connections.spawn(converse(stream, router.clone(), stop.clone(), slot));
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    let ended = tokio::time::timeout(STOP_DEADLINE, async {
        while let Some(ended) = connections.join_next().await {
            report(ended);
        }
    });
    if ended.await.is_err() {
        tracing::warn!(connections = connections.len(), "requests cut off, they took too long to end");
    }
    connections.shutdown().await;
    Ok(())
}

/// Takes a slot first, so that a full port leaves newcomers in the host's queue.
async fn accept(listener: &TcpListener, slots: &Arc<Semaphore>) -> std::io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, slot))
}

async fn converse(stream: TcpStream, router: Router, stop: CancellationToken, slot: OwnedSemaphorePermit) {
    // Answers are written whole; waiting for more bytes would only delay small ones.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_READ_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
    drop(slot);
}

fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a request failed by a mistake of ours");
    }
}

/// The key of `[listen]` that moves a port.
fn listen_key(name: &str) -> &'static str {
    if name == "page" { "page" } else { "rest" }
}

/// An address without its port, as a socket address writes it.
struct IpText<'a>(&'a SocketAddr);

impl std::fmt::Display for IpText<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            SocketAddr::V4(address) => write!(f, "{}", address.ip()),
            SocketAddr::V6(address) => write!(f, "[{}]", address.ip()),
        }
    }
}
