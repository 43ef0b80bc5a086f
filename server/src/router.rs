//! Every route of the API in one list, and what happens around each request.

use std::any::Any;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use kez_core::problem::ProblemCode;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

use crate::client_address::{ClientNetwork, Peer};
use crate::error::ApiError;
use crate::limits::Kind;
use crate::routes::{
    by_primary, config, healthz, inbox, live, lookup, not_found, openapi, readyz, register, send_message,
    webfinger,
};
use crate::state::AppState;
use crate::{headers, log};

/// How long a request may take from its head to the head of the answer. A live stream's answer is its upgrade.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

/// The API, with the pages behind it.
///
/// # Errors
/// When the API's own description cannot be written as JSON.
pub fn router(state: AppState, pages: Router) -> Result<Router, serde_json::Error> {
    let rate = |kind: Kind| from_fn_with_state((state.clone(), kind), within_rate);
    let (api, document) = OpenApiRouter::with_openapi(openapi::Document::openapi())
        .routes(routes!(register::register).layer(rate(Kind::Register)))
        .routes(routes!(lookup::lookup).layer(rate(Kind::Lookup)))
        .routes(routes!(by_primary::by_primary).layer(rate(Kind::Lookup)))
        .routes(routes!(webfinger::webfinger).layer(rate(Kind::Lookup)))
        .routes(routes!(send_message::send_message).layer(rate(Kind::Send)))
        .routes(routes!(inbox::inbox).layer(rate(Kind::Read)))
        .routes(routes!(live::live).layer(rate(Kind::Read)))
        .routes(routes!(config::config))
        .routes(routes!(healthz::healthz))
        .routes(routes!(readyz::readyz))
        .split_for_parts();
    Ok(api
        .route(openapi::PATH, openapi::route(&document)?)
        .method_not_allowed_fallback(not_found::method_not_allowed)
        .route("/v1/", any(not_found::not_found))
        .route("/v1/{*rest}", any(not_found::not_found))
        .route("/.well-known/{*rest}", any(not_found::not_found))
        .with_state(state.clone())
        .fallback_service(pages)
        .layer(from_fn(within_time))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(state.clone(), headers::add_defaults))
        .layer(from_fn_with_state(state, log::each_request)))
}

async fn within_rate(
    State((state, kind)): State<(AppState, Kind)>,
    request: Request,
    next: Next,
) -> Response {
    let peer = request.extensions().get::<Peer>();
    if let (Some(limits), Some(Peer(peer))) = (&state.limits, peer) {
        let network = ClientNetwork::of_request(&state.config, *peer, request.headers());
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
