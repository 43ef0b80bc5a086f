//! Who belongs to a group: every item needs it.
//!
//! Members change only with an epoch. An item names its epoch, and the append refuses it in any other; so an entry of the
//! cache that has the epoch of the item is right. Keys and statements of leaving may be [`CACHED_FOR`] old.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use kez_core::api::{GroupKind, GroupRole, GroupSummary};
use kez_core::mls::GroupId;
use kez_core::mls::policy::{Kind, Role};

use crate::clock::Clock;
use crate::push::Push;
use crate::store::groups::{Group, Member, Membership};
use crate::store::{AccountId, Store, StoreError};

/// How long a node uses a cached entry.
pub const CACHED_FOR: Duration = Duration::from_secs(30);
/// The largest number of cached groups; beyond it the cache starts over.
const MAX_CACHED: usize = 4096;

/// Finds groups, in the cache first.
pub struct Groups {
    store: Arc<Store>,
    push: Arc<Push>,
    clock: Arc<dyn Clock>,
    cached: RwLock<HashMap<GroupId, (Duration, Arc<Group>)>>,
    evictions: AtomicU64,
}

impl Groups {
    /// An empty cache in front of the store. `push` wakes the streams of members.
    pub fn new(store: Arc<Store>, push: Arc<Push>, clock: Arc<dyn Clock>) -> Self {
        Self { store, push, clock, cached: RwLock::default(), evictions: AtomicU64::new(0) }
    }

    /// The group, as it is in this epoch if it still is, or else as it is now.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn find(&self, gid: GroupId, epoch: Option<u64>) -> Result<Option<Arc<Group>>, StoreError> {
        let now = self.clock.ticks();
        let known = self.cached.read().unwrap_or_else(PoisonError::into_inner).get(&gid).cloned();
        if let Some((at, group)) = known
            && now.saturating_sub(at) < CACHED_FOR
            && epoch.is_none_or(|epoch| epoch == group.epoch)
        {
            return Ok(Some(group));
        }
        let evictions = self.evictions.load(Ordering::Acquire);
        let Some(group) = self.store.group(gid).await?.map(Arc::new) else { return Ok(None) };
        let mut cached = self.cached.write().unwrap_or_else(PoisonError::into_inner);
        // `evict` increments the count first and then waits for this lock, so no outdated entry stays.
        if self.evictions.load(Ordering::Acquire) == evictions {
            if cached.len() >= MAX_CACHED {
                cached.clear();
            }
            cached.insert(gid, (now, Arc::clone(&group)));
        }
        Ok(Some(group))
    }

    /// Drops a group that has changed from the cache.
    pub fn evict(&self, gid: GroupId) {
        self.evictions.fetch_add(1, Ordering::AcqRel);
        self.cached.write().unwrap_or_else(PoisonError::into_inner).remove(&gid);
    }

    /// Wakes the streams of all members after an item was stored, on this node and on the others.
    pub fn announce(&self, gid: GroupId, group: &Group, seq: u64) {
        let members = group.members.iter().map(|member| member.primary);
        self.push.announce_group(group.number.log(), gid, members, seq);
    }
}

/// The member with this account.
pub fn member(group: &Group, account: AccountId) -> Option<&Member> {
    group.members.iter().find(|member| member.account == account)
}

/// An account's place in a group, as the API shows it.
pub fn summary(membership: Membership) -> GroupSummary {
    let Membership { gid, kind, epoch, head, since, until, role, added_by, .. } = membership;
    let kind = match kind {
        Kind::Group => GroupKind::Group,
        Kind::Direct => GroupKind::Direct,
        Kind::Own => GroupKind::Own,
    };
    let role = match role {
        Role::Member => GroupRole::Member,
        Role::Admin => GroupRole::Admin,
    };
    GroupSummary { gid, kind, epoch, head, since, until, role, added_by }
}
