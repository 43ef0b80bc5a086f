//! `GET /v1/by-primary/{key}`: the handle of a key, with the proof.

use axum::extract::State;
use kez_core::api::Lookup;
use kez_core::identity::PublicIdentity;
use kez_core::problem::Problem;

use super::path::Text;
use crate::edge::error::ApiError;
use crate::edge::json::Json;
use crate::state::AppState;

/// Looks up a key.
#[utoipa::path(get, path = "/v1/by-primary/{primary}", tag = "Registry", params(
    ("primary" = String, Path, description = "`ed25519:` and 64 lower-case hexadecimal digits"),
), responses(
    (status = 200, description = "Its handle; verify `registration` before trusting the rest", body = Lookup),
    (status = 400, description = "malformed", body = Problem),
    (status = 404, description = "unknown_handle", body = Problem),
    (status = 429, description = "rate_limited", body = Problem),
))]
pub async fn by_primary(State(state): State<AppState>, Text(key): Text) -> Result<Json<Lookup>, ApiError> {
    let key = PublicIdentity::parse(&key).map_err(|error| ApiError::malformed(error.to_string()))?;
    let account = state.store.lookup_primary(&key.primary()).await?.ok_or_else(ApiError::unknown_handle)?;
    Ok(Json(state.describe(account).await?))
}
