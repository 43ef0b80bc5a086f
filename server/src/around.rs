//! What happens around each request, on either server: its log line, its headers, its time, its rate, and the answer
//! when it fails.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use kez_core::problem::ProblemCode;
use tower_http::catch_panic::CatchPanicLayer;

use crate::client_address::ClientNetwork;
use crate::edge::Edge;
use crate::error::ApiError;
use crate::limits::{Kind, Limits};
use crate::{headers, log};

/// How long a request may take from its head to the head of the answer. A live stream's answer is its upgrade.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

/// Puts everything around a router that every request of a server passes.
pub fn around(router: Router, edge: Arc<Edge>) -> Router {
    // Each layer of a router costs every request several allocations, so what can be one layer is one.
    router.layer(CatchPanicLayer::custom(panicked)).layer(from_fn_with_state(edge, each_request))
}

async fn each_request(State(edge): State<Arc<Edge>>, mut request: Request, next: Next) -> Response {
    let line = log::Line::begin(&edge, &mut request);
    let mut response = within_time(request, next).await;
    headers::add_defaults(&edge, &mut response);
    line.end(&mut response);
    response
}

/// Counts requests by the network that they come from.
#[derive(Clone)]
pub struct Gate {
    /// None under `--limits off`.
    pub limits: Option<Arc<Limits>>,
    /// Whom to believe about where a request comes from.
    pub edge: Arc<Edge>,
}

/// Refuses a request of a kind that its network has sent too many of.
pub async fn within_rate(State((gate, kind)): State<(Gate, Kind)>, request: Request, next: Next) -> Response {
    if let Some(limits) = &gate.limits {
        let network = ClientNetwork::of(&gate.edge, &request);
        if let Err(refused) = limits.check(kind, network) {
            return refused.into_response();
        }
    }
    next.run(request).await
}

async fn within_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(ANSWER_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            tracing::warn!("a request took longer than {} s", ANSWER_TIMEOUT.as_secs());
            ApiError::new(ProblemCode::Timeout, "the server did not finish within 15 s").into_response()
        }
    }
}

/// A fault in one request is that request's alone. The panic hook has logged where it was.
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
