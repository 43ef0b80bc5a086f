//! Looks up the holder of a handle: every message and every poll needs it. Keys that have signed are kept ready for
//! checking signatures, in a cache of their own, because they take six times as much memory, and most holders only
//! receive.
//!
//! If other nodes share the database, only the keys are cached. So when a handle moves to another key or becomes free
//! on any node, every node sees the change at once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use kez_core::handle::Handle;
use kez_core::identity::{Primary, PublicIdentity};

use crate::push::Push;
use crate::store::{AccountId, Store, StoreError};

/// The largest number of cached holders; beyond it the cache starts over.
const MAX_CACHED: usize = 65_536;
/// The same for keys: as many as a table of 4 MiB has room for.
const MAX_KEYS: usize = 14 * 1024;

/// The account behind a handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The account.
    pub id: AccountId,
    /// The key that holds the handle.
    pub key: Primary,
}

/// Finds the holder of a handle, in the cache first if no other process changes the database. Only holders are cached:
/// a free handle may be claimed at any time.
pub struct Directory {
    store: Arc<Store>,
    push: Arc<Push>,
    cached: RwLock<HashMap<Handle, Holder>>,
    keys: RwLock<HashMap<Primary, PublicIdentity>>,
    changes: AtomicU64,
}

impl Directory {
    /// Starts with an empty cache in front of the store. `push` wakes the streams of a changed holder.
    pub fn new(store: Arc<Store>, push: Arc<Push>) -> Self {
        Self { store, push, cached: RwLock::default(), keys: RwLock::default(), changes: AtomicU64::new(0) }
    }

    /// The holder of the handle.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn holder(&self, handle: &Handle) -> Result<Option<Holder>, StoreError> {
        let cached = self.cached.read().unwrap_or_else(PoisonError::into_inner).get(handle).copied();
        match cached {
            Some(cached) => Ok(Some(cached)),
            None => self.holder_now(handle).await,
        }
    }

    /// The key of a holder or of a device, ready for checking signatures.
    ///
    /// # Errors
    /// When the store holds a damaged key.
    pub fn verifier(&self, key: &Primary) -> Result<PublicIdentity, StoreError> {
        let cached = self.keys.read().unwrap_or_else(PoisonError::into_inner).get(key).copied();
        if let Some(ready) = cached {
            return Ok(ready);
        }
        let ready = PublicIdentity::accepted_before(*key).map_err(|_| StoreError::Corrupt("key"))?;
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        if keys.len() >= MAX_KEYS {
            keys.clear();
        }
        keys.insert(*key, ready);
        Ok(ready)
    }

    /// Whether the key is the holder's current key, or one from before a rotation.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn has_held(&self, holder: &Holder, key: &Primary) -> Result<bool, StoreError> {
        if holder.key == *key {
            return Ok(true);
        }
        Ok(self.store.lookup_primary(key).await?.is_some_and(|account| account.id == holder.id))
    }

    /// The number of holder changes so far. As long as it has not grown, every holder looked up since it was read is
    /// still current.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Handles an account that was banned or deleted, or whose handle went to another key. Its live streams end.
    pub fn holder_changed(&self, account: AccountId, handle: &Handle) {
        self.evict(handle);
        self.push.wake(account.inbox());
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
        let holder = Holder { id: account.id, key: account.primary };
        self.cache(handle, holder, changes);
        Ok(Some(holder))
    }

    /// Caches the holder of the handle, unless a holder has changed since the lookup, or another process may change
    /// it. `changes` is the number of changes before the lookup.
    pub fn cache(&self, handle: &Handle, holder: Holder, changes: u64) {
        let mut cached = self.cached.write().unwrap_or_else(PoisonError::into_inner);
        // `evict` increments the count first and then waits for this lock, so no outdated entry stays.
        if self.changes() != changes || self.store.is_shared() {
            return;
        }
        if cached.len() >= MAX_CACHED {
            cached.clear();
        }
        cached.insert(handle.clone(), holder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cached_holder_stays_small() {
        assert_eq!(size_of::<Holder>(), 40);
        assert!(size_of::<PublicIdentity>() > 5 * size_of::<Holder>());
    }
}
