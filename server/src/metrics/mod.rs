//! Metrics for Prometheus (the OpenMetrics text format). No label holds a handle, a key or an address.

mod process;
pub(crate) mod sig;

use std::sync::Arc;
use std::time::{Instant, UNIX_EPOCH};

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use kez_core::problem::ProblemCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use process::ProcessMetrics;

use crate::commands::newest_backup;
use crate::config::Database;
use crate::disk;
use crate::error::ApiError;
use crate::routes::not_found;
use crate::state::AppState;

/// The media type of the text format.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds of the histogram buckets, in seconds: from the latency of a fast disk up to the time-out of an answer.
const SECONDS: [f64; 14] =
    [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 15.0];

/// A histogram of times.
pub fn seconds() -> Histogram {
    Histogram::new(SECONDS)
}

/// The counters of the running server. Counting costs one atomic addition, even if the metrics are never read.
pub struct Metrics {
    requests: Family<Answered, Counter>,
    request_seconds: Family<Route, Histogram, fn() -> Histogram>,
    refusals: Family<Refusal, Counter>,
    delivered: Family<Way, Counter>,
    by_page: Counter,
    live: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        let delivered = Family::<Way, Counter>::default();
        let by = |by| delivered.get_or_create_owned(&Way { by });
        Self {
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(seconds),
            refusals: Family::default(),
            by_page: by("page"),
            live: by("live"),
            delivered,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    route: String,
    method: &'static str,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Refusal {
    code: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Way {
    by: &'static str,
}

impl Metrics {
    /// Counts the items of an inbox page.
    pub fn delivered_by_page(&self, items: usize) {
        self.by_page.inc_by(items as u64);
    }

    /// Counts the items sent on a live stream.
    pub fn delivered_live(&self, items: usize) {
        self.live.inc_by(items as u64);
    }
}

/// A counted request, with its outcome.
pub struct Count {
    start: Instant,
    method: &'static str,
    route: String,
}

/// A method by its name. Nonstandard methods share the name `other`, because a client could invent any number of them.
pub fn method_name(method: &Method) -> &'static str {
    const KNOWN: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT"];
    KNOWN.into_iter().find(|known| method == *known).unwrap_or("other")
}

impl Count {
    /// `None` when the metrics are disabled.
    pub fn begin(state: &AppState, request: &Request) -> Option<Self> {
        state.config.operations.metrics_bind?;
        let route = request.extensions().get::<MatchedPath>().map_or("page", MatchedPath::as_str).to_owned();
        Some(Self { start: Instant::now(), method: method_name(request.method()), route })
    }

    /// Records the answer.
    pub fn end(self, state: &AppState, response: &Response) {
        let (metrics, Self { start, method, route }) = (&state.metrics, self);
        if let Some(code) = response.extensions().get::<ProblemCode>() {
            metrics.refusals.get_or_create(&Refusal { code: code.name() }).inc();
        }
        metrics
            .request_seconds
            .get_or_create(&Route { route: route.clone() })
            .observe(start.elapsed().as_secs_f64());
        let status = response.status().as_u16();
        metrics.requests.get_or_create(&Answered { route, method, status }).inc();
    }
}

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
    page.look(&state).await;
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
        let metrics = &state.metrics;
        let mut all = Registry::default();
        let process = ProcessMetrics::register(&mut all);
        let registry = all.sub_registry_with_prefix("kez_chat");
        registry.register("requests", "Answered requests", metrics.requests.clone());
        registry.register_with_unit(
            "request",
            "From a request's head to the head of its answer",
            Unit::Seconds,
            metrics.request_seconds.clone(),
        );
        registry.register("refusals", "Refused requests by their code", metrics.refusals.clone());
        registry.register("delivered_items", "Inbox items that went out", metrics.delivered.clone());
        registry.register(
            "damaged_items",
            "Inbox items left out: the disk has changed them",
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
        let streams = gauge("live_streams", "Open live streams of this node");
        let queued = gauge("queued_writes", "Writes that wait for their transaction");
        let database_bytes = gauge("database_bytes", "Size of the database");
        let ready = gauge("ready", "1 when the server takes work");
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

    async fn look(&self, state: &AppState) {
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        // While the database does not answer, the other metrics matter most.
        if let Ok(extent) = state.store.extent().await {
            self.handles.set(number(extent.handles));
            self.database_bytes.set(number(extent.database_bytes));
        }
        self.streams.set(number(state.streams.len() as u64));
        self.queued.set(number(state.store.vitals().queued));
        if let (Some(gauge), Some(connected)) = (&self.nats, state.push.nats_connected()) {
            gauge.set(connected.into());
        }
        if let Database::Sqlite(file) = &state.config.database.db
            && let Ok((free, size)) = disk::free_and_size(file)
        {
            self.disk_free.set(number(free));
            self.disk_size.set(number(size));
        }
        if let (Some(gauge), Some(folder)) = (&self.last_backup, &state.config.operations.backup_dir) {
            let made = newest_backup(folder).and_then(|made| made.duration_since(UNIX_EPOCH).ok());
            gauge.set(made.map_or(0, |made| number(made.as_secs())));
        }
        self.process.look();
        self.ready.set(i64::from(state.is_ready() && state.check_store().await.is_ok()));
    }
}
