//! `GET /metrics` on a listener of its own: the metrics for Prometheus (the OpenMetrics text format).

pub(crate) mod sig;

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use kez_core::problem::ProblemCode;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use crate::config::Database;
use crate::edge::error::ApiError;
use crate::edge::not_found;
use crate::operations::backups::newest_backup;
use crate::operations::disk::free_and_size;
use crate::operations::process_metrics::ProcessMetrics;
use crate::state::AppState;

/// The media type of the text format.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The only route of the listener for monitoring.
pub fn router(state: AppState) -> Router {
    let page = Arc::new(Page::new(&state));
    Router::new()
        .route("/metrics", get(metrics))
        .method_not_allowed_fallback(not_found::method_not_allowed)
        .fallback(not_found::not_found)
        .with_state((state, page))
}

async fn metrics(State((state, page)): State<(AppState, Arc<Page>)>) -> Result<Response, ApiError> {
    page.refresh(&state).await;
    written(&page.registry)
}

/// The answer with all metrics of a registry.
fn written(registry: &Registry) -> Result<Response, ApiError> {
    let mut text = String::new();
    encode(&mut text, registry).map_err(|error| ApiError::new(ProblemCode::Internal, error.to_string()))?;
    Ok(([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response())
}

/// The registered metrics, and the gauges that are read on each request.
struct Page {
    registry: Registry,
    handles: Gauge,
    groups: Gauge,
    streams: Gauge,
    queued: Gauge,
    database_bytes: Gauge,
    ready: Gauge,
    disk_free: Gauge,
    disk_size: Gauge,
    /// `None` without --backup-dir.
    last_backup: Option<Gauge>,
    /// `None` without NATS.
    nats: Option<Gauge>,
    process: ProcessMetrics,
}

impl Page {
    fn new(state: &AppState) -> Self {
        let mut all = Registry::default();
        let process = ProcessMetrics::register(&mut all);
        let registry = all.sub_registry_with_prefix("kez_chat");
        state.metrics.register(registry);
        registry.register(
            "damaged_items",
            "Inbox items left out because they are damaged on the disk",
            state.store.damaged(),
        );
        let commits = state.store.vitals().commits;
        registry.register_with_unit("commit", "Durable commits of writes", Unit::Seconds, commits);
        let mut gauge = |name: &str, help: &str| {
            let gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        let handles = gauge("handles", "Registered handles");
        let groups = gauge("groups", "Groups");
        let streams = gauge("live_streams", "Open live streams of this node");
        let queued = gauge("queued_writes", "Writes that wait for their transaction");
        let database_bytes = gauge("database_bytes", "Size of the database");
        let ready = gauge("ready", "1 when the server accepts requests");
        let nats = state
            .push
            .nats_connected()
            .map(|_| gauge("nats_connected", "1 while a NATS broker is connected"));
        let disk_free = gauge("disk_free_bytes", "Free space of the database's disk");
        let disk_size = gauge("disk_size_bytes", "Size of the database's disk");
        let last_backup = state.config.operations.backup_dir.as_ref();
        let last_backup = last_backup.map(|_| {
            gauge("last_backup_timestamp_seconds", "When the newest backup was made, since the Unix epoch")
        });
        Self {
            registry: all,
            handles,
            groups,
            streams,
            queued,
            database_bytes,
            ready,
            disk_free,
            disk_size,
            last_backup,
            nats,
            process,
        }
    }

    async fn refresh(&self, state: &AppState) {
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        // While the database does not answer, the other metrics matter most.
        if let Ok(extent) = state.store.extent().await {
            self.handles.set(number(extent.handles));
            self.groups.set(number(extent.groups));
            self.database_bytes.set(number(extent.database_bytes));
        }
        self.streams.set(number(state.streams.len() as u64));
        self.queued.set(number(state.store.vitals().queued));
        if let (Some(gauge), Some(connected)) = (&self.nats, state.push.nats_connected()) {
            gauge.set(connected.into());
        }
        if let Database::Sqlite(file) = &state.config.database.db
            && let Ok((free, size)) = free_and_size(file)
        {
            self.disk_free.set(number(free));
            self.disk_size.set(number(size));
        }
        if let (Some(gauge), Some(folder)) = (&self.last_backup, &state.config.operations.backup_dir) {
            let made = newest_backup(folder).and_then(|made| made.duration_since(UNIX_EPOCH).ok());
            gauge.set(made.map_or(0, |made| number(made.as_secs())));
        }
        self.process.refresh();
        self.ready.set(i64::from(state.is_ready() && state.check_store().await.is_ok()));
    }
}
