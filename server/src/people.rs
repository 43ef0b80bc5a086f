//! Whom people have accepted and blocked, in memory for a while: every message asks.
//!
//! A change is known at once on the node that made it, and on the others within [`REMEMBERED_FOR`].

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use kez_core::identity::Primary;
use serde::Deserialize;

use crate::clock::Clock;
use crate::store::people::{List, Listed};
use crate::store::{AccountId, Store, StoreError};

/// How long a node believes what it has read.
pub const REMEMBERED_FOR: Duration = Duration::from_secs(30);
/// How many accounts' lists are remembered before the memory starts over.
const REMEMBERED: usize = 16_384;

/// The lists of one account.
#[derive(Debug, Default)]
pub struct Lists {
    contacts: HashSet<AccountId>,
    blocked: HashSet<AccountId>,
    blocked_keys: HashSet<Primary>,
}

/// Finds lists, in memory first.
pub struct PeopleCache {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    remembered: RwLock<HashMap<AccountId, (Duration, Arc<Lists>)>>,
    forgotten: AtomicU64,
}

impl PeopleCache {
    /// An empty memory before a store.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, remembered: RwLock::default(), forgotten: AtomicU64::new(0) }
    }

    /// The lists of an account.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn of(&self, owner: AccountId) -> Result<Arc<Lists>, StoreError> {
        let now = self.clock.ticks();
        let known = self.remembered.read().unwrap_or_else(PoisonError::into_inner).get(&owner).cloned();
        if let Some((at, lists)) = known
            && now.saturating_sub(at) < REMEMBERED_FOR
        {
            return Ok(lists);
        }
        let forgotten = self.forgotten.load(Ordering::Acquire);
        let lists = Arc::new(self.store.listed(owner).await?.into_iter().collect::<Lists>());
        let mut remembered = self.remembered.write().unwrap_or_else(PoisonError::into_inner);
        // Whoever forgets counts first and then waits for this lock, so nothing out of date stays.
        if self.forgotten.load(Ordering::Acquire) == forgotten {
            if remembered.len() >= REMEMBERED {
                remembered.clear();
            }
            remembered.insert(owner, (now, Arc::clone(&lists)));
        }
        Ok(lists)
    }

    /// Reads the lists of an account anew when they are needed next.
    pub fn forget(&self, owner: AccountId) {
        self.forgotten.fetch_add(1, Ordering::AcqRel);
        self.remembered.write().unwrap_or_else(PoisonError::into_inner).remove(&owner);
    }
}

impl FromIterator<Listed> for Lists {
    fn from_iter<I: IntoIterator<Item = Listed>>(listed: I) -> Self {
        let mut lists = Self::default();
        for Listed { list, id, primary, .. } in listed {
            match list {
                List::Contacts => {
                    lists.contacts.insert(id);
                }
                List::Blocks => {
                    lists.blocked.insert(id);
                    lists.blocked_keys.insert(primary);
                }
            }
        }
        lists
    }
}

impl Lists {
    /// Whether the owner has accepted this account.
    pub fn knows(&self, peer: AccountId) -> bool {
        self.contacts.contains(&peer)
    }

    /// Whether the owner has blocked the sender: the account that signed the request, or the key that the envelope says
    /// it is from. The latter needs no proof, since the owner could not open what somebody else signed.
    pub fn blocks(&self, sender: Option<AccountId>, envelope: &[u8]) -> bool {
        if self.blocked.is_empty() {
            return false;
        }
        sender.is_some_and(|sender| self.blocked.contains(&sender))
            || claimed_sender(envelope).is_some_and(|key| self.blocked_keys.contains(&key))
    }
}

fn claimed_sender(envelope: &[u8]) -> Option<Primary> {
    #[derive(Deserialize)]
    struct From {
        from: String,
    }
    serde_json::from_slice::<From>(envelope).ok()?.from.parse().ok()
}
