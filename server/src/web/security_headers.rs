//! The security headers of every page and file. Workers take their policy from their own script, so files carry the
//! same headers as pages.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;

const HEADERS: [(HeaderName, HeaderValue); 5] = [
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    (
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static("camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ),
    (HeaderName::from_static("referrer-policy"), HeaderValue::from_static("no-referrer")),
    (HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff")),
];

/// The headers of an app that connects to these origins besides its own. `watched` allows the additions of `cargo
/// leptos watch` to a page during development: an inline script, and a WebSocket on another port of this machine.
pub(super) fn for_app(connect_to: &[String], watched: bool) -> Arc<HeaderMap> {
    let mut headers = HeaderMap::from_iter(HEADERS);
    // An origin that is not a valid header value results in a policy under which nothing loads.
    let policy = HeaderValue::try_from(policy(connect_to, watched))
        .unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"));
    headers.insert(HeaderName::from_static("content-security-policy"), policy);
    Arc::new(headers)
}

/// Forms are handled by script, so form submission is forbidden. `'wasm-unsafe-eval'` allows WebAssembly and nothing
/// else. With Trusted Types, only the policy in `public/boot.js` decides which script a page may start.
fn policy(connect_to: &[String], watched: bool) -> String {
    let (inline, reload) = if watched { (" 'unsafe-inline'", " ws:") } else { ("", "") };
    let connect = connect_to.iter().fold("'self'".to_owned(), |all, origin| format!("{all} {origin}"));
    format!(
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'{inline}; style-src 'self'; connect-src {connect}{reload}; \
         img-src 'self' blob: data:; font-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types default"
    )
}

/// Adds the headers to an answer.
pub(super) async fn add(State(headers): State<Arc<HeaderMap>>, mut response: Response) -> Response {
    response.headers_mut().extend(headers.iter().map(|(name, value)| (name.clone(), value.clone())));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_allows_the_connections_of_the_app() {
        let policy = |origins: &[&str]| {
            let origins: Vec<_> = origins.iter().map(ToString::to_string).collect();
            for_app(&origins, false)["content-security-policy"].to_str().unwrap().to_owned()
        };
        assert!(policy(&[]).contains("; connect-src 'self'; "));
        assert!(policy(&["wss://kez.lat:8443"]).contains("; connect-src 'self' wss://kez.lat:8443; "));
    }

    #[test]
    fn only_a_watched_app_may_run_the_inline_script_that_reloads_it() {
        let policy = |watched| for_app(&[], watched)["content-security-policy"].to_str().unwrap().to_owned();
        assert!(!policy(false).contains("unsafe-inline"));
        assert!(policy(true).contains("script-src 'self' 'wasm-unsafe-eval' 'unsafe-inline'; "));
        assert!(policy(true).contains("connect-src 'self' ws:; "));
    }
}
