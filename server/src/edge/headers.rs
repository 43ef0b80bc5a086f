//! Security headers on every answer. Headers set by a route are kept; all others get the strictest value.

use axum::http::{HeaderName, HeaderValue, header};
use axum::response::Response;

use crate::edge::proxy_trust::ProxyTrust;

/// Strict enough for an API: no caching, framing, MIME sniffing or script.
const DEFAULTS: [(HeaderName, HeaderValue); 5] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
];

/// Two years (RFC 6797). Sent when the server's public address is https; browsers ignore it on plain http (section
/// 8.1), so a test on loopback is not affected.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=63072000");

/// Adds the missing headers.
pub fn add_defaults(trust: &ProxyTrust, response: &mut Response) {
    let headers = response.headers_mut();
    for (name, value) in DEFAULTS {
        headers.entry(name).or_insert(value);
    }
    if trust.https {
        headers.entry(header::STRICT_TRANSPORT_SECURITY).or_insert(HSTS);
    }
}
