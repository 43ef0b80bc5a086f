//! The sigchain server: only `/v1/sigchains` and `/v1/log`, with the chat server's accept loop, limits and database.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::any;
use clap::CommandFactory;
use kez_core::problem::Problem;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::DRAIN;
use super::eviction::evict_idle_clients;
use super::start_error::StartError;
use crate::chains::log::TransparencyLog;
use crate::chains::sigchains::Sigchains;
use crate::clock::{Clock, SystemClock};
use crate::config::Switch;
use crate::config::environment::unknown_variables;
use crate::config::sig_server::SigConfig;
use crate::edge::error::ApiError;
use crate::edge::gate::Gate;
use crate::edge::json::Json;
use crate::edge::limits::{Limits, Rates};
use crate::edge::{listener, not_found, request_layer};
use crate::operations::fixed_settings::{fix_log_key, fix_server};
use crate::operations::server_lock::ServerLock;
use crate::routes::{api_page, log, metrics, openapi, sigchains};
use crate::version::version_with_commit;

/// Serves on `listener` until `shutdown`, then finishes the requests under way and returns with everything stored.
///
/// # Errors
/// [`StartError`] when it cannot start.
pub async fn run(
    listener: TcpListener,
    config: SigConfig,
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
    config: SigConfig,
    clock: Arc<dyn Clock>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), StartError> {
    let mut shutdown = pin!(shutdown);
    let _lock = ServerLock::take(&config.db).await?;
    let chains = tokio::select! {
        chains = open(&config, clock) => chains?,
        () = &mut shutdown => return Ok(()),
    };
    let (store, limited) = (chains.store.clone(), config.limits == Switch::On);
    let monitored = chains.clone();
    let gate = Gate {
        limits: limited.then(|| Arc::new(Limits::new(Rates::default()))),
        trust: Arc::new(config.proxy_trust()),
    };
    let router = router(chains, &gate)?;

    for name in unknown_variables("KEZ_SIG_", &SigConfig::command()) {
        tracing::warn!(name, "a variable is set, but there is no such setting");
    }
    if let Ok(address) = listener.local_addr() {
        tracing::info!(%address, version = version_with_commit(), "listening");
    }
    let (stop, connections) = (CancellationToken::new(), TaskTracker::new());
    let monitoring = match config.metrics_bind {
        None => None,
        Some(address) => {
            let listener = listener::bind(address).map_err(StartError::Metrics)?;
            let address = listener.local_addr().map_err(StartError::Metrics)?;
            tracing::info!(%address, "listening for monitors");
            let router = request_layer::wrap(metrics::sig::router(monitored), gate.trust.clone());
            let serving =
                listener::serve(listener, router, gate.trust.clone(), stop.clone(), connections.clone());
            Some(tokio::spawn(serving))
        }
    };
    let serving = tokio::spawn(listener::serve(
        listener,
        router,
        gate.trust.clone(),
        stop.clone(),
        connections.clone(),
    ));
    let housekeeping = tokio::spawn(evict_idle_clients(gate.limits));
    shutdown.await;
    stop.cancel();
    if tokio::time::timeout(DRAIN, connections.wait()).await.is_err() {
        tracing::warn!("some connections did not end within {} s and are cut off", DRAIN.as_secs());
    }
    housekeeping.abort();
    if let Some(monitoring) = monitoring {
        monitoring.abort();
    }
    if let Err(error) = serving.await {
        tracing::error!(%error, "the listener failed");
    }
    store.close().await;
    Ok(())
}

async fn open(config: &SigConfig, clock: Arc<dyn Clock>) -> Result<Arc<Sigchains>, StartError> {
    let store = Arc::new(config.database().location()?.open().await?);
    let log =
        TransparencyLog::open(store.clone(), &config.log_name(), config.log_seed_file.as_deref()).await?;
    fix_server(&store, &config.log_name()).await?;
    fix_log_key(&store, &log.key().to_string()).await?;
    Ok(Arc::new(Sigchains::new(store, log, clock, config.limits == Switch::On)))
}

#[derive(OpenApi)]
#[openapi(
    info(title = "KEZ sigchains", description = "Signed histories of keys. docs/SPEC.md is the specification."),
    tags(
        (name = "Sigchains", description = "The signed histories of keys"),
        (name = "Log", description = "The log that proves that no chain was changed"),
        (name = "Server", description = "The server itself"),
    )
)]
struct Document;

fn router(chains: Arc<Sigchains>, gate: &Gate) -> Result<Router, serde_json::Error> {
    let (api, document) = OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(healthz))
        .routes(routes!(readyz))
        .with_state(chains.clone())
        .merge(sigchains::router(chains.clone(), gate))
        .merge(log::router(chains, gate))
        .split_for_parts();
    let document = openapi::finished(&document)?;
    let router = api
        .route(openapi::PATH, openapi::route(&document)?)
        .route(api_page::PATH, api_page::route(&document))
        .method_not_allowed_fallback(not_found::method_not_allowed)
        .fallback_service(any(not_found::not_found));
    Ok(request_layer::wrap(router, gate.trust.clone()))
}

/// Reports that the server is running, with the name of its log.
#[utoipa::path(get, path = "/v1/healthz", tag = "Server", responses((status = 200, description = "It runs", body = SigHealth)))]
async fn healthz(State(chains): State<Arc<Sigchains>>) -> Json<SigHealth> {
    Json(health(&chains))
}

/// Also reports whether the database answers.
#[utoipa::path(get, path = "/v1/readyz", tag = "Server", responses(
    (status = 200, description = "Ready", body = SigHealth),
    (status = 503, description = "unavailable", body = Problem),
))]
async fn readyz(State(chains): State<Arc<Sigchains>>) -> Result<Json<SigHealth>, ApiError> {
    chains.store.check().await?;
    Ok(Json(health(&chains)))
}

/// `GET /v1/healthz` of a sigchain server.
#[derive(serde::Serialize, utoipa::ToSchema)]
struct SigHealth {
    /// `ok`.
    status: &'static str,
    /// The name of its log.
    log: String,
    /// The server's version.
    version: &'static str,
}

fn health(chains: &Sigchains) -> SigHealth {
    SigHealth { status: "ok", log: chains.log.key().name().to_owned(), version: env!("CARGO_PKG_VERSION") }
}
