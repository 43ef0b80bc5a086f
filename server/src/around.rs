//! The processing around each request on both servers: log line, headers, time limit, rate limit, and the answer when
//! it fails.

use std::any::Any;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::Route;
use axum::routing::future::RouteFuture;
use futures::FutureExt;
use futures::future::BoxFuture;
use kez_core::problem::ProblemCode;
use tokio::time::timeout;
use tower::Service;
use tower::layer::layer_fn;

use crate::client_address::ClientNetwork;
use crate::edge::Edge;
use crate::error::ApiError;
use crate::limits::{Kind, Limits};
use crate::state::AppState;
use crate::{cors, headers, log, metrics};

/// The time limit from the head of a request to the head of its answer. A live stream's answer is its upgrade.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

/// Wraps a router with the processing that every request of a server passes through.
pub fn around(router: Router, edge: Arc<Edge>) -> Router {
    layer(router, edge, None)
}

/// The same for the chat server, which also checks its disk and counts requests.
pub fn around_chat(router: Router, state: AppState) -> Router {
    layer(router, Arc::clone(&state.edge), Some(state))
}

fn layer(router: Router, edge: Arc<Edge>, chat: Option<AppState>) -> Router {
    router.layer(layer_fn(move |inner| Around { inner, edge: Arc::clone(&edge), chat: chat.clone() }))
}

/// One `Service` rather than a stack of `from_fn` layers: axum boxes and clones every layer for every request.
#[derive(Clone)]
struct Around {
    inner: Route,
    edge: Arc<Edge>,
    chat: Option<AppState>,
}

impl Service<Request> for Around {
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let (edge, chat) = (Arc::clone(&self.edge), self.chat.clone());
        let line = log::Line::begin(&edge, &request);
        let public = cors::is_public(request.uri().path());
        let count = chat.as_ref().and_then(|state| metrics::Count::begin(state, &request));
        let refused = chat.as_ref().and_then(|state| state.disk.refuse(&request));
        let answer = refused.map_or_else(|| Ok(self.inner.call(request)), Err);
        let answered = async move {
            let mut response = match answer {
                Ok(answer) => within_time(answer).await,
                Err(refused) => refused.into_response(),
            };
            if let (Some(count), Some(state)) = (count, chat) {
                count.end(&state, &response);
            }
            if public {
                cors::open(&mut response);
            }
            headers::add_defaults(&edge, &mut response);
            line.end(&mut response);
            Ok(response)
        };
        Box::pin(answered)
    }
}

/// Counts requests by client network.
#[derive(Clone)]
pub struct Gate {
    /// None under `--limits off`.
    pub limits: Option<Arc<Limits>>,
    /// Decides which claims about a request's origin are trusted.
    pub edge: Arc<Edge>,
}

/// Rejects a request when its network has sent too many of its kind.
pub async fn within_rate(State((gate, kind)): State<(Gate, Kind)>, request: Request, next: Next) -> Response {
    if let Some(limits) = &gate.limits {
        let network = ClientNetwork::of(&gate.edge, &request);
        if let Err(refused) = limits.check(kind, network) {
            return refused.into_response();
        }
    }
    next.run(request).await
}

async fn within_time(answer: RouteFuture<Infallible>) -> Response {
    match timeout(ANSWER_TIMEOUT, AssertUnwindSafe(answer).catch_unwind()).await {
        Ok(Ok(Ok(response))) => response,
        Ok(Err(panic)) => panicked(panic),
        Err(_) => {
            tracing::warn!("a request took longer than {} s", ANSWER_TIMEOUT.as_secs());
            ApiError::new(ProblemCode::Timeout, "the server did not finish within 15 s").into_response()
        }
    }
}

/// A panic in one request affects only that request. The panic hook has already logged its location.
fn panicked(_: Box<dyn Any + Send>) -> Response {
    let detail = "the server failed; the request id names the entry in its log";
    ApiError::new(ProblemCode::Internal, detail).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_answer() {
        let response = panicked(Box::new("oh"));
        assert_eq!(response.status(), 500);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
    }
}
