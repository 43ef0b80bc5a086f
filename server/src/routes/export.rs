//! `GET /v1/export`: everything that the server stores for the caller.

use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use kez_core::inbox_auth::Unauthorized;
use kez_core::problem::Problem;

use crate::accounts::caller::Caller;
use crate::edge::error::ApiError;
use crate::relay::export;
use crate::state::AppState;

/// Exports an account.
///
/// The answer is one JSON object: the account with its signed registration, the bindings of its nkeys, the handles of
/// its contacts and blocks, and the unchanged bytes of every stored envelope; of each group the caller's place and what its
/// log gives the caller.
#[utoipa::path(get, path = "/v1/export", tag = "Account", params(
    ("X-KEZ-Auth" = String, Header, description = "`<handle>:<unix time>:<nonce>:<signature>`"),
), responses(
    (status = 200, description = "Everything stored for the caller", body = Object),
    (status = 401, description = "unauthorized", body = Problem),
    (status = 429, description = "rate_limited", body = Problem),
    (status = 503, description = "unavailable", body = Problem),
))]
pub async fn export(State(state): State<AppState>, caller: Caller) -> Result<impl IntoResponse, ApiError> {
    let account = state.store.lookup(&caller.handle).await?.ok_or(Unauthorized)?;
    let name = format!("attachment; filename=\"kez-chat-{}.json\"", account.handle);
    let parts = export::stream(state.store.clone(), &state.config.server, &account, state.now());
    let headers =
        [(header::CONTENT_TYPE, "application/json".to_owned()), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, Body::from_stream(parts)))
}
