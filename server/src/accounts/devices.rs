//! The live devices of accounts: the keys that an account's sigchain certifies beside its primary (docs/SPEC.md,
//! section 12). A device may sign most requests of its account (section 8).
//!
//! A link that this node appends takes effect at once, and any other link within [`CACHED_FOR`].

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use kez_core::handle::Handle;
use kez_core::identity::Primary;
use kez_core::mls::LeafId;
use kez_core::sigchain::{Certified, Chain, DeviceId, Hash};
use kez_core::time::Timestamp;

use crate::chains::sigchains::ChainObserver;
use crate::chains::source::{ChainSource, ChainUnavailable};
use crate::clock::Clock;
use crate::edge::error::log_failure;
use crate::push::Push;
use crate::store::{AccountId, Store};

/// How long a node uses the devices that it has read.
pub const CACHED_FOR: Duration = Duration::from_secs(30);
/// The largest number of cached chains, and of cached roots; beyond it the cache starts over.
const MAX_CACHED: usize = 16_384;

/// A device that was neither revoked nor expired when its chain was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveDevice {
    /// The root of the chain.
    pub root: Primary,
    /// Its id in the chain.
    pub id: DeviceId,
    /// Its key.
    pub key: Primary,
    /// The number of the link that certifies it.
    pub seqno: u64,
    /// The hash of that link.
    pub link: Hash,
    /// The second from which it is no longer live.
    pub expires_at: Timestamp,
}

impl LiveDevice {
    /// The identity of its leaves in groups.
    pub const fn leaf(&self) -> LeafId {
        LeafId { root: self.root, device: self.id }
    }
}

/// When the devices of a chain were read, and which they are.
type CachedDevices = (Duration, Arc<[LiveDevice]>);

/// Finds devices, in the cache first.
pub struct Devices {
    chains: Arc<ChainSource>,
    store: Arc<Store>,
    push: Arc<Push>,
    clock: Arc<dyn Clock>,
    /// By the root of the chain.
    cached: RwLock<HashMap<Primary, CachedDevices>>,
    /// The roots of accounts, which never change.
    roots: RwLock<HashMap<AccountId, Primary>>,
    changes: AtomicU64,
}

impl Devices {
    /// An empty cache in front of the chains. `push` wakes the streams of an account whose chain has grown.
    pub fn new(
        chains: Arc<ChainSource>,
        store: Arc<Store>,
        push: Arc<Push>,
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        let (cached, roots, changes) = (RwLock::default(), RwLock::default(), AtomicU64::new(0));
        let devices = Arc::new(Self { chains, store, push, clock, cached, roots, changes });
        if let Some(embedded) = devices.chains.embedded() {
            let observer: Arc<dyn ChainObserver> = devices.clone();
            embedded.observe(Arc::downgrade(&observer));
        }
        devices
    }

    /// A live device of an account with this handle.
    ///
    /// # Errors
    /// When the chain cannot be determined.
    pub async fn live(
        &self,
        handle: &Handle,
        account: AccountId,
        device: DeviceId,
    ) -> Result<Option<LiveDevice>, ChainUnavailable> {
        let Some(root) = self.root(handle, account).await? else { return Ok(None) };
        Ok(self.find(&self.of_root(&root).await?, device))
    }

    /// All live devices of an account with this handle.
    ///
    /// # Errors
    /// When the chain cannot be determined.
    pub async fn all_live(
        &self,
        handle: &Handle,
        account: AccountId,
    ) -> Result<Vec<LiveDevice>, ChainUnavailable> {
        let Some(root) = self.root(handle, account).await? else { return Ok(Vec::new()) };
        let (devices, now) = (self.of_root(&root).await?, self.clock.now());
        Ok(devices.iter().filter(|device| device.expires_at > now).copied().collect())
    }

    /// A live device, from the chain as it is now.
    ///
    /// # Errors
    /// When the chain cannot be determined.
    pub async fn live_now(
        &self,
        handle: &Handle,
        account: AccountId,
        device: DeviceId,
    ) -> Result<Option<LiveDevice>, ChainUnavailable> {
        let Some(root) = self.root(handle, account).await? else { return Ok(None) };
        Ok(self.find(&self.read(&root).await?, device))
    }

    /// The number of links that this node has appended so far. As long as it has not grown, only links of other nodes
    /// can have changed a device.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    fn find(&self, devices: &[LiveDevice], id: DeviceId) -> Option<LiveDevice> {
        let now = self.clock.now();
        devices.iter().find(|device| device.id == id && device.expires_at > now).copied()
    }

    async fn of_root(&self, root: &Primary) -> Result<Arc<[LiveDevice]>, ChainUnavailable> {
        let known = self.cached.read().unwrap_or_else(PoisonError::into_inner).get(root).cloned();
        match known {
            Some((at, devices)) if self.clock.ticks().saturating_sub(at) < CACHED_FOR => Ok(devices),
            _ => self.read(root).await,
        }
    }

    async fn read(&self, root: &Primary) -> Result<Arc<[LiveDevice]>, ChainUnavailable> {
        let (changes, at) = (self.changes(), self.clock.ticks());
        let devices = live_devices(&*self.chains.chain(root).await?, self.clock.now());
        let mut cached = self.cached.write().unwrap_or_else(PoisonError::into_inner);
        // `grown` increments the count first and then waits for this lock, so no outdated entry stays.
        if self.changes() == changes {
            if cached.len() >= MAX_CACHED {
                cached.clear();
            }
            cached.insert(*root, (at, Arc::clone(&devices)));
        }
        Ok(devices)
    }

    /// The root of an account's chain; `None` when the account no longer holds the handle.
    async fn root(&self, handle: &Handle, account: AccountId) -> Result<Option<Primary>, ChainUnavailable> {
        let known = self.roots.read().unwrap_or_else(PoisonError::into_inner).get(&account).copied();
        if known.is_some() {
            return Ok(known);
        }
        let held = self.store.lookup(handle).await?.filter(|held| held.id == account);
        let Some(root) = held.map(|held| held.root) else { return Ok(None) };
        let mut roots = self.roots.write().unwrap_or_else(PoisonError::into_inner);
        if roots.len() >= MAX_CACHED {
            roots.clear();
        }
        roots.insert(account, root);
        Ok(Some(root))
    }
}

impl ChainObserver for Devices {
    fn grown(&self, root: Primary, length: u64) -> BoxFuture<'_, ()> {
        self.changes.fetch_add(1, Ordering::AcqRel);
        self.cached.write().unwrap_or_else(PoisonError::into_inner).remove(&root);
        async move {
            // Streams that a revoked device has opened end when they are woken. The others tell the owner's browsers.
            match self.store.lookup_primary(&root).await {
                Ok(Some(account)) => self.push.chain_grew(account.id.inbox(), length),
                Ok(None) => {}
                Err(error) => log_failure(&error),
            }
        }
        .boxed()
    }
}

/// The devices of a chain that are live at a time; none of a closed chain.
fn live_devices(chain: &Chain, now: Timestamp) -> Arc<[LiveDevice]> {
    let live = chain.devices().iter().filter(|device| !chain.is_closed() && device.is_live(now));
    live.filter_map(|Certified { device, seqno, .. }| {
        let link = chain.hash_at(*seqno)?;
        let (id, key, expires_at) = (device.device, device.key.primary(), device.expires_at);
        Some(LiveDevice { root: chain.root(), id, key, seqno: *seqno, link, expires_at })
    })
    .collect()
}
