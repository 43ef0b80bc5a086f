//! Asking other servers over HTTP: within a time, within a size, and without following anybody elsewhere.

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

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(2);
/// How long an answer may take, from the request to its last byte.
const ANSWER: Duration = Duration::from_secs(5);

/// A client of other servers. Its connections are kept for the next request.
#[derive(Clone)]
pub struct Client(legacy::Client<HttpsConnector<HttpConnector>, Empty<Bytes>>);

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// The seconds after which to come back, where it says so.
    pub retry_after: Option<u64>,
    /// Its body.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// The address is none.
    #[error("this is no address: {0}")]
    Address(#[from] http::Error),
    /// The other server cannot be reached, or breaks off.
    #[error("{0}")]
    Broken(String),
    /// The answer is larger than it may be.
    #[error("its answer is over {0} bytes")]
    TooLarge(usize),
    /// The answer takes longer than it may.
    #[error("no whole answer within {} s", ANSWER.as_secs())]
    TooSlow,
}

impl Client {
    /// A client. Where the system has no certificates to check others' with, it reaches nobody over TLS.
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
                tracing::warn!(%error, "no certificates to check other servers' with: none is reached over TLS");
                HttpsConnectorBuilder::new().with_tls_config(trusting_nobody()?)
            }
        };
        let connector = tls.https_or_http().enable_http1().wrap_connector(connector);
        Ok(Self(legacy::Client::builder(TokioExecutor::new()).build(connector)))
    }

    /// Gets an address, whose answer may have so many bytes.
    ///
    /// # Errors
    /// [`NoAnswer`] says why there is none.
    pub async fn get(&self, url: &str, most: usize) -> Result<Answer, NoAnswer> {
        timeout(ANSWER, self.ask(url, most)).await.map_err(|_| NoAnswer::TooSlow)?
    }

    async fn ask(&self, url: &str, most: usize) -> Result<Answer, NoAnswer> {
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

fn trusting_nobody() -> io::Result<ClientConfig> {
    let versions = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    Ok(versions.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}

fn retry_after(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()
}

/// What is at the bottom of an error says most.
fn reason(error: &(dyn std::error::Error + 'static)) -> String {
    let mut reason = error;
    while let Some(deeper) = reason.source() {
        reason = deeper;
    }
    reason.to_string()
}
