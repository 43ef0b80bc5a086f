//! `GET /v1/healthz`: the process is alive.

use axum::extract::State;
use kez_core::api::Health;

use crate::edge::json::Json;
use crate::state::AppState;

/// Reports that the process is alive.
#[utoipa::path(get, path = "/v1/healthz", tag = "Server", responses(
    (status = 200, description = "Alive", body = Health),
))]
pub async fn healthz(State(state): State<AppState>) -> Json<Health> {
    Json(health(&state))
}

pub(super) fn health(state: &AppState) -> Health {
    Health {
        status: "ok".to_owned(),
        server: state.config.server.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}
