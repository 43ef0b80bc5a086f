//! One log line per request: method, route, status, time and request id. Never an envelope, a signature, an
//! authentication header, a handle or an address.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use data_encoding::HEXLOWER;

use crate::edge::client_address::Peer;
use crate::edge::proxy_trust::ProxyTrust;
use crate::operations::metrics::method_name;

/// The id of a request, in its answer and in the log.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The log line of a request in progress.
pub struct RequestLine {
    start: Instant,
    id: HeaderValue,
    method: &'static str,
    route: Option<MatchedPath>,
}

impl RequestLine {
    /// Begins a request, and assigns its id.
    pub fn begin(trust: &ProxyTrust, request: &Request) -> Self {
        let id = request_id(trust, request);
        let method = method_name(request.method());
        let route = request.extensions().get::<MatchedPath>().cloned();
        Self { start: Instant::now(), id, method, route }
    }

    /// Writes the line, and adds the id to the answer.
    pub fn end(self, response: &mut Response) {
        let Self { start, id, method, route } = self;
        tracing::info!(
            method,
            route = route.as_ref().map_or("-", MatchedPath::as_str),
            status = response.status().as_u16(),
            ms = start.elapsed().as_secs_f64() * 1e3,
            id = id.to_str().unwrap_or_default(),
            "request"
        );
        response.headers_mut().insert(X_REQUEST_ID, id);
    }
}

/// The id from a trusted proxy, or a new one.
fn request_id(trust: &ProxyTrust, request: &Request) -> HeaderValue {
    let trusted =
        request.extensions().get::<Peer>().is_some_and(|Peer(peer)| trust.trusts(peer.ip().to_canonical()));
    given_id(request.headers()).filter(|_| trusted).unwrap_or_else(|| {
        let mut id = [0; 16];
        HEXLOWER.encode_mut(&new_id().to_be_bytes(), &mut id);
        HeaderValue::from_bytes(&id).unwrap_or(HeaderValue::from_static("-"))
    })
}

/// An id that is unique for all practical purposes: a counter, hashed under a random key of the process. Random numbers
/// from the system would cost a system call per request.
fn new_id() -> u64 {
    static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    static COUNT: AtomicU64 = AtomicU64::new(0);
    KEY.hash_one(COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Only short, plain text is accepted; otherwise the header would allow log injection.
fn given_id(headers: &HeaderMap) -> Option<HeaderValue> {
    let id = headers.get(X_REQUEST_ID)?;
    let plain = id.as_bytes().iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte));
    (plain && (1..=64).contains(&id.len())).then(|| id.clone())
}
