//! Waits for a database server that is down when this server starts, and answers requests until then.

use std::io;
use std::net;
use std::os::fd::AsFd as _;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{any, get};
use futures::future::BoxFuture;
use kez_core::api::Health;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::start_error::StartError;
use crate::config::Config;
use crate::edge::error::ApiError;
use crate::edge::json::Json;
use crate::edge::{listener, request_layer};

/// How long requests wait in the listener's queue for a database that accepts the connection but does not answer, or
/// takes long for a migration.
const SOON: Duration = Duration::from_secs(5);
/// The pause after the first failed attempt; it doubles each time ...
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// ... up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// An attempt to open the database.
type Opening<T> = BoxFuture<'static, Result<T, StartError>>;

/// Opens until it succeeds, or fails for another reason than an unavailable database server. After the first failed
/// attempt, requests to `listener` get 503, and `GET /v1/healthz` reports that the process is running.
///
/// # Errors
/// A failure for which waiting is pointless.
pub(super) async fn open_when_possible<T>(
    listener: &TcpListener,
    config: &Config,
    open: impl Fn() -> Opening<T>,
) -> Result<T, StartError> {
    let failed = Notify::new();
    let mut attempts = pin!(attempts(open, &failed));
    tokio::select! {
        biased;
        opened = &mut attempts => return opened,
        () = failed.notified() => {}
        () = sleep(SOON) => {}
    }
    let interim = Interim::start(listener, config)?;
    let opened = attempts.await;
    interim.end().await;
    opened
}

async fn attempts<T>(open: impl Fn() -> Opening<T>, failed: &Notify) -> Result<T, StartError> {
    let mut pause = FIRST_PAUSE;
    loop {
        match open().await {
            Err(error) if error.is_temporary() => {
                tracing::warn!(%error, seconds = pause.as_secs(), "the database is not reachable; the next attempt follows");
                failed.notify_one();
                sleep(pause).await;
                pause = (2 * pause).min(LONGEST_PAUSE);
            }
            opened => return opened,
        }
    }
}

/// Answers requests before there is a database.
struct Interim {
    stop: CancellationToken,
    connections: TaskTracker,
    serving: JoinHandle<()>,
}

impl Interim {
    fn start(listener: &TcpListener, config: &Config) -> io::Result<Self> {
        // A second handle of the same socket: the first one serves once the server has started.
        let listener = net::TcpListener::from(listener.as_fd().try_clone_to_owned()?);
        let listener = TcpListener::from_std(listener)?;
        let trust = Arc::new(config.proxy_trust());
        let (stop, connections) = (CancellationToken::new(), TaskTracker::new());
        let router = request_layer::wrap(router(config), trust.clone());
        let serving = listener::serve(listener, router, trust, stop.clone(), connections.clone());
        Ok(Self { stop, connections, serving: tokio::spawn(serving) })
    }

    async fn end(self) {
        self.stop.cancel();
        // Every answer is immediate, and every connection has a time-out.
        if let Err(error) = self.serving.await {
            tracing::error!(%error, "the listener failed");
        }
        self.connections.wait().await;
    }
}

fn router(config: &Config) -> Router {
    let health = Health {
        status: "ok".to_owned(),
        server: config.server.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    Router::new().route("/v1/healthz", get(move || async { Json(health) })).fallback(any(async || {
        ApiError::unavailable("the database is not reachable; the server waits for it", 5)
    }))
}
