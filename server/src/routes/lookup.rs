//! `GET /v1/u/{handle}`: the key of a handle, with the proof.

use axum::extract::State;
use kez_core::api::Lookup;
use kez_core::problem::Problem;

use super::path::HandleInPath;
use crate::edge::error::ApiError;
use crate::edge::json::Json;
use crate::state::AppState;

/// Looks up a handle.
#[utoipa::path(get, path = "/v1/u/{handle}", tag = "Registry", params(("handle" = String, Path)), responses(
    (status = 200, description = "Its holder; verify `registration` before trusting the rest", body = Lookup),
    (status = 400, description = "malformed", body = Problem),
    (status = 404, description = "unknown_handle", body = Problem),
    (status = 429, description = "rate_limited", body = Problem),
))]
pub async fn lookup(
    State(state): State<AppState>,
    HandleInPath(handle): HandleInPath,
) -> Result<Json<Lookup>, ApiError> {
    let account = state.store.lookup(&handle).await?.ok_or_else(ApiError::unknown_handle)?;
    Ok(Json(state.describe(account).await?))
}
