//! The source of sigchains: this server's own store, or a sigchain server, whose answers are verified.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::StatusCode;
use kez_core::identity::Primary;
use kez_core::sigchain::{Chain, Link, LinkRefused, Links, MAX_LINKS};
use tokio::time::timeout;

use crate::chains::log::{OpenLogError, TransparencyLog};
use crate::chains::sigchains::{PAGE_BYTES, Sigchains};
use crate::clock::Clock;
use crate::config::{Config, SigServer, Switch};
use crate::http_client::Client;
use crate::store::{Store, StoreError};

/// The time limit for a complete chain with all its pages: shorter than the time limit of a request that waits for it.
const CHAIN_TIMEOUT: Duration = Duration::from_secs(8);
/// The time limit for a page that shows the chain but can do without it.
const PAGE_TIMEOUT: Duration = Duration::from_secs(2);
/// The interval between health checks of the sigchain server.
const CHECK_EVERY: Duration = Duration::from_secs(30);
/// An upper limit for its answer.
const HEALTH_BYTES: usize = 4096;
/// A page ends after the link that reaches [`PAGE_BYTES`].
const MOST_BYTES: usize = PAGE_BYTES + 64 * 1024;

/// The place where sigchains are kept.
pub enum ChainSource {
    /// On this server.
    Embedded(Arc<Sigchains>),
    /// On a separate sigchain server.
    Remote(Box<RemoteChains>),
}

/// Why the source cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenChainsError {
    /// The log of this server's own chains.
    #[error(transparent)]
    Log(#[from] OpenLogError),
    /// The client for the sigchain server.
    #[error("there can be no connection to a sigchain server: {0}")]
    Http(#[from] std::io::Error),
}

/// Why a chain cannot be determined.
#[derive(Debug, thiserror::Error)]
pub enum ChainUnavailable {
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The sigchain server does not answer, or not with a chain.
    #[error("the sigchain server does not answer: {0}")]
    Unreachable(String),
    /// The sigchain server answers with a chain that breaks the rules.
    #[error("the sigchain server returned an invalid chain: {0}")]
    Invalid(#[from] LinkRefused),
}

impl ChainSource {
    /// Opens the source that the configuration names.
    ///
    /// # Errors
    /// [`OpenChainsError`] says why it cannot be used.
    pub async fn open(
        config: &Config,
        store: Arc<Store>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenChainsError> {
        if let SigServer::At(url) = &config.sig_server_url {
            return Ok(Self::Remote(Box::new(RemoteChains::new(url.to_string())?)));
        }
        let seed_file = config.sigchains.log_seed_file.as_deref();
        let log = TransparencyLog::open(store.clone(), &config.log_name(), seed_file).await?;
        let limited = config.limits == Switch::On;
        Ok(Self::Embedded(Arc::new(Sigchains::new(store, log, clock, limited))))
    }

    /// Whether chains can be read at the moment, as far as this server knows.
    pub fn answers(&self) -> bool {
        match self {
            Self::Embedded(_) => true,
            Self::Remote(remote) => remote.answers(),
        }
    }

    /// The chains that this server keeps itself.
    pub const fn embedded(&self) -> Option<&Arc<Sigchains>> {
        match self {
            Self::Embedded(chains) => Some(chains),
            Self::Remote(_) => None,
        }
    }

    /// A chain, with every link checked; empty when there is none.
    ///
    /// # Errors
    /// [`ChainUnavailable`] when the chain cannot be determined.
    pub async fn chain(&self, root: &Primary) -> Result<Arc<Chain>, ChainUnavailable> {
        match self {
            Self::Embedded(chains) => Ok(chains.chain(root).await?),
            Self::Remote(remote) => remote.chain(root).await.map(Arc::new),
        }
    }

    /// The chains of these roots, each of them once, in the same order. From a separate server they come one by one.
    ///
    /// # Errors
    /// [`ChainUnavailable`] when one of the chains cannot be determined.
    pub async fn chains(&self, roots: &[Primary]) -> Result<Vec<Arc<Chain>>, ChainUnavailable> {
        match self {
            Self::Embedded(chains) => Ok(chains.chains(roots).await?),
            Self::Remote(remote) => {
                let mut chains = Vec::with_capacity(roots.len());
                for root in roots {
                    chains.push(Arc::new(remote.chain(root).await?));
                }
                Ok(chains)
            }
        }
    }
}

/// The chains of a sigchain server.
pub struct RemoteChains {
    base: String,
    http: Client,
    answers: AtomicBool,
}

/// Polls the sigchain server's health, for `GET /v1/readyz` and the log. Returns at once if the chains are kept here.
pub async fn watch_sigchain_server(chains: Arc<ChainSource>) {
    let ChainSource::Remote(remote) = &*chains else { return };
    let mut every = tokio::time::interval(CHECK_EVERY);
    loop {
        every.tick().await;
        let (before, reason) = (remote.answers(), remote.check_health().await);
        remote.answers.store(reason.is_none(), Ordering::Relaxed);
        match reason {
            Some(reason) if before => tracing::warn!(
                url = remote.base,
                reason,
                "the sigchain server does not answer, so key histories and key changes are unavailable"
            ),
            None if !before => tracing::info!(url = remote.base, "the sigchain server answers again"),
            _ => {}
        }
    }
}

impl RemoteChains {
    /// The chains at a URL without a trailing slash.
    ///
    /// # Errors
    /// When the system has no root certificates to verify the server's certificate.
    pub fn new(base: String) -> std::io::Result<Self> {
        Ok(Self { base, http: Client::new()?, answers: AtomicBool::new(true) })
    }

    /// Whether the last health check succeeded.
    pub fn answers(&self) -> bool {
        self.answers.load(Ordering::Relaxed)
    }

    /// Checks whether the server is up. Returns the reason if not, or `None`.
    pub async fn check_health(&self) -> Option<String> {
        let url = format!("{}/v1/healthz", self.base);
        match timeout(PAGE_TIMEOUT, self.http.get(&url, HEALTH_BYTES)).await {
            Err(_) => Some(format!("no answer within {} s", PAGE_TIMEOUT.as_secs())),
            Ok(Err(error)) => Some(error.to_string()),
            Ok(Ok(answer)) if answer.status == StatusCode::OK => None,
            Ok(Ok(answer)) => Some(format!("it answers {}", answer.status)),
        }
    }

    /// A chain, fetched completely and checked link by link; empty when the server has none.
    ///
    /// # Errors
    /// [`ChainUnavailable`] when the server does not answer in time, or with anything but a chain.
    pub async fn chain(&self, root: &Primary) -> Result<Chain, ChainUnavailable> {
        let silent = || {
            ChainUnavailable::Unreachable(format!("no complete chain within {} s", CHAIN_TIMEOUT.as_secs()))
        };
        let whole = timeout(CHAIN_TIMEOUT, self.fetch(root)).await.map_err(|_| silent())?;
        whole.map(|(chain, _)| chain)
    }

    /// The links of a chain, fetched completely and checked; empty when the server has no such chain. A user waits for
    /// the page that needs them, so the time limit is short.
    ///
    /// # Errors
    /// [`ChainUnavailable`] when the server does not answer in time, or with anything but a chain.
    pub async fn links(&self, root: &Primary) -> Result<Vec<Link>, ChainUnavailable> {
        let silent = || {
            ChainUnavailable::Unreachable(format!("no complete chain within {} s", PAGE_TIMEOUT.as_secs()))
        };
        let whole = timeout(PAGE_TIMEOUT, self.fetch(root)).await.map_err(|_| silent())?;
        whole.map(|(_, links)| links)
    }

    async fn fetch(&self, root: &Primary) -> Result<(Chain, Vec<Link>), ChainUnavailable> {
        let (mut chain, mut links) = (Chain::new(*root), Vec::new());
        while let Some(page) = self.page(root, chain.length()).await? {
            for link in &page.links {
                let link = Link::parse(link.get().as_bytes())?;
                chain.append(&link)?;
                links.push(link);
            }
            if chain.length() >= page.length.min(MAX_LINKS) || page.links.is_empty() {
                break;
            }
        }
        Ok((chain, links))
    }

    async fn page(&self, root: &Primary, since: u64) -> Result<Option<Links>, ChainUnavailable> {
        let url = format!("{}/v1/sigchains/ed25519/{}?since={since}", self.base, root.hex());
        let unreachable = |reason: String| ChainUnavailable::Unreachable(reason);
        let answer = self.http.get(&url, MOST_BYTES).await.map_err(|error| unreachable(error.to_string()))?;
        match answer.status {
            StatusCode::OK => serde_json::from_slice(&answer.body)
                .map(Some)
                .map_err(|error| unreachable(format!("its answer is not a chain: {error}"))),
            StatusCode::NOT_FOUND => Ok(None),
            status => Err(unreachable(format!("it answers {status}"))),
        }
    }
}
