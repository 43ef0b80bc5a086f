//! Security headers on every answer. What a route sets itself stays; everything else gets the strictest value.

use axum::http::{HeaderName, HeaderValue, header};
use axum::response::Response;

use crate::edge::Edge;

/// Strict enough for an API: nothing is cached, framed, guessed or run.
const DEFAULTS: [(HeaderName, HeaderValue); 5] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
];

/// Two years (RFC 6797). Sent where people reach the server under https; browsers ignore it on plain http (section
/// 8.1), so a test on loopback is not harmed.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=63072000");

/// Adds what is missing.
pub fn add_defaults(edge: &Edge, response: &mut Response) {
    let headers = response.headers_mut();
    for (name, value) in DEFAULTS {
        headers.entry(name).or_insert(value);
    }
    if edge.https {
        headers.entry(header::STRICT_TRANSPORT_SECURITY).or_insert(HSTS);
    }
}
