//! `GET /.well-known/security.txt` (RFC 9116): the contact for vulnerability reports.

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use kez_core::problem::{Problem, ProblemCode};
use kez_core::time::Timestamp;

use crate::edge::error::ApiError;
use crate::state::AppState;

/// How long a reader may rely on the file, in seconds: less than a year (RFC 9116, section 2.5.5).
const VALID_SECONDS: u64 = 180 * 24 * 60 * 60;
/// The expiry time is rounded to the beginning of a day, so that the file changes once a day.
const DAY_SECONDS: u64 = 24 * 60 * 60;

/// The contact for vulnerability reports.
#[utoipa::path(get, path = "/.well-known/security.txt", tag = "Server", responses(
    (status = 200, description = "The contact", body = String, content_type = "text/plain"),
    (status = 404, description = "not_found: this server names no contact", body = Problem),
))]
pub async fn security_txt(State(state): State<AppState>) -> Result<impl IntoResponse, ApiError> {
    let contact = state
        .config
        .operations
        .contact
        .as_ref()
        .ok_or_else(|| ApiError::new(ProblemCode::NotFound, "this server names no contact"))?;
    let until = (state.now().unix() + VALID_SECONDS) / DAY_SECONDS * DAY_SECONDS;
    let expires = Timestamp::from_unix(until);
    let address = state.config.public_url();
    let text = format!(
        "Contact: {contact}\nExpires: {expires}\nPreferred-Languages: en\nCanonical: {address}/.well-known/security.txt\n"
    );
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text))
}
