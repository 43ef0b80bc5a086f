//! A cache of the contacts and blocks of each user: every message needs them.
//!
//! A change takes effect at once on the node that made it, and on the others within [`CACHED_FOR`].

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use kez_core::identity::Primary;
use serde::Deserialize;

use crate::clock::Clock;
use crate::store::people::{List, Listed};
use crate::store::{AccountId, Store, StoreError};

/// How long a node uses a cached entry.
pub const CACHED_FOR: Duration = Duration::from_secs(30);
/// The largest number of accounts in the cache; beyond it the cache starts over.
const MAX_CACHED: usize = 16_384;

/// The lists of one account.
#[derive(Debug, Default)]
pub struct Lists {
    contacts: HashSet<AccountId>,
    blocked: HashSet<AccountId>,
    blocked_keys: HashSet<Primary>,
}

/// Reads the lists of an account.
pub trait ReadLists: Send + Sync {
    /// The users on both lists of an account.
    fn listed(&self, owner: AccountId) -> BoxFuture<'_, Result<Vec<Listed>, StoreError>>;
}

impl ReadLists for Store {
    fn listed(&self, owner: AccountId) -> BoxFuture<'_, Result<Vec<Listed>, StoreError>> {
        self.listed(owner).boxed()
    }
}

/// Finds lists, in the cache first.
pub struct PeopleCache {
    store: Arc<dyn ReadLists>,
    clock: Arc<dyn Clock>,
    cached: RwLock<HashMap<AccountId, (Duration, Arc<Lists>)>>,
    /// The lists of every account whose lists are empty.
    empty: Arc<Lists>,
    evictions: AtomicU64,
}

impl PeopleCache {
    /// An empty cache in front of a store.
    pub fn new(store: Arc<dyn ReadLists>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, cached: RwLock::default(), empty: Arc::default(), evictions: AtomicU64::new(0) }
    }

    /// The lists of an account.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn of(&self, owner: AccountId) -> Result<Arc<Lists>, StoreError> {
        let now = self.clock.ticks();
        let known = self.cached.read().unwrap_or_else(PoisonError::into_inner).get(&owner).cloned();
        if let Some((at, lists)) = known
            && now.saturating_sub(at) < CACHED_FOR
        {
            return Ok(lists);
        }
        let evictions = self.evictions.load(Ordering::Acquire);
        let listed = self.store.listed(owner).await?;
        let lists = match listed.as_slice() {
            [] => Arc::clone(&self.empty),
            _ => Arc::new(listed.into_iter().collect::<Lists>()),
        };
        let mut cached = self.cached.write().unwrap_or_else(PoisonError::into_inner);
        // `evict` increments the count first and then waits for this lock, so no outdated entry stays.
        if self.evictions.load(Ordering::Acquire) == evictions {
            if cached.len() >= MAX_CACHED {
                cached.clear();
            }
            cached.insert(owner, (now, Arc::clone(&lists)));
        }
        Ok(lists)
    }

    /// Drops the lists of an account from the cache.
    pub fn evict(&self, owner: AccountId) {
        self.evictions.fetch_add(1, Ordering::AcqRel);
        self.cached.write().unwrap_or_else(PoisonError::into_inner).remove(&owner);
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

    /// Whether the owner has blocked the sender: the account that signed the request, or the key that the envelope
    /// names as its sender. The named key needs no proof, because the owner could not open an envelope signed by
    /// another key.
    pub fn blocks(&self, sender: Option<AccountId>, claimed: Option<Primary>) -> bool {
        sender.is_some_and(|sender| self.blocked.contains(&sender))
            || claimed.is_some_and(|key| self.blocked_keys.contains(&key))
    }
}

/// The key that an envelope names as its sender, if any.
pub fn claimed_sender(envelope: &[u8]) -> Option<Primary> {
    #[derive(Deserialize)]
    struct From<'a> {
        #[serde(borrow)]
        from: Cow<'a, str>,
    }
    serde_json::from_slice::<From<'_>>(envelope).ok()?.from.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use kez_core::time::Timestamp;
    use tokio::sync::Semaphore;

    use super::*;

    /// Empty lists that take one turn of the test's scheduler to read.
    struct Slow {
        turns: Semaphore,
    }

    impl ReadLists for Slow {
        fn listed(&self, _: AccountId) -> BoxFuture<'_, Result<Vec<Listed>, StoreError>> {
            async {
                self.turns.acquire().await.unwrap().forget();
                Ok(Vec::new())
            }
            .boxed()
        }
    }

    struct Standing;

    impl Clock for Standing {
        fn now(&self) -> Timestamp {
            Timestamp::from_unix(0)
        }

        fn ticks(&self) -> Duration {
            Duration::ZERO
        }
    }

    #[test]
    fn a_list_read_before_a_change_is_not_cached() {
        let slow = Arc::new(Slow { turns: Semaphore::new(0) });
        let cache = PeopleCache::new(slow.clone(), Arc::new(Standing));
        let owner = AccountId(1);
        let mut early = pin!(cache.of(owner));
        assert!(early.as_mut().now_or_never().is_none());
        cache.evict(owner);
        slow.turns.add_permits(1);
        assert!(early.now_or_never().unwrap().is_ok());

        assert!(cache.of(owner).now_or_never().is_none(), "it is read anew");
        slow.turns.add_permits(1);
        assert!(cache.of(owner).now_or_never().unwrap().is_ok());
        assert!(cache.of(owner).now_or_never().unwrap().is_ok(), "and cached then");
    }

    #[test]
    fn accounts_with_empty_lists_share_one_allocation() {
        let slow = Arc::new(Slow { turns: Semaphore::new(2) });
        let cache = PeopleCache::new(slow, Arc::new(Standing));
        let [one, other] =
            [1, 2].map(|owner| cache.of(AccountId(owner)).now_or_never().and_then(Result::ok).unwrap());
        assert!(Arc::ptr_eq(&one, &other));
    }
}
