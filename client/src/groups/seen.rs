//! When each device of a group was last heard of. A device that is not used any more keeps the keys of a time when it was,
//! so it is taken out of the group.

use kez_core::identity::Primary;
use kez_core::mls::LeafId;
use serde::{Deserialize, Serialize};

use super::group::Known;
use crate::kernel::sorted_map::SortedMap;

/// After how many seconds without a message or commit a leaf is idle: 60 days. An active device replaces its keys every
/// week.
const IDLE: u64 = 60 * 24 * 60 * 60;

/// The devices of a group, and those that were taken out although their account is in the policy.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Seen(SortedMap<LeafId, Times>);

/// Unix seconds.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Times {
    /// Since when this browser knows the leaf, by its own clock. Whatever times the server names, no leaf is idle before
    /// this is long ago.
    since: u64,
    /// When the server has stored its last message or commit.
    last: Option<u64>,
}

impl Seen {
    /// Leaves have come into the group.
    pub(crate) fn came<'a>(&mut self, leaves: impl Iterator<Item = &'a LeafId>, now: u64) {
        leaves.for_each(|leaf| self.device(leaf, now).since = now);
    }

    /// A message or commit of a leaf stands in the log.
    pub(crate) fn heard(&mut self, leaf: &LeafId, at: u64, now: u64) {
        let times = self.device(leaf, now);
        times.last = times.last.max(Some(at));
    }

    /// This device can never come back.
    pub(crate) fn forget(&mut self, leaf: &LeafId) {
        self.0.remove(leaf);
    }

    /// Items of the log were not read, so it is not known who was idle.
    pub(crate) fn miss(&mut self, now: u64) {
        self.0.values_mut().for_each(|times| times.since = now);
    }

    /// Takes up the leaves that are in the group, and forgets the devices of accounts that are not.
    pub(super) fn follow(&mut self, known: &Known, now: u64) {
        self.0.retain(|leaf, _| known.policy.role(&leaf.root).is_some());
        known.leaves.iter().for_each(|leaf| {
            self.device(leaf, now);
        });
    }

    /// When the server has stored the last message or commit of a leaf.
    pub(crate) fn last(&self, leaf: &LeafId) -> Option<u64> {
        self.0.get(leaf)?.last
    }

    /// Whether a device is in the group, or was taken out and can come back.
    pub(crate) fn knows(&self, leaf: &LeafId) -> bool {
        self.0.contains_key(leaf)
    }

    /// Whether a device of an account is in the group, or was taken out and can come back.
    pub(crate) fn knows_device_of(&self, root: &Primary) -> bool {
        self.0.keys().any(|leaf| leaf.root == *root)
    }

    /// The devices that were idle for long.
    pub(crate) fn idle(&self, now: u64) -> Vec<LeafId> {
        let is_idle = |times: &Times| {
            let last = times.since.max(times.last.unwrap_or_default());
            now.saturating_sub(last) >= IDLE
        };
        self.0.iter().filter(|(_, times)| is_idle(times)).map(|(leaf, _)| *leaf).collect()
    }

    fn device(&mut self, leaf: &LeafId, now: u64) -> &mut Times {
        self.0.get_or_insert_with(*leaf, || Times { since: now, last: None })
    }
}
