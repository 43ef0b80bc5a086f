//! `GET /v1/config`: what a client needs to know first.

use axum::extract::State;
use kez_core::api::{Limits, ServerConfig};

use crate::edge::json::Json;
use crate::state::AppState;

/// Describes the server.
#[utoipa::path(get, path = "/v1/config", tag = "Server", responses(
    (status = 200, description = "Name, version, sizes and addresses", body = ServerConfig),
))]
pub async fn config(State(state): State<AppState>) -> Json<ServerConfig> {
    Json(ServerConfig {
        server: state.config.server.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        limits: Limits::PROTOCOL,
        registration: state.config.abuse.registration.into(),
        live_url: Some("/v1/inbox/{handle}/live".to_owned()),
        nats_ws_url: state.config.nats.ws_url.as_ref().map(ToString::to_string),
        sigchains_url: state.config.sigchains_url(),
        contact: state.config.operations.contact.clone(),
        terms_url: state.config.operations.terms_url.clone(),
    })
}
