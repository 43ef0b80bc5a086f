//! Joining groups by links: the link that the user hands out, the groups that the user has asked to join, and the people
//! who ask to join a group of the user. One record for each group.

use kez_core::identity::Primary;
use kez_core::invite::InviteHash;
use kez_core::mls::GroupId;
use kez_core::sigchain::Hash;
use serde::{Deserialize, Serialize};

use crate::kernel::backoff::Backoff;
use crate::kernel::context::Context;
use crate::kernel::reason::Reason;
use crate::kernel::record::{Kind, Record, StorageFault};
use crate::kernel::sorted_map::SortedMap;

/// The most people who ask to join one group; beyond that, the oldest requests are forgotten.
const MOST_ASKING: usize = 200;

/// The record of kind [`Kind::GroupInvites`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GroupInvites {
    /// The link that this browser hands out.
    pub(crate) link: Option<StoredLink>,
    /// The hashes of revoked codes, until the server knows.
    pub(crate) revoked: Vec<Hash>,
    /// The user's own request to join the group.
    pub(crate) asked: Option<StoredAsk>,
    /// The people who ask, in the order of the log.
    pub(crate) asking: Vec<StoredAsking>,
}

/// A link to a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredLink {
    /// The code, with hyphens.
    pub(crate) code: String,
    /// When it expires, Unix seconds.
    pub(crate) expires_at: u64,
    /// Whether the server has it.
    pub(crate) live: bool,
}

/// The user's own request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredAsk {
    /// The code of the link, as the link has it.
    pub(crate) code: String,
    /// The item. The same bytes are posted until the server has answered.
    pub(crate) item: String,
    pub(crate) state: AskState,
}

/// How far a request is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum AskState {
    /// The server does not have it yet.
    Sending,
    /// It waits for an admin.
    Waiting,
    /// The server has refused it.
    Refused(Reason),
}

/// A person who asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredAsking {
    pub(crate) root: Primary,
    /// The signed statement.
    pub(crate) statement: String,
    /// Whether a device of this person has signed it, according to their verified chain.
    pub(crate) verified: bool,
}

/// What is stored of each group, and when it is to be sent again.
#[derive(Default)]
pub(crate) struct Invites {
    all: SortedMap<GroupId, Entry>,
    last: u64,
}

struct Entry {
    /// The number of the record.
    number: u64,
    stored: GroupInvites,
    is_changed: bool,
    retry_at: Option<u64>,
    backoff: Backoff,
}

impl Invites {
    /// Loads a record.
    ///
    /// # Errors
    /// [`StorageFault`] when the record cannot be read.
    pub(crate) fn load(&mut self, record: &Record) -> Result<(), StorageFault> {
        let number = record.id.parse().map_err(|_| StorageFault::Damaged)?;
        let (gid, stored) = record.read()?;
        self.last = self.last.max(number);
        self.all.insert(gid, Entry::new(number, stored));
        Ok(())
    }

    /// What is stored of a group.
    pub(crate) fn get(&self, gid: GroupId) -> Option<&GroupInvites> {
        self.all.get(&gid).map(|entry| &entry.stored)
    }

    /// What is stored of a group, and is about to change. It may be sent at once.
    pub(crate) fn change(&mut self, gid: GroupId) -> &mut GroupInvites {
        let next = self.last + 1;
        let entry = self.all.get_or_insert_with(gid, || Entry::new(next, GroupInvites::default()));
        self.last = self.last.max(entry.number);
        entry.is_changed = true;
        &mut entry.stored
    }

    /// All groups of which something is stored.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (GroupId, &GroupInvites)> {
        self.all.iter().map(|(gid, entry)| (*gid, &entry.stored))
    }

    /// The groups whose next request may go out now.
    pub(crate) fn due(&mut self, now: u64) -> Vec<GroupId> {
        let due = self.all.iter_mut().filter(|(_, entry)| entry.retry_at.is_none_or(|at| at <= now));
        due.map(|(gid, entry)| {
            entry.retry_at = None;
            *gid
        })
        .collect()
    }

    /// A request of a group failed: the next one waits.
    pub(crate) fn wait(&mut self, gid: GroupId, retry_after: Option<u64>, cx: &mut Context<'_>) {
        if let Some(entry) = self.all.get_mut(&gid) {
            let wait = entry.backoff.next_after(retry_after, cx.rng).max(500);
            entry.retry_at = Some(cx.now.saturating_add(wait));
        }
    }

    /// A request of a group was answered.
    pub(crate) fn answered(&mut self, gid: GroupId) {
        if let Some(entry) = self.all.get_mut(&gid) {
            entry.backoff.reset();
        }
    }

    /// When the next request may go out.
    pub(crate) fn wake(&self) -> Option<u64> {
        self.all.values().filter_map(|entry| entry.retry_at).min()
    }

    /// Stores what has changed.
    pub(crate) fn save(&mut self, cx: &mut Context<'_>) {
        for (gid, entry) in self.all.iter_mut() {
            if !std::mem::take(&mut entry.is_changed) {
                continue;
            }
            if entry.stored.is_empty() {
                cx.delete(Kind::GroupInvites, entry.number.to_string());
            } else {
                cx.put(Kind::GroupInvites, entry.number.to_string(), &(gid, &entry.stored));
            }
        }
        self.all.retain(|_, entry| !entry.stored.is_empty());
    }
}

impl Entry {
    const fn new(number: u64, stored: GroupInvites) -> Self {
        let backoff = Backoff::new(1_000, 60_000);
        Self { number, stored, is_changed: false, retry_at: None, backoff }
    }
}

impl GroupInvites {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// A person asks. Only the last request of a person counts.
    pub(crate) fn add_asking(&mut self, asking: StoredAsking) {
        self.asking.retain(|other| other.root != asking.root);
        self.asking.push(asking);
        let excess = self.asking.len().saturating_sub(MOST_ASKING);
        self.asking.drain(..excess);
    }

    /// The link is no longer handed out. The server is told.
    pub(crate) fn revoke(&mut self) {
        let code = self.link.take().and_then(|link| link.code.parse().ok());
        self.revoked.extend(code.map(|code: kez_core::invite::InviteCode| Hash::from(code.hash())));
    }

    /// The server knows that this code is revoked.
    pub(crate) fn forget_revoked(&mut self, code: InviteHash) {
        self.revoked.retain(|other| *other != Hash::from(code));
    }
}
