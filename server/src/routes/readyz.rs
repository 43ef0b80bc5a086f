//! `GET /v1/readyz`: the server can do its work, so send it some.

use axum::extract::State;
use kez_core::api::Health;
use kez_core::problem::Problem;

use super::healthz::health;
use crate::error::ApiError;
use crate::json::Json;
use crate::state::AppState;

/// Says whether the server can do its work: the database answers and no shutdown is under way.
///
/// `status` is `degraded` while NATS is not connected or the sigchain server does not answer. The server does its work
/// then, some of it later, and without key histories.
#[utoipa::path(get, path = "/v1/readyz", tag = "Server", responses(
    (status = 200, description = "Ready", body = Health),
    (status = 503, description = "unavailable", body = Problem),
))]
pub async fn readyz(State(state): State<AppState>) -> Result<Json<Health>, ApiError> {
    if !state.is_ready() {
        return Err(ApiError::unavailable("the server is shutting down", 2));
    }
    state.check_store().await?;
    let status = if state.push.is_whole() && state.chains.answers() { "ok" } else { "degraded" };
    Ok(Json(Health { status: status.to_owned(), ..health(&state) }))
}
