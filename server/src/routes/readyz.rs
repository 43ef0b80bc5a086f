//! `GET /v1/readyz`: whether the server is ready for requests.

use axum::extract::State;
use kez_core::api::Health;
use kez_core::problem::Problem;

use super::healthz::health;
use crate::edge::error::ApiError;
use crate::edge::json::Json;
use crate::state::AppState;

/// Reports whether the server is ready: the database answers and no shutdown is under way.
///
/// `status` is `degraded` while NATS is not connected or the sigchain server does not answer. The server still works,
/// but some of its work is delayed, and key histories are unavailable.
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
