//! Looks up the holder of a handle, with the key parsed and ready: every message and every poll needs it.
//!
//! If other nodes share the database, only the parsed key is cached. When a handle moves to another key, or becomes
//! free, on any node, every node sees the change at once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use kez_core::handle::Handle;
use kez_core::identity::{Primary, PublicIdentity};

use crate::push::Push;
use crate::store::{AccountId, Store, StoreError};

/// The largest number of cached holders; beyond it the cache starts over.
const MAX_CACHED: usize = 65_536;

/// The account behind a handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The account.
    pub id: AccountId,
    /// The key that holds the handle.
    pub key: PublicIdentity,
}

/// Finds the holder of a handle, in the cache first if no other process changes the database. Only holders are cached:
/// a free handle may be claimed at any time.
pub struct Directory {
    store: Arc<Store>,
    push: Arc<Push>,
    cached: RwLock<HashMap<Handle, Holder>>,
    changes: AtomicU64,
}

impl Directory {
    /// An empty cache in front of a store. Streams of changed holders are woken.
    pub fn new(store: Arc<Store>, push: Arc<Push>) -> Self {
        Self { store, push, cached: RwLock::default(), changes: AtomicU64::new(0) }
    }

    /// The holder of the handle.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn holder(&self, handle: &Handle) -> Result<Option<Holder>, StoreError> {
        match self.cached(handle) {
            Some(cached) if !self.store.is_shared() => Ok(Some(cached)),
            _ => self.holder_now(handle).await,
        }
    }

    /// Whether the key is the holder's current key, or one from before a rotation.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn has_held(&self, holder: &Holder, key: &Primary) -> Result<bool, StoreError> {
        if holder.key.primary() == *key {
            return Ok(true);
        }
        Ok(self.store.lookup_primary(key).await?.is_some_and(|account| account.id == holder.id))
    }

    /// The number of holder changes so far. While it stays the same, every holder looked up since is still current.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Handles an account that was banned or deleted, or whose handle went to another key. Its live streams end.
    pub fn holder_changed(&self, account: AccountId, handle: &Handle) {
        self.evict(handle);
        self.push.wake(account);
    }

    fn evict(&self, handle: &Handle) {
        self.changes.fetch_add(1, Ordering::AcqRel);
        self.cached.write().unwrap_or_else(PoisonError::into_inner).remove(handle);
    }

    /// The holder of the handle according to the store, without the cache.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn holder_now(&self, handle: &Handle) -> Result<Option<Holder>, StoreError> {
        let changes = self.changes();
        let Some(account) = self.store.lookup(handle).await? else { return Ok(None) };
        let unchanged = |holder: &Holder| holder.id == account.id && holder.key.primary() == account.primary;
        if let Some(cached) = self.cached(handle).filter(unchanged) {
            return Ok(Some(cached));
        }
        let key = PublicIdentity::accepted_before(account.primary).map_err(|_| StoreError::Corrupt("key"))?;
        let holder = Holder { id: account.id, key };
        self.cache(handle, holder, changes);
        Ok(Some(holder))
    }

    /// Caches the holder of the handle, which was looked up at this number of changes, unless a holder has changed
    /// since.
    pub fn cache(&self, handle: &Handle, holder: Holder, changes: u64) {
        let mut cached = self.cached.write().unwrap_or_else(PoisonError::into_inner);
        // `evict` increments the count first and then waits for this lock, so no outdated entry stays.
        if self.changes() != changes {
            return;
        }
        if cached.len() >= MAX_CACHED {
            cached.clear();
        }
        cached.insert(handle.clone(), holder);
    }

    fn cached(&self, handle: &Handle) -> Option<Holder> {
        self.cached.read().unwrap_or_else(PoisonError::into_inner).get(handle).copied()
    }
}
