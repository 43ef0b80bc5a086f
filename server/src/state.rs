//! The state shared by every route.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::FromRef;
use futures::FutureExt;
use futures::future::BoxFuture;
use kez_app::History;
use kez_core::api::Lookup;
use kez_core::handle::Handle;
use kez_core::identity::Primary;
use kez_core::log::inclusion::Inclusion;
use kez_core::time::Timestamp;
use serde_json::value::RawValue;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::accounts::caller::Authenticator;
use crate::accounts::devices::Devices;
use crate::accounts::directory::Directory;
use crate::accounts::people::PeopleCache;
use crate::accounts::reserved::ReservedHandles;
use crate::chains::key_history::key_history;
use crate::chains::source::ChainSource;
use crate::clock::Clock;
use crate::config::{Config, Switch};
use crate::edge::connection_limiter::ConnectionLimiter;
use crate::edge::error::log_failure;
use crate::edge::gate::Gate;
use crate::edge::limits::Limits;
use crate::edge::proxy_trust::ProxyTrust;
use crate::edge::request_layer::Monitors;
use crate::operations::disk::Disk;
use crate::operations::metrics::Metrics;
use crate::push::Push;
use crate::push::nats::Bus;
use crate::relay::admission::Admission;
use crate::relay::claims::Claims;
use crate::relay::groups::Groups;
use crate::store::{Account, Store, StoreError};
use crate::web::{ProfileLookup, ProfileUnavailable};

/// The state of the server, shared by all requests.
#[derive(Clone)]
pub struct AppState(Arc<Shared>);

impl Deref for AppState {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl FromRef<AppState> for Arc<ProxyTrust> {
    fn from_ref(state: &AppState) -> Self {
        Self::clone(&state.trust)
    }
}

impl FromRef<AppState> for Arc<Authenticator> {
    fn from_ref(state: &AppState) -> Self {
        Self::clone(&state.authenticator)
    }
}

/// See [`AppState`].
pub struct Shared {
    /// Flags and environment.
    pub config: Config,
    /// The source of truth.
    pub store: Arc<Store>,
    /// Handles that cannot be claimed.
    pub reserved: Arc<ReservedHandles>,
    /// The holders of handles, with keys parsed.
    pub directory: Arc<Directory>,
    /// The live devices of accounts.
    pub devices: Arc<Devices>,
    /// Checks signatures of requests.
    pub authenticator: Arc<Authenticator>,
    /// The contacts and blocks of users.
    pub people: PeopleCache,
    /// The streams that wait for each inbox.
    pub push: Arc<Push>,
    /// The rate limits of client networks; `None` under `--limits off`.
    pub limits: Option<Arc<Limits>>,
    /// How often key packages may be claimed; `None` under `--limits off`.
    pub claims: Option<Claims>,
    /// Who belongs to groups.
    pub groups: Groups,
    /// Which messages are accepted.
    pub admission: Admission,
    /// The proxies in front of the server.
    pub trust: Arc<ProxyTrust>,
    /// The source of sigchains.
    pub chains: Arc<ChainSource>,
    /// How full the disk is.
    pub disk: Arc<Disk>,
    /// The source of the time.
    pub clock: Arc<dyn Clock>,
    /// Cancelled when the live streams have to end.
    pub shutdown: CancellationToken,
    /// The live streams.
    pub streams: TaskTracker,
    /// Limits the live streams of a client network; `None` under `--limits off`.
    pub stream_limiter: Option<ConnectionLimiter>,
    /// The counters for Prometheus.
    pub metrics: Arc<Metrics>,
    ready: AtomicBool,
    /// When the store last answered [`Shared::check_store`], in ticks of the clock.
    checked: Mutex<Option<Duration>>,
}

/// How long a positive check counts, so that frequent requests do not cause more checks.
const CHECKED_FOR: Duration = Duration::from_secs(1);

impl AppState {
    /// The state at the start.
    pub fn new(
        config: Config,
        store: Arc<Store>,
        reserved: ReservedHandles,
        bus: Option<Arc<Bus>>,
        clock: Arc<dyn Clock>,
        chains: ChainSource,
        work_key: [u8; 32],
    ) -> Self {
        let push = Arc::new(Push::new(bus));
        let directory = Arc::new(Directory::new(Arc::clone(&store), Arc::clone(&push)));
        let chains = Arc::new(chains);
        let devices =
            Devices::new(Arc::clone(&chains), Arc::clone(&store), Arc::clone(&push), Arc::clone(&clock));
        let authenticator = Authenticator::new(
            config.server.clone(),
            Arc::clone(&directory),
            Arc::clone(&devices),
            Arc::clone(&store),
            Arc::clone(&clock),
        );
        let people = PeopleCache::new(store.clone(), Arc::clone(&clock));
        let groups = Groups::new(Arc::clone(&store), Arc::clone(&push), Arc::clone(&clock));
        let limited = config.limits == Switch::On;
        let limits = limited.then(|| Arc::new(Limits::new(config.abuse.rates())));
        let (trust, disk) = (Arc::new(config.proxy_trust()), Arc::new(Disk::default()));
        let claims = limited.then(|| Claims::new(&config.groups, &clock));
        let admission = Admission::new(
            config.abuse,
            limits.clone(),
            Arc::clone(&trust),
            Arc::clone(&disk),
            work_key,
            Arc::clone(&clock),
        );
        let streams_per_network = config.abuse.streams_per_network as usize;
        Self(Arc::new(Shared {
            config,
            store,
            reserved: Arc::new(reserved),
            directory,
            devices,
            authenticator: Arc::new(authenticator),
            people,
            push,
            limits,
            claims,
            groups,
            admission,
            trust,
            chains,
            disk,
            clock,
            shutdown: CancellationToken::new(),
            streams: TaskTracker::new(),
            stream_limiter: limited.then(|| ConnectionLimiter::new(streams_per_network)),
            metrics: Arc::default(),
            ready: AtomicBool::new(true),
            checked: Mutex::default(),
        }))
    }
}

impl Shared {
    /// The server's time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Counts requests by network.
    pub fn gate(&self) -> Gate {
        Gate { limits: self.limits.clone(), trust: Arc::clone(&self.trust) }
    }

    /// What is checked and counted for every request.
    pub fn monitors(&self) -> Monitors {
        let counted = self.config.operations.metrics_bind.is_some();
        Monitors { disk: Arc::clone(&self.disk), metrics: counted.then(|| Arc::clone(&self.metrics)) }
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
