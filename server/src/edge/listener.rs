//! Accepts connections and limits what each may cost before it has sent a valid request: the time for the head, the
//! size of the head, the time to read an answer, and the number of connections.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::edge::client_address::{ClientNetwork, Peer};
use crate::edge::connection_limiter::ConnectionLimiter;
use crate::edge::proxy_trust::ProxyTrust;
use crate::edge::write_timeout::WriteTimeout;

/// The time limit for the head of a request, and for an idle connection between two requests.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// The same for a trusted proxy, which keeps its connections open for the next client.
pub const PROXY_TIMEOUT: Duration = Duration::from_secs(75);
/// The largest request head; above it the answer is 431.
pub const MAX_HEAD_BYTES: usize = 16 * 1024;
/// How long a client may leave an answer unread before the connection is closed.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(15);
/// The number of connections served at once; more wait to be accepted. Live streams have a count of their own.
const MAX_CONNECTIONS: usize = 12_000;
/// The pause after a failed accept, which is nearly always caused by a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The number of connections that may wait to be accepted. When the queue overflows, the kernel drops handshakes and
/// clients wait for seconds.
const BACKLOG: u32 = 4096;

/// Listens on an address, inside a runtime.
///
/// # Errors
/// The operating system's error.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Lets a restarted server reuse its port while old connections are still closing.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves `router` on `listener` until `stop`, then lets the requests under way finish. The tracker holds the
/// connections; it is closed when no more are accepted.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    trust: Arc<ProxyTrust>,
    stop: CancellationToken,
    connections: TaskTracker,
) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let limiter = trust.connections_per_network.map(ConnectionLimiter::new);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &room) => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer, permit)) => {
                // A proxy acts for many clients, and has limits of its own.
                let limiter = limiter.as_ref().filter(|_| !trust.trusts(peer.ip().to_canonical()));
                let network_permit =
                    limiter.map(|limiter| limiter.admit(ClientNetwork::of_address(peer.ip())));
                if matches!(network_permit, Some(None)) {
                    continue;
                }
                let connection = Connection { router: router.clone(), peer, idle: idle_time(&trust, peer) };
                let stop = stop.clone();
                connections.spawn(async move {
                    connection.serve(stream, stop).await;
                    drop((permit, network_permit));
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    connections.close();
}

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(room).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, peer, permit))
}

fn idle_time(trust: &ProxyTrust, peer: SocketAddr) -> Duration {
    if trust.trusts(peer.ip().to_canonical()) { PROXY_TIMEOUT } else { HEAD_TIMEOUT }
}

struct Connection {
    router: Router,
    peer: SocketAddr,
    idle: Duration,
}

impl Connection {
    async fn serve(self, stream: TcpStream, stop: CancellationToken) {
        let Self { router, peer, idle } = self;
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(Peer(peer));
            router.clone().oneshot(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(idle)
            .max_buf_size(MAX_HEAD_BYTES)
            .serve_connection(TokioIo::new(WriteTimeout::new(stream, WRITE_TIMEOUT)), service)
            .with_upgrades();
        tokio::pin!(connection);
        // An error that a client causes on its own connection is not logged.
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
    }
}
