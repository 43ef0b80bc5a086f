//! The counters of the running server. No label holds a handle, a key or an address.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use axum::response::Response;
use kez_core::problem::ProblemCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::histogram::seconds;
use crate::store::key_packages::Claimed;

/// The counters of the running server. Counting costs one atomic addition, even if the metrics are never read.
pub struct Metrics {
    requests: Family<Answered, Counter>,
    request_seconds: Family<Route, Histogram, fn() -> Histogram>,
    refusals: Family<Refusal, Counter>,
    delivered: Family<Way, Counter>,
    by_page: Counter,
    live: Counter,
    claims: Family<ByResult, Counter>,
    commits: Family<ByResult, Counter>,
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
            claims: Family::default(),
            commits: Family::default(),
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

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByResult {
    result: &'static str,
}

impl Metrics {
    /// Counts the outcome of a claim for so many devices.
    pub fn claimed_packages(&self, claimed: &[Claimed], devices: usize) {
        let last_resorts = claimed.iter().filter(|claimed| claimed.last_resort).count();
        let (fresh, missing) = (claimed.len() - last_resorts, devices.saturating_sub(claimed.len()));
        for (result, count) in [("package", fresh), ("last_resort", last_resorts), ("none", missing)] {
            self.claims.get_or_create(&ByResult { result }).inc_by(count as u64);
        }
    }

    /// Counts a commit of a group that was stored.
    pub fn took_commit(&self) {
        self.commits.get_or_create(&ByResult { result: "taken" }).inc();
    }

    /// Counts a commit that was not stored, because of this refusal: `stale` after another commit of its epoch, `refused`
    /// by the check, and nothing for reasons that lie outside of it.
    pub fn refused_commit(&self, code: ProblemCode) {
        let result = match code {
            ProblemCode::StaleEpoch => "stale",
            ProblemCode::InvalidCommit | ProblemCode::NotAuthorised | ProblemCode::GroupFull => "refused",
            _ => return,
        };
        self.commits.get_or_create(&ByResult { result }).inc();
    }

    /// Counts the items of an inbox page.
    pub fn delivered_by_page(&self, items: usize) {
        self.by_page.inc_by(items as u64);
    }

    /// Counts the items sent on a live stream.
    pub fn delivered_live(&self, items: usize) {
        self.live.inc_by(items as u64);
    }

    /// Adds the counters to a registry.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("requests", "Answered requests", self.requests.clone());
        registry.register_with_unit(
            "request",
            "From a request's head to the head of its answer",
            Unit::Seconds,
            self.request_seconds.clone(),
        );
        registry.register("refusals", "Refused requests by their code", self.refusals.clone());
        registry.register(
            "claimed_key_packages",
            "Devices for which a key package was claimed, by what was found",
            self.claims.clone(),
        );
        for result in ["taken", "stale", "refused"] {
            self.commits.get_or_create(&ByResult { result }).inc_by(0);
        }
        registry.register("group_commits", "Posted commits of groups, by their result", self.commits.clone());
        registry.register("delivered_items", "Inbox items sent", self.delivered.clone());
    }
}

/// A counted request, with its outcome.
pub struct RequestCount {
    metrics: Arc<Metrics>,
    start: Instant,
    method: &'static str,
    route: String,
}

/// A method by its name. Nonstandard methods share the name `other`, because a client could invent any number of them.
pub fn method_name(method: &Method) -> &'static str {
    const KNOWN: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT"];
    KNOWN.into_iter().find(|known| method == *known).unwrap_or("other")
}

impl RequestCount {
    /// Begins a request.
    pub fn begin(metrics: Arc<Metrics>, request: &Request) -> Self {
        let route = request.extensions().get::<MatchedPath>().map_or("page", MatchedPath::as_str).to_owned();
        Self { metrics, start: Instant::now(), method: method_name(request.method()), route }
    }

    /// Begins a message that a client sends on the live stream of this route.
    pub fn begin_send(metrics: Arc<Metrics>, route: &str) -> Self {
        Self { metrics, start: Instant::now(), method: "send", route: route.to_owned() }
    }

    /// Records the answer.
    pub fn end(self, response: &Response) {
        let code = response.extensions().get::<ProblemCode>().copied();
        self.record(response.status().as_u16(), code);
    }

    /// Records an answer with this status and, if it is a refusal, this code.
    pub fn record(self, status: u16, code: Option<ProblemCode>) {
        let Self { metrics, start, method, route } = self;
        if let Some(code) = code {
            metrics.refusals.get_or_create(&Refusal { code: code.name() }).inc();
        }
        metrics
            .request_seconds
            .get_or_create(&Route { route: route.clone() })
            .observe(start.elapsed().as_secs_f64());
        metrics.requests.get_or_create(&Answered { route, method, status }).inc();
    }
}
