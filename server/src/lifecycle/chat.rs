//! The chat server: its start, its background tasks and its stop.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use futures::FutureExt as _;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::eviction::{evict_idle_clients, evict_idle_senders};
use super::start_error::StartError;
use super::waiting::open_when_possible;
use super::{DRAIN, reload};
use crate::accounts::changes::notice_account_changes;
use crate::accounts::reserved::ReservedHandles;
use crate::chains::source::{ChainSource, watch_sigchain_server};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, Database};
use crate::edge::{listener, request_layer};
use crate::operations::disk;
use crate::operations::fixed_settings::{fix_log_key, fix_server};
use crate::operations::server_lock::ServerLock;
use crate::push::nats;
use crate::relay::expiry::delete_expired_messages;
use crate::routes::metrics;
use crate::routes::router::router;
use crate::state::{AppState, Profiles};
use crate::version::version_with_commit;
use crate::web::{self, WebSettings};

/// Serves on `listener` until `shutdown`, then finishes the requests under way and returns with everything stored.
///
/// # Errors
/// [`StartError`] when it cannot start.
pub async fn run(
    listener: TcpListener,
    config: Config,
    shutdown: impl Future<Output = ()>,
) -> Result<(), StartError> {
    run_with_clock(listener, config, Arc::new(SystemClock), shutdown).await
}

/// [`run`] with the caller's clock.
///
/// # Errors
/// [`StartError`] when it cannot start.
pub async fn run_with_clock(
    listener: TcpListener,
    config: Config,
    clock: Arc<dyn Clock>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), StartError> {
    let mut shutdown = pin!(shutdown);
    let _lock = ServerLock::take(&config.database.db).await?;
    // Opening a database may take longer than an operator who stops the server is willing to wait.
    let state = tokio::select! {
        state = open_when_possible(&listener, &config, || open(config.clone(), clock.clone()).boxed()) => state?,
        () = &mut shutdown => return Ok(()),
    };
    let router = router(state.clone(), web::router(web_settings(&state))?)?;

    let (stop, connections) = (CancellationToken::new(), TaskTracker::new());
    let mut background = JoinSet::new();
    if let Some(address) = state.config.operations.metrics_bind {
        let listener = listener::bind(address).map_err(StartError::Metrics)?;
        let address = listener.local_addr().map_err(StartError::Metrics)?;
        tracing::info!(%address, "listening for monitors");
        let router = request_layer::wrap(metrics::router(state.clone()), state.trust.clone());
        background.spawn(listener::serve(
            listener,
            router,
            state.trust.clone(),
            stop.clone(),
            connections.clone(),
        ));
    }
    let callout = nats::start::callout(
        &state.config.nats,
        state.store.clone(),
        state.clock.clone(),
        state.trust.clone(),
        &stop,
        &connections,
    )
    .await?;
    let hangup = signal(SignalKind::hangup())?;
    // From here on connections are answered; until now they have waited in the listener's queue.
    if let Ok(address) = listener.local_addr() {
        tracing::info!(%address, server = %state.config.server, version = version_with_commit(), "listening");
    }
    let serving = tokio::spawn(listener::serve(
        listener,
        router,
        state.trust.clone(),
        stop.clone(),
        connections.clone(),
    ));
    background.spawn(evict_idle_clients(state.limits.clone()));
    background.spawn(evict_idle_senders(state.clone()));
    background.spawn(notice_account_changes(state.store.clone(), state.directory.clone()));
    let retention = state.config.operations.retention;
    let groups = state.config.groups.group_retention;
    background.spawn(delete_expired_messages(state.store.clone(), state.clock.clone(), retention, groups));
    background.spawn(watch_sigchain_server(state.chains.clone()));
    background.spawn(reload::on_hangup(state.reserved.clone(), hangup));
    // A database server monitors its own disk.
    if let (Some(_), Database::Sqlite(file)) = (&state.limits, &state.config.database.db) {
        let limits = state.config.abuse.disk_limits();
        state.disk.check(file, limits);
        background.spawn(disk::watch(state.disk.clone(), file.clone(), limits));
    }
    if state.config.sigchains_url().is_none() {
        tracing::warn!(
            "browsers cannot reach the address of --sig-server-url: key histories and key changes are unavailable"
        );
    }
    shutdown.await;
    stop_gracefully(&state, &stop, &connections).await;
    background.shutdown().await;
    drop(callout);
    state.push.close().await;
    if let Err(error) = serving.await {
        tracing::error!(%error, "the listener failed");
    }
    state.store.close().await;
    Ok(())
}

/// Opens the database and everything else that the first request needs.
async fn open(config: Config, clock: Arc<dyn Clock>) -> Result<AppState, StartError> {
    let reserved = ReservedHandles::load(config.operations.reserved_handles_file.as_deref())?;
    let store = Arc::new(config.database.location()?.open().await?);
    fix_server(&store, config.server.as_str()).await?;
    let chains = ChainSource::open(&config, store.clone(), clock.clone()).await?;
    if let Some(own) = chains.embedded() {
        fix_log_key(&store, &own.log.key().to_string()).await?;
    }
    let bus = nats::start::bus(&config.nats).await?;
    let work_key = store.work_key().await?;
    Ok(AppState::new(config, store, reserved, bus, clock, chains, work_key))
}

fn web_settings(state: &AppState) -> WebSettings {
    let nats = state.config.nats.ws_url.iter().map(|url| url.origin().to_owned());
    WebSettings {
        web_dir: state.config.site(),
        server: state.config.server.clone(),
        public_url: state.config.public_url(),
        operator: kez_app::Operator {
            contact: state.config.operations.contact.clone(),
            terms_url: state.config.operations.terms_url.clone(),
        },
        connect_to: nats.chain(state.config.sigchains_origin()).collect(),
        profiles: Arc::new(Profiles(state.clone())),
        gate: state.gate(),
    }
}

async fn stop_gracefully(state: &AppState, stop: &CancellationToken, connections: &TaskTracker) {
    state.no_longer_ready();
    stop.cancel();
    state.shutdown.cancel();
    state.streams.close();
    let drained = async {
        connections.wait().await;
        state.streams.wait().await;
    };
    if tokio::time::timeout(DRAIN, drained).await.is_err() {
        tracing::warn!("some connections did not end within {} s and are cut off", DRAIN.as_secs());
    }
}
