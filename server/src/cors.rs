//! Answers that every page may read (CORS, <https://fetch.spec.whatwg.org/#http-cors-protocol>): what is public, and
//! served without credentials.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// What opens an answer, refusals included.
const OPEN: [(HeaderName, HeaderValue); 3] = [
    (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
    (header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("etag, retry-after")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("cross-origin")),
];

/// What a browser asks before it sends JSON; it may remember the answer for a day.
const PREFLIGHT: [(HeaderName, HeaderValue); 3] = [
    (header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST")),
    (header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("content-type, if-none-match")),
    (header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400")),
];

/// What is under these is for every page.
const PUBLIC: [&str; 4] = ["/v1/sigchains/", "/v1/log/", "/.well-known/webfinger", "/.well-known/host-meta"];

/// Whether every page may read what a path answers.
pub fn is_public(path: &str) -> bool {
    PUBLIC.iter().any(|public| path.starts_with(public))
}

/// Opens an answer.
pub fn open(response: &mut Response) {
    response.headers_mut().extend(OPEN);
}

/// Answers a preflight.
pub async fn preflight() -> impl IntoResponse {
    (StatusCode::NO_CONTENT, PREFLIGHT)
}
