//! The data that an audit reads from a server.

use std::time::Duration;

use axum::body::Bytes;
use http::StatusCode;
use kez_core::api::{Lookup, ServerConfig};
use kez_core::handle::{Handle, ServerName};
use kez_core::identity::Primary;
use kez_core::log::checkpoint::{self, LogKey};
use kez_core::log::inclusion::Inclusion;
use kez_core::sigchain::Links;
use kez_core::webfinger::Jrd;
use serde::de::DeserializeOwned;

use crate::chains::sigchains::PAGE_BYTES;
use crate::http_client::Client;

/// The number of attempts for a request that the server is too busy to answer.
const TRIES: usize = 5;
/// The longest pause that a busy server may request.
const LONGEST_PAUSE: u64 = 60;
/// A bundle of 256 entries of at most 64 KiB each; this server's entries have 160 bytes.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// A server, accessed over HTTP.
pub struct Source {
    base: String,
    http: Client,
}

/// Why an audit did not finish.
#[derive(Debug, thiserror::Error)]
pub enum AuditFailed {
    /// A request got no answer.
    #[error("{url}: {reason}")]
    NoAnswer {
        /// The requested URL.
        url: String,
        /// The error.
        reason: String,
    },
}

impl Source {
    /// A server at a URL without a trailing slash.
    ///
    /// # Errors
    /// When the system has no root certificates to verify the server's certificate.
    pub fn new(base: &str) -> std::io::Result<Self> {
        Ok(Self { base: base.trim_end_matches('/').to_owned(), http: Client::new()? })
    }

    pub(super) async fn log_key(&self) -> Result<LogKey, AuditFailed> {
        let url = "/v1/log/key";
        let text = self.text(url, checkpoint::MAX_BYTES).await?;
        text.trim().parse().map_err(|error| self.failed(url, error))
    }

    pub(super) async fn checkpoint(&self) -> Result<String, AuditFailed> {
        self.text("/v1/log/checkpoint", checkpoint::MAX_BYTES).await
    }

    /// A piece of the log; `None` when the server says that it does not exist.
    pub(super) async fn piece(&self, path: &str) -> Result<Option<Bytes>, AuditFailed> {
        self.get(&format!("/v1/log/tile/{path}"), MOST_BYTES).await
    }

    /// A piece of a chain; `None` when the server says that the chain does not exist.
    pub(super) async fn links(&self, root: &Primary, since: u64) -> Result<Option<Links>, AuditFailed> {
        let path = format!("/v1/sigchains/ed25519/{}?since={since}", root.hex());
        self.json(&path, PAGE_BYTES + 64 * 1024).await
    }

    /// The configuration of a chat server; `None` from a server that only keeps chains.
    pub(super) async fn config(&self) -> Result<Option<ServerConfig>, AuditFailed> {
        self.json("/v1/config", 64 * 1024).await
    }

    /// A chat server's lookup of a handle; `None` when no account holds it.
    pub(super) async fn lookup(&self, handle: &Handle) -> Result<Option<Lookup>, AuditFailed> {
        self.json(&format!("/v1/u/{handle}"), 64 * 1024).await
    }

    /// A chat server's WebFinger answer for a handle; `None` when no account holds it.
    pub(super) async fn webfinger(
        &self,
        handle: &Handle,
        server: &ServerName,
    ) -> Result<Option<Jrd>, AuditFailed> {
        self.json(&format!("/.well-known/webfinger?resource=acct:{handle}@{server}"), 64 * 1024).await
    }

    /// The proof that a chain's head is in the log; `None` when the server says that the chain does not exist.
    pub(super) async fn inclusion(&self, root: &Primary) -> Result<Option<Inclusion>, AuditFailed> {
        self.json(&format!("/v1/log/inclusion/{}", root.hex()), 64 * 1024).await
    }

    async fn text(&self, path: &str, most: usize) -> Result<String, AuditFailed> {
        let body = self.get(path, most).await?.ok_or_else(|| self.failed(path, "not found"))?;
        String::from_utf8(body.to_vec()).map_err(|error| self.failed(path, error))
    }

    async fn json<T: DeserializeOwned>(&self, path: &str, most: usize) -> Result<Option<T>, AuditFailed> {
        let body = self.get(path, most).await?;
        body.map(|body| serde_json::from_slice(&body).map_err(|error| self.failed(path, error))).transpose()
    }

    /// The body; `None` for 404. Waits and retries when the server asks for it.
    async fn get(&self, path: &str, most: usize) -> Result<Option<Bytes>, AuditFailed> {
        let url = format!("{}{path}", self.base);
        for attempt in 1..=TRIES {
            let answer = self.http.get(&url, most).await;
            let answer = answer.map_err(|error| self.failed(path, error))?;
            match answer.status {
                StatusCode::OK => return Ok(Some(answer.body)),
                StatusCode::NOT_FOUND => return Ok(None),
                StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE if attempt < TRIES => {
                    let pause = answer.retry_after.unwrap_or(1).min(LONGEST_PAUSE);
                    tokio::time::sleep(Duration::from_secs(pause)).await;
                }
                status => return Err(self.failed(path, format!("the server answers {status}"))),
            }
        }
        Err(self.failed(path, "the server is too busy"))
    }

    fn failed(&self, path: &str, reason: impl ToString) -> AuditFailed {
        AuditFailed::NoAnswer { url: format!("{}{path}", self.base), reason: reason.to_string() }
    }
}
