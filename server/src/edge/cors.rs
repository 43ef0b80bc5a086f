//! Answers that any page may read (CORS, <https://fetch.spec.whatwg.org/#http-cors-protocol>): public ones, served
//! without credentials.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// The headers that open an answer, including a refusal.
const OPEN: [(HeaderName, HeaderValue); 3] = [
    (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
    (header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("etag, retry-after")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("cross-origin")),
];

/// The headers of a preflight answer before a browser sends JSON. The browser may cache it for a day.
const PREFLIGHT: [(HeaderName, HeaderValue); 3] = [
    (header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST")),
    (header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("content-type, if-none-match")),
    (header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400")),
];

/// Paths under these prefixes are open to every page.
const PUBLIC: [&str; 4] = ["/v1/sigchains/", "/v1/log/", "/.well-known/webfinger", "/.well-known/host-meta"];

/// Whether every page may read the answer of a path.
pub fn is_public(path: &str) -> bool {
    PUBLIC.iter().any(|public| path.starts_with(public))
}

/// Adds the CORS headers to an answer.
pub fn open(response: &mut Response) {
    response.headers_mut().extend(OPEN);
}

/// Answers a preflight.
pub async fn preflight() -> impl IntoResponse {
    (StatusCode::NO_CONTENT, PREFLIGHT)
}
