//! Requests to other servers over HTTP, with a time limit, a size limit, and no redirects.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::crypto::ring::default_provider;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout;

/// The time limit for a connection attempt.
const CONNECT: Duration = Duration::from_secs(2);
/// The time limit for an answer, from the request to its last byte.
const ANSWER: Duration = Duration::from_secs(5);

/// An HTTP client. It keeps connections open for the next request.
#[derive(Clone)]
pub struct Client(legacy::Client<HttpsConnector<HttpConnector>, Empty<Bytes>>);

/// A complete answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// The number of seconds in `Retry-After`, if the answer has one.
    pub retry_after: Option<u64>,
    /// Its body.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// The URL is invalid.
    #[error("this is not an address: {0}")]
    Address(#[from] http::Error),
    /// The other server cannot be reached, or closed the connection early.
    #[error("{0}")]
    Broken(String),
    /// The answer exceeds the size limit.
    #[error("its answer is over {0} bytes")]
    TooLarge(usize),
    /// The answer exceeds the time limit.
    #[error("no complete answer within {} s", ANSWER.as_secs())]
    TooSlow,
}

impl Client {
    /// A client. Without root certificates in the system, it cannot connect to any server over TLS.
    ///
    /// # Errors
    /// When TLS itself cannot be set up.
    pub fn new() -> io::Result<Self> {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT));
        connector.enforce_http(false);
        let tls = match HttpsConnectorBuilder::new().with_provider_and_native_roots(default_provider()) {
            Ok(tls) => tls,
            Err(error) => {
                tracing::warn!(%error, "no certificates to verify other servers: none can be reached over TLS");
                HttpsConnectorBuilder::new().with_tls_config(without_roots()?)
            }
        };
        let connector = tls.https_or_http().enable_http1().wrap_connector(connector);
        Ok(Self(legacy::Client::builder(TokioExecutor::new()).build(connector)))
    }

    /// Requests a URL, with a size limit for the answer.
    ///
    /// # Errors
    /// [`NoAnswer`] says why there is none.
    pub async fn get(&self, url: &str, most: usize) -> Result<Answer, NoAnswer> {
        timeout(ANSWER, self.request(url, most)).await.map_err(|_| NoAnswer::TooSlow)?
    }

    async fn request(&self, url: &str, most: usize) -> Result<Answer, NoAnswer> {
        let agent = concat!("kez-chat-server/", env!("CARGO_PKG_VERSION"));
        let request = Request::get(url).header(header::USER_AGENT, agent).body(Empty::new())?;
        let response = self.0.request(request).await.map_err(|error| NoAnswer::Broken(reason(&error)))?;
        let (status, retry_after) = (response.status(), retry_after(response.headers()));
        let body = Limited::new(response.into_body(), most).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                NoAnswer::TooLarge(most)
            } else {
                NoAnswer::Broken(reason(&*error))
            }
        })?;
        Ok(Answer { status, retry_after, body: body.to_bytes() })
    }
}

fn without_roots() -> io::Result<ClientConfig> {
    let versions = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    Ok(versions.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}

fn retry_after(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()
}

/// The innermost cause of an error is the most informative.
fn reason(error: &(dyn std::error::Error + 'static)) -> String {
    let mut reason = error;
    while let Some(deeper) = reason.source() {
        reason = deeper;
    }
    reason.to_string()
}
