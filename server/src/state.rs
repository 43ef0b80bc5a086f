//! The state shared by every route.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use kez_app::History;
use kez_core::api::Lookup;
use kez_core::handle::Handle;
use kez_core::identity::Primary;
use kez_core::log::inclusion::Inclusion;
use kez_core::time::Timestamp;
use serde_json::value::RawValue;
use tokio::sync::{Mutex, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admission::Senders;
use crate::around::Gate;
use crate::chain_source::ChainSource;
use crate::clock::Clock;
use crate::config::{Config, Switch};
use crate::crowding::Crowding;
use crate::directory::Directory;
use crate::disk::Disk;
use crate::edge::Edge;
use crate::error::log_failure;
use crate::key_history::key_history;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::nats::Bus;
use crate::network_tag::NetworkTags;
use crate::people::PeopleCache;
use crate::push::Push;
use crate::reserved::ReservedHandles;
use crate::store::{Account, AccountId, Store, StoreError};
use crate::web::{ProfileLookup, ProfileUnavailable};
use crate::work::WorkDesk;

/// The number of strangers' messages that may wait to be written.
const STRANGERS: usize = 64;

/// The state of the server, shared by all requests.
pub type AppState = Arc<Shared>;

/// See [`AppState`].
pub struct Shared {
    /// Flags and environment.
    pub config: Config,
    /// The source of truth.
    pub store: Arc<dyn Store>,
    /// Handles that cannot be claimed.
    pub reserved: ReservedHandles,
    /// The holders of handles, with keys parsed.
    pub directory: Directory,
    /// The contacts and blocks of users.
    pub people: PeopleCache,
    /// The streams that wait for each inbox.
    pub push: Push,
    /// The rate limits of client networks; `None` under `--limits off`.
    pub limits: Option<Arc<Limits>>,
    /// The allowances of senders; `None` under `--limits off`.
    pub senders: Option<Senders>,
    /// The proxies in front of the server.
    pub edge: Arc<Edge>,
    /// The source of sigchains.
    pub chains: ChainSource,
    /// How full the disk is.
    pub disk: Disk,
    /// Proofs of work.
    pub work: WorkDesk,
    /// Computes the tags of the networks of message requests.
    pub network_tags: NetworkTags,
    /// Limits the strangers' messages in the write queue: users who know each other never wait behind more than these.
    pub strangers: Semaphore,
    /// The source of the time.
    pub clock: Arc<dyn Clock>,
    /// Cancelled when the live streams have to end.
    pub shutdown: CancellationToken,
    /// The live streams.
    pub streams: TaskTracker,
    /// The number of live streams per client network; `None` under `--limits off`.
    pub stream_crowding: Option<Crowding>,
    /// The counters for Prometheus.
    pub metrics: Metrics,
    ready: AtomicBool,
    /// When the store last answered [`Shared::check_store`], in ticks of the clock.
    checked: Mutex<Option<Duration>>,
}

/// How long a positive check counts, so that frequent requests do not cause more checks.
const CHECKED_FOR: Duration = Duration::from_secs(1);

impl Shared {
    /// The state at the start.
    pub fn new(
        config: Config,
        store: Arc<dyn Store>,
        reserved: ReservedHandles,
        bus: Option<Arc<Bus>>,
        clock: Arc<dyn Clock>,
        chains: ChainSource,
        work_key: [u8; 32],
    ) -> Self {
        let directory = Directory::new(Arc::clone(&store));
        let people = PeopleCache::new(store.clone(), Arc::clone(&clock));
        let limited = config.limits == Switch::On;
        let limits = limited.then(|| Arc::new(Limits::new(config.abuse.rates())));
        let senders = limited.then(|| Senders::new(&config.abuse, &clock));
        let stream_crowding = limited.then(|| Crowding::new(config.abuse.streams_per_network as usize));
        let edge = Arc::new(config.edge());
        let work = WorkDesk::new(work_key, config.abuse.work_bits);
        let (push, shutdown, streams) = (Push::new(bus), CancellationToken::new(), TaskTracker::new());
        Self {
            config,
            store,
            reserved,
            directory,
            people,
            push,
            limits,
            senders,
            edge,
            chains,
            disk: Disk::default(),
            work,
            network_tags: NetworkTags::new(work_key),
            strangers: Semaphore::new(STRANGERS),
            clock,
            shutdown,
            streams,
            stream_crowding,
            metrics: Metrics::default(),
            ready: AtomicBool::new(true),
            checked: Mutex::default(),
        }
    }

    /// The server's time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Counts requests by network.
    pub fn gate(&self) -> Gate {
        Gate { limits: self.limits.clone(), edge: Arc::clone(&self.edge) }
    }

    /// Whether the store works; only one caller checks at a time.
    ///
    /// # Errors
    /// When it does not.
    pub async fn check_store(&self) -> Result<(), StoreError> {
        let mut checked = self.checked.lock().await;
        let now = self.clock.ticks();
        if checked.is_none_or(|at| now.saturating_sub(at) >= CHECKED_FOR) {
            *checked = None;
            self.store.check().await?;
            *checked = Some(now);
        }
        Ok(())
    }

    /// Whether new requests are welcome: not during a shutdown.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }

    /// Handles an account that was banned or deleted, or whose handle went to another key. Its live streams end.
    pub fn holder_changed(&self, account: AccountId, handle: &Handle) {
        self.directory.forget(handle);
        self.push.wake(account);
    }

    /// From now on `GET /v1/readyz` directs new requests elsewhere.
    pub fn no_longer_ready(&self) {
        self.ready.store(false, Ordering::Relaxed);
    }

    async fn profile(&self, handle: &Handle) -> Result<Option<Lookup>, StoreError> {
        match self.store.lookup(handle).await? {
            Some(account) => self.describe(account).await.map(Some),
            None => Ok(None),
        }
    }

    /// The public record of an account.
    ///
    /// # Errors
    /// When the store does not answer, or holds a registration that is not JSON, which this server never writes.
    pub async fn describe(&self, account: Account) -> Result<Lookup, StoreError> {
        let json = |text, what| RawValue::from_string(text).map_err(|_| StoreError::Corrupt(what));
        let proof =
            self.inclusion(&account.root).await?.map(|proof| serde_json::to_string(&proof)).transpose();
        let proof = proof.map_err(|_| StoreError::Corrupt("proof"))?;
        Ok(Lookup {
            fqhn: format!("{}@{}", account.handle, self.config.server),
            sigchain_url: self.config.sigchain_url(&account.root),
            handle: account.handle,
            primary: account.primary,
            registered_at: account.registered_at,
            registration: json(account.registration, "registration")?,
            log: proof.map(|proof| json(proof, "proof")).transpose()?,
        })
    }

    /// The proof that the head of an account's sigchain is in the log, if this server keeps both.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn inclusion(&self, root: &Primary) -> Result<Option<Inclusion>, StoreError> {
        match self.chains.embedded() {
            Some(chains) => chains.log.inclusion(root).await,
            None => Ok(None),
        }
    }
}

/// Lets the pages look up users without depending on the store.
pub struct Profiles(pub AppState);

impl ProfileLookup for Profiles {
    fn profile<'a>(
        &'a self,
        handle: &'a Handle,
    ) -> BoxFuture<'a, Result<Option<Lookup>, ProfileUnavailable>> {
        async move { self.0.profile(handle).await.map_err(|error| unavailable(&error)) }.boxed()
    }

    fn history<'a>(&'a self, lookup: &'a Lookup) -> BoxFuture<'a, Result<History, ProfileUnavailable>> {
        async move {
            let told = key_history(&self.0.chains, self.0.store.as_ref(), lookup).await;
            told.map_err(|error| unavailable(&error))
        }
        .boxed()
    }
}

fn unavailable(error: &StoreError) -> ProfileUnavailable {
    log_failure(error);
    ProfileUnavailable
}
