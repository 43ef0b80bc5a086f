//! Links of the user's chain that this browser did not make. One that another device has announced is news; any other one is
//! an alarm. The announcement may come a little later than the link.

use kez_core::sigchain::Hash;
use serde::{Deserialize, Serialize};

use super::Devices;
use crate::chains::ForeignLink;

/// How long, in milliseconds, a link may wait for its announcement.
const GRACE: u64 = 15_000;
/// The most announcements that are kept.
const MOST: usize = 100;

#[derive(Default, Serialize, Deserialize)]
pub(super) struct Announced {
    /// The announcements, the oldest first.
    links: Vec<(u64, Hash)>,
    /// The links that wait for an announcement.
    waiting: Vec<ForeignLink>,
    /// The last link that this browser has announced.
    own: Option<Hash>,
    #[serde(skip)]
    alarm_at: Option<u64>,
}

impl Announced {
    /// When the links that wait become an alarm.
    pub(super) const fn alarm_at(&self) -> Option<u64> {
        self.alarm_at
    }
}

impl Devices {
    /// Another device has announced a link.
    pub(crate) fn on_announced(&mut self, seqno: u64, hash: Hash) {
        let announced = &mut self.stored.announced;
        if announced.links.contains(&(seqno, hash)) {
            return;
        }
        announced.links.push((seqno, hash));
        let excess = announced.links.len().saturating_sub(MOST);
        announced.links.drain(..excess);
        announced.waiting.retain(|link| (link.seqno, link.hash) != (seqno, hash));
        self.changed = true;
    }

    /// Whether another device has announced this link.
    pub(crate) fn is_announced(&self, link: &ForeignLink) -> bool {
        self.stored.announced.links.contains(&(link.seqno, link.hash))
    }

    /// A link waits for its announcement.
    pub(crate) fn await_announcement(&mut self, link: ForeignLink) {
        self.stored.announced.waiting.push(link);
        self.changed = true;
    }

    /// The links that have waited too long.
    pub(crate) fn unannounced(&mut self, now: u64) -> Vec<ForeignLink> {
        let announced = &mut self.stored.announced;
        if announced.waiting.is_empty() {
            announced.alarm_at = None;
            return Vec::new();
        }
        // After a restart, the time begins anew.
        if *announced.alarm_at.get_or_insert(now.saturating_add(GRACE)) > now {
            return Vec::new();
        }
        announced.alarm_at = None;
        self.changed = true;
        std::mem::take(&mut announced.waiting)
    }

    /// Whether this browser still has to announce a link that it makes. From now on, it has.
    pub(crate) fn announces(&mut self, hash: Hash) -> bool {
        let is_new = self.stored.announced.own != Some(hash);
        self.changed |= is_new;
        self.stored.announced.own = Some(hash);
        is_new
    }
}
