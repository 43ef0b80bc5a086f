//! `GET /v1/openapi.json`: this API for programs that read APIs (OpenAPI 3.1).

use std::sync::Arc;

use axum::body::Bytes;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, get};
use utoipa::OpenApi;

/// What the routes do not say themselves.
#[derive(OpenApi)]
#[openapi(
    info(title = "KEZ Chat", description = "A home server of end-to-end encrypted chat. docs/SPEC.md is the text."),
    tags(
        (name = "Registry", description = "Who holds which handle"),
        (name = "Sigchains", description = "What keys have said about themselves, where this server keeps it"),
        (name = "Log", description = "The log that proves that no chain was changed"),
        (name = "Relay", description = "Envelopes, which the server cannot read"),
        (name = "NATS", description = "Who may hear quickly of new messages"),
        (name = "People", description = "Whom somebody has accepted or blocked"),
        (name = "Server", description = "The server itself"),
    )
)]
pub struct Document;

/// The path of the document, which does not describe itself.
pub const PATH: &str = "/v1/openapi.json";

/// Serves the finished document.
///
/// # Errors
/// When the document cannot be written as JSON.
pub fn route<S: Clone + Send + Sync + 'static>(
    document: &utoipa::openapi::OpenApi,
) -> Result<MethodRouter<S>, serde_json::Error> {
    let json: Arc<Bytes> = Arc::new(document.to_json()?.into());
    Ok(get(move || {
        let json = Bytes::clone(&json);
        async move { ([(header::CONTENT_TYPE, "application/json")], json).into_response() }
    }))
}
