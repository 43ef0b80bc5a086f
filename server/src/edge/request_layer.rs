//! The processing around each request on both servers: log line, headers, time limit, rate limit, and the answer when
//! it fails.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::Method;
use axum::response::{IntoResponse, Response};
use axum::routing::Route;
use futures::FutureExt;
use futures::future::BoxFuture;
use kez_core::problem::ProblemCode;
use tokio::time::timeout;
use tower::Service;
use tower::layer::layer_fn;

use crate::edge::error::ApiError;
use crate::edge::proxy_trust::ProxyTrust;
use crate::edge::request_line::RequestLine;
use crate::edge::{cors, headers};
use crate::operations::disk::{Disk, Room};
use crate::operations::metrics::{Metrics, RequestCount};

/// The time limit from the head of a request to the head of its answer. A live stream's answer is its upgrade.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

/// What the chat server checks and counts for every request.
#[derive(Clone)]
pub struct Monitors {
    /// How full the disk is.
    pub disk: Arc<Disk>,
    /// Counts requests; `None` while no metrics are served.
    pub metrics: Option<Arc<Metrics>>,
}

/// Wraps a router with the processing that every request of a server passes through.
pub fn wrap(router: Router, trust: Arc<ProxyTrust>) -> Router {
    layer(router, trust, None)
}

/// The same for the chat server.
pub fn wrap_monitored(router: Router, trust: Arc<ProxyTrust>, monitors: Monitors) -> Router {
    layer(router, trust, Some(monitors))
}

fn layer(router: Router, trust: Arc<ProxyTrust>, monitors: Option<Monitors>) -> Router {
    router.layer(layer_fn(move |inner| RequestLayer {
        inner,
        trust: Arc::clone(&trust),
        monitors: monitors.clone(),
    }))
}

/// One `Service` rather than a stack of `from_fn` layers: axum boxes and clones every layer for every request.
#[derive(Clone)]
struct RequestLayer {
    inner: Route,
    trust: Arc<ProxyTrust>,
    monitors: Option<Monitors>,
}

impl Service<Request> for RequestLayer {
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let trust = Arc::clone(&self.trust);
        let line = RequestLine::begin(&trust, &request);
        let public = cors::is_public(request.uri().path());
        let metrics = self.monitors.as_ref().and_then(|monitors| monitors.metrics.clone());
        let count = metrics.map(|metrics| RequestCount::begin(metrics, &request));
        let refused = self.monitors.as_ref().and_then(|monitors| refuse(&monitors.disk, &request));
        let answer = refused.map_or_else(|| Ok(self.inner.call(request)), Err);
        let answered = async move {
            let mut response = match answer {
                Ok(answer) => within_time(answer).await.map(|Ok(response)| response),
                Err(refused) => Err(refused),
            }
            .unwrap_or_else(IntoResponse::into_response);
            if let Some(count) = count {
                count.end(&response);
            }
            if public {
                cors::open(&mut response);
            }
            headers::add_defaults(&trust, &mut response);
            line.end(&mut response);
            Ok(response)
        };
        Box::pin(answered)
    }
}

/// Rejects a request that would write while the disk has no room for it.
fn refuse(disk: &Disk, request: &Request) -> Option<ApiError> {
    // An owner who acknowledges messages, or shortens their retention, makes room.
    let makes_room = request.uri().path().starts_with("/v1/inbox/");
    let writes = matches!(*request.method(), Method::POST | Method::PUT) && !makes_room;
    if writes { check_room(disk).err() } else { None }
}

/// Whether the disk has room for any write.
///
/// # Errors
/// 507 `storage_full` when it has none.
pub fn check_room(disk: &Disk) -> Result<(), ApiError> {
    if disk.room() != Room::None {
        return Ok(());
    }
    let detail = "the server's disk is nearly full, so it accepts no writes at the moment";
    Err(ApiError::new(ProblemCode::StorageFull, detail).retry_after(60))
}

/// Waits for an answer, within the time limit. A panic affects only its own request.
///
/// # Errors
/// `timeout`, or `internal` after a panic.
pub async fn within_time<T>(answer: impl Future<Output = T>) -> Result<T, ApiError> {
    match timeout(ANSWER_TIMEOUT, AssertUnwindSafe(answer).catch_unwind()).await {
        Ok(Ok(answer)) => Ok(answer),
        // The panic hook has already logged the location.
        Ok(Err(_)) => {
            let detail = "the server failed; the request id names the entry in its log";
            Err(ApiError::new(ProblemCode::Internal, detail))
        }
        Err(_) => {
            tracing::warn!("a request took longer than {} s", ANSWER_TIMEOUT.as_secs());
            Err(ApiError::new(ProblemCode::Timeout, "the server did not finish within 15 s"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_answered_with_500() {
        let failed: Result<(), _> = within_time(async { panic!("a panic for a test") }).await;
        let response = failed.unwrap_err().into_response();
        assert_eq!(response.status(), 500);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
    }
}
