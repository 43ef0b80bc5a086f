//! The rate limit of a route, counted by client network.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::edge::client_address::ClientNetwork;
use crate::edge::limits::{Kind, Limits};
use crate::edge::proxy_trust::ProxyTrust;

/// Counts requests by client network.
#[derive(Clone)]
pub struct Gate {
    /// None under `--limits off`.
    pub limits: Option<Arc<Limits>>,
    /// Decides which claims about a request's origin are trusted.
    pub trust: Arc<ProxyTrust>,
}

/// Rejects a request when its network has sent too many of its kind.
pub async fn within_rate(State((gate, kind)): State<(Gate, Kind)>, request: Request, next: Next) -> Response {
    if let Some(limits) = &gate.limits {
        let network = ClientNetwork::of(&gate.trust, &request);
        if let Err(refused) = limits.check(kind, network) {
            return refused.into_response();
        }
    }
    next.run(request).await
}
