//! `GET /.well-known/host-meta` (RFC 6415): the location of WebFinger, for programs that ask here first.

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use kez_core::webfinger::HostMeta;

use crate::edge::json::Json;
use crate::state::AppState;

/// The location of WebFinger, as XRD.
#[utoipa::path(get, path = "/.well-known/host-meta", tag = "Registry", responses(
    (status = 200, description = "An XRD document", body = String, content_type = "application/xrd+xml"),
))]
pub async fn xrd(State(state): State<AppState>) -> impl IntoResponse {
    let host_meta = HostMeta::new(&state.config.public_url());
    ([(header::CONTENT_TYPE, "application/xrd+xml")], host_meta.to_xrd())
}

/// The location of WebFinger, as JSON.
#[utoipa::path(get, path = "/.well-known/host-meta.json", tag = "Registry", responses(
    (status = 200, description = "The same as JSON", body = HostMeta),
))]
pub async fn json(State(state): State<AppState>) -> Json<HostMeta> {
    Json(HostMeta::new(&state.config.public_url()))
}
