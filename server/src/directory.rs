//! Who holds which handle, with the key parsed and ready: every message and every poll asks.
//!
//! Where other nodes share the database, only the parsed key is remembered. A handle that moved to another key, or
//! to nobody, on any node is so on every node at once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use kez_core::handle::Handle;
use kez_core::identity::{Primary, PublicIdentity};

use crate::store::{AccountId, Store, StoreError};

/// How many holders are remembered before the memory starts over.
const REMEMBERED: usize = 65_536;

/// The account behind a handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The account.
    pub id: AccountId,
    /// The key that holds the handle.
    pub key: PublicIdentity,
}

/// Finds the holder of a handle, in memory first where nobody else changes the database. Only holders are remembered: a
/// handle that nobody holds today may be somebody's tomorrow.
pub struct Directory {
    store: Arc<dyn Store>,
    remembered: RwLock<HashMap<Handle, Holder>>,
    forgotten: AtomicU64,
}

impl Directory {
    /// An empty memory before a store.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, remembered: RwLock::default(), forgotten: AtomicU64::new(0) }
    }

    /// Who holds the handle.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn holder(&self, handle: &Handle) -> Result<Option<Holder>, StoreError> {
        match self.remembered(handle) {
            Some(remembered) if !self.store.is_shared() => Ok(Some(remembered)),
            _ => self.holder_now(handle).await,
        }
    }

    /// Whether a key is the holder's, or was before they changed keys.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn has_held(&self, holder: &Holder, key: &Primary) -> Result<bool, StoreError> {
        if holder.key.primary() == *key {
            return Ok(true);
        }
        Ok(self.store.lookup_primary(key).await?.is_some_and(|account| account.id == holder.id))
    }

    /// How many holders changed so far: while this stays the same, so did whoever was looked up since.
    pub fn changes(&self) -> u64 {
        self.forgotten.load(Ordering::Acquire)
    }

    /// Forgets a holder who changed.
    pub fn forget(&self, handle: &Handle) {
        self.forgotten.fetch_add(1, Ordering::AcqRel);
        self.remembered.write().unwrap_or_else(PoisonError::into_inner).remove(handle);
    }

    /// Who holds the handle as the store says at this moment, whatever is remembered.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn holder_now(&self, handle: &Handle) -> Result<Option<Holder>, StoreError> {
        let changes = self.changes();
        let Some(account) = self.store.lookup(handle).await? else { return Ok(None) };
        let unchanged = |holder: &Holder| holder.id == account.id && holder.key.primary() == account.primary;
        if let Some(remembered) = self.remembered(handle).filter(unchanged) {
            return Ok(Some(remembered));
        }
        let key = PublicIdentity::accepted_before(account.primary).map_err(|_| StoreError::Corrupt("key"))?;
        let holder = Holder { id: account.id, key };
        self.remember(handle, holder, changes);
        Ok(Some(holder))
    }

    /// Remembers who held the handle when so many holders had changed, unless others have changed since.
    pub fn remember(&self, handle: &Handle, holder: Holder, changes: u64) {
        let mut remembered = self.remembered.write().unwrap_or_else(PoisonError::into_inner);
        // Whoever forgets counts first and then waits for this lock, so nothing out of date stays.
        if self.changes() != changes {
            return;
        }
        if remembered.len() >= REMEMBERED {
            remembered.clear();
        }
        remembered.insert(handle.clone(), holder);
    }

    fn remembered(&self, handle: &Handle) -> Option<Holder> {
        self.remembered.read().unwrap_or_else(PoisonError::into_inner).get(handle).copied()
    }
}
