//! The KEZ Chat home server: registers handles, answers WebFinger, relays envelopes it cannot read.
//!
//! [`run`] is the whole server. A request arrives at [`listener`], finds its route in [`router`], and is answered by
//! one file of [`routes`]. Durable data is kept in a [`store::Store`].

pub mod admission;
pub mod around;
pub mod audit;
pub mod body;
pub mod caller;
pub mod chain_source;
pub mod client_address;
pub mod clock;
pub mod commands;
pub mod config;
pub mod cors;
pub mod crowding;
pub mod directory;
pub mod disk;
pub mod edge;
pub mod error;
pub mod export;
pub mod files;
pub mod fixed_settings;
pub mod headers;
pub mod http_client;
pub mod impatient;
pub mod json;
pub mod key_history;
pub mod limits;
pub mod listener;
pub mod log;
pub mod log_filter;
pub mod maintenance;
pub mod metrics;
pub mod nats;
pub mod network_tag;
pub mod open_files;
pub mod people;
pub mod push;
pub mod query;
pub mod reload;
pub mod reserved;
pub mod rotation;
pub mod router;
pub mod routes;
pub mod server_lock;
pub mod sig_server;
pub mod sigchains;
pub mod state;
pub mod stop;
pub mod store;
pub mod transparency;
pub mod waiting;
pub mod web;
pub mod work;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use around::around;
use chain_source::{ChainSource, OpenChainsError};
use clock::{Clock, SystemClock};
use config::{Config, Database};
use fixed_settings::{FixedSettingError, fix_log_key, fix_server};
use limits::Limits;
use reserved::{ReservedHandles, ReservedHandlesError};
use server_lock::{ServerLock, ServerLockError};
use state::{AppState, Profiles, Shared};
use store::{OpenError, StoreError};
use transparency::OpenLogError;
use waiting::open_when_possible;
use web::{WebDirError, WebSettings};

/// How long requests and live streams have to finish when the server stops.
const DRAIN: Duration = Duration::from_secs(8);
/// The interval at which idle clients are forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(60);

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database cannot be used.
    #[error(transparent)]
    Database(#[from] OpenError),
    /// Another server is using the database.
    #[error(transparent)]
    Lock(#[from] ServerLockError),
    /// The database belongs to a server with other settings.
    #[error(transparent)]
    FixedSetting(#[from] FixedSettingError),
    /// The log of chain heads cannot be opened.
    #[error(transparent)]
    Log(#[from] OpenLogError),
    /// The NATS settings cannot be used.
    #[error(transparent)]
    Nats(#[from] nats::NatsError),
    /// The address for monitoring is in use.
    #[error("cannot listen on --metrics-bind: {0}")]
    Metrics(#[source] std::io::Error),
    /// The file of reserved handles cannot be used.
    #[error(transparent)]
    ReservedHandles(#[from] ReservedHandlesError),
    /// The built web app is not in the --web-dir directory.
    #[error(transparent)]
    WebDir(#[from] WebDirError),
    /// Signal handlers cannot be installed.
    #[error("cannot listen to signals: {0}")]
    Signals(#[from] std::io::Error),
    /// Sigchains cannot be read.
    #[error(transparent)]
    Chains(#[from] OpenChainsError),
    /// The database does not answer.
    #[error("the database cannot be read: {0}")]
    Store(#[from] StoreError),
    /// The OpenAPI document cannot be written.
    #[error("the OpenAPI document cannot be written: {0}")]
    Document(#[from] serde_json::Error),
}

impl StartError {
    /// Whether a setting has to change before the server can start, so that a retry is pointless.
    pub const fn is_wrong_setting(&self) -> bool {
        match self {
            Self::Database(error) => {
                matches!(
                    error,
                    OpenError::NewerSchema { .. } | OpenError::File { .. } | OpenError::NotDurable
                )
            }
            Self::FixedSetting(error) => !matches!(error, FixedSettingError::Store(_)),
            Self::Log(error) | Self::Chains(OpenChainsError::Log(error)) => {
                matches!(error, OpenLogError::SeedFile { .. } | OpenLogError::Name(_))
            }
            Self::Nats(error) => matches!(error, nats::NatsError::Credentials(_)),
            Self::Lock(_) | Self::ReservedHandles(_) | Self::WebDir(_) => true,
            _ => false,
        }
    }

    /// Whether the database server is down, so that a later attempt may succeed.
    fn is_temporary(&self) -> bool {
        match self {
            Self::Database(error) => error.is_temporary(),
            Self::Store(error) | Self::FixedSetting(FixedSettingError::Store(error)) => {
                matches!(error, StoreError::Unreachable(_) | StoreError::Busy)
            }
            _ => false,
        }
    }
}

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
    // A database may take longer to open than the operator is willing to wait for a stop.
    let state = tokio::select! {
        state = open_when_possible(&listener, &config, || open(config.clone(), clock.clone()).boxed()) => state?,
        () = &mut shutdown => return Ok(()),
    };
    let router = router::router(state.clone(), web::router(web_settings(&state))?)?;

    let (stop, connections) = (CancellationToken::new(), TaskTracker::new());
    let mut chores = JoinSet::new();
    if let Some(address) = state.config.operations.metrics_bind {
        let listener = listener::bind(address).map_err(StartError::Metrics)?;
        let address = listener.local_addr().map_err(StartError::Metrics)?;
        tracing::info!(%address, "listening for monitors");
        let router = around(metrics::router(state.clone()), state.edge.clone());
        chores.spawn(listener::serve(
            listener,
            router,
            state.edge.clone(),
            stop.clone(),
            connections.clone(),
        ));
    }
    let callout = nats::start::callout(&state, &stop, &connections).await?;
    let hangup = signal(SignalKind::hangup())?;
    // From here on connections are answered; until now they have waited in the listener's queue.
    if let Ok(address) = listener.local_addr() {
        tracing::info!(%address, server = %state.config.server, version = env!("CARGO_PKG_VERSION"), "listening");
    }
    let serving = tokio::spawn(listener::serve(
        listener,
        router,
        state.edge.clone(),
        stop.clone(),
        connections.clone(),
    ));
    chores.spawn(forget_quiet_clients(state.limits.clone()));
    chores.spawn(admission::forget_quiet_senders(state.clone()));
    chores.spawn(maintenance::notice_account_changes(state.clone()));
    chores.spawn(maintenance::forget_old_messages(state.clone()));
    chores.spawn(chain_source::watch_sigchain_server(state.clone()));
    chores.spawn(reload::on_hangup(state.clone(), hangup));
    // A database server monitors its own disk.
    if let (Some(_), Database::Sqlite(file)) = (&state.senders, &state.config.database.db) {
        let file = file.clone();
        state.disk.look(&file, &state.config.abuse);
        chores.spawn(disk::watch(state.clone(), file));
    }
    if state.config.sigchains_url().is_none() {
        tracing::warn!(
            "browsers cannot reach the address of --sig-server-url: there are no key histories and no changes of keys"
        );
    }
    shutdown.await;
    stop_gracefully(&state, &stop, &connections).await;
    chores.shutdown().await;
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
    let store = store::open(&config.database).await?;
    fix_server(&*store, config.server.as_str()).await?;
    let chains = ChainSource::open(&config, store.clone(), clock.clone()).await?;
    if let Some(own) = chains.embedded() {
        fix_log_key(&*store, &own.log.key().to_string()).await?;
    }
    let bus = nats::start::bus(&config.nats).await?;
    let work_key = store.work_key().await?;
    Ok(Arc::new(Shared::new(config, store, reserved, bus, clock, chains, work_key)))
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
        tracing::warn!("some connections did not end within {} s and are cut", DRAIN.as_secs());
    }
}

async fn forget_quiet_clients(limits: Option<Arc<Limits>>) {
    let mut interval = tokio::time::interval(FORGET_EVERY);
    loop {
        interval.tick().await;
        if let Some(limits) = &limits {
            limits.forget_the_quiet();
        }
    }
}
