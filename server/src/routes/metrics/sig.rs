//! The Prometheus metrics of a sigchain server.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::written;
use crate::chains::sigchains::Sigchains;
use crate::edge::error::ApiError;
use crate::edge::not_found;
use crate::operations::process_metrics::ProcessMetrics;

struct Page {
    registry: Registry,
    chains: Arc<Sigchains>,
    log_entries: Gauge,
    database_bytes: Gauge,
    ready: Gauge,
    process: ProcessMetrics,
}

/// The only route of the listener for monitoring.
pub(crate) fn router(chains: Arc<Sigchains>) -> Router {
    let mut registry = Registry::default();
    let process = ProcessMetrics::register(&mut registry);
    let ours = registry.sub_registry_with_prefix("kez_sig");
    ours.register_with_unit(
        "commit",
        "Durable commits of writes",
        prometheus_client::registry::Unit::Seconds,
        chains.store.vitals().commits,
    );
    let mut gauge = |name: &str, help: &str| {
        let gauge = Gauge::default();
        ours.register(name, help, gauge.clone());
        gauge
    };
    let page = Page {
        log_entries: gauge("log_entries", "Entries of the log of chain heads"),
        database_bytes: gauge("database_bytes", "Size of the database"),
        ready: gauge("ready", "1 when the server accepts requests"),
        registry,
        chains,
        process,
    };
    Router::new()
        .route("/metrics", get(metrics))
        .method_not_allowed_fallback(not_found::method_not_allowed)
        .fallback(not_found::not_found)
        .with_state(Arc::new(page))
}

async fn metrics(State(page): State<Arc<Page>>) -> Result<Response, ApiError> {
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    // While the database does not answer, the last values stay, and `ready` shows the reason.
    if let Ok(size) = page.chains.log.size().await {
        page.log_entries.set(number(size));
    }
    if let Ok(extent) = page.chains.store.extent().await {
        page.database_bytes.set(number(extent.database_bytes));
    }
    page.ready.set(i64::from(page.chains.store.check().await.is_ok()));
    page.process.refresh();
    written(&page.registry)
}
