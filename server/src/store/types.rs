//! The arguments and the results of the store.

use axum::body::Bytes;
use kez_core::api::Receipt;
use kez_core::caller_auth::Nonce;
use kez_core::identity::Primary;
use kez_core::invite::InviteHash;
use kez_core::mls::LeafId;
use kez_core::mls::policy::Role;
use kez_core::time::Timestamp;
use prometheus_client::metrics::histogram::Histogram;

use super::usage::{Origin, Quota};

/// A nonce, its caller and the time of its use.
#[derive(Clone, Copy)]
pub(super) struct UsedNonce {
    pub(super) caller: CallerKey,
    pub(super) nonce: Nonce,
    pub(super) now: Timestamp,
}

/// Identifies an account within its store, for as long as the store lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(pub i64);

/// Identifies a log of messages within its store: the inbox of an account, by the account's number. The inboxes of
/// accounts come after [`InboxId::FIRST`], in the order of their accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InboxId(pub i64);

impl AccountId {
    /// The inbox of the account.
    pub const fn inbox(self) -> InboxId {
        InboxId(self.0)
    }
}

impl InboxId {
    /// Precedes the inboxes of all accounts.
    pub const FIRST: Self = Self(0);
}

/// Identifies a group within its store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupNumber(pub i64);

impl GroupNumber {
    /// The log of the group.
    pub const fn log(self) -> InboxId {
        InboxId(self.0.wrapping_neg())
    }

    /// The group of a log; `None` for the inbox of an account.
    pub const fn of_log(log: InboxId) -> Option<Self> {
        if log.0 < 0 { Some(Self(log.0.wrapping_neg())) } else { None }
    }
}

/// Identifies a caller's key among the nonces: its first eight bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallerKey([u8; 8]);

impl CallerKey {
    /// The id of a key.
    pub fn of(key: &Primary) -> Self {
        let [a, b, c, d, e, f, g, h, ..] = *key.as_bytes();
        Self([a, b, c, d, e, f, g, h])
    }

    /// The id with these bytes.
    pub(crate) const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    /// The eight bytes.
    pub const fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

/// An envelope for an inbox.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// The epoch in which an item of a group's log was made; `None` for all other messages.
    pub at: Option<At>,
    /// The recipient's inbox.
    pub inbox: InboxId,
    /// The unchanged bytes of the envelope.
    pub envelope: Bytes,
    /// Where it comes from.
    pub origin: Origin,
    /// The limits of the inbox; `None` for no limits.
    pub quota: Option<Quota>,
    /// The server's time.
    pub now: Timestamp,
}

/// What an item of a group's log is to the log. The append refuses messages and commits unless the log is in their epoch.
#[derive(Clone, Debug)]
pub enum At {
    /// A message, with the epoch in which it was made.
    Epoch(u64),
    /// A commit, which begins the next epoch.
    Commit {
        /// The epoch in which it was made.
        epoch: u64,
        /// What it brings.
        next: Box<NewEpoch>,
    },
    /// A statement, in any epoch, that this account leaves. From then on it is marked as leaving.
    Leave(AccountId),
    /// A request, in any epoch, that uses this invitation up by one.
    Request(InviteHash),
}

/// What a commit brings.
#[derive(Clone, Debug, Default)]
pub struct NewEpoch {
    /// What the server knows of the tree from now on.
    pub state: Vec<u8>,
    /// The `GroupInfo` of the new epoch.
    pub info: Vec<u8>,
    /// Its ratchet tree.
    pub tree: Vec<u8>,
    /// Accounts that come.
    pub joined: Vec<NewMember>,
    /// Accounts that go.
    pub left: Vec<AccountId>,
    /// Roles that change.
    pub roles: Vec<(AccountId, Role)>,
    /// The Welcome of devices that come.
    pub welcome: Option<NewWelcome>,
}

/// A Welcome for several devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewWelcome {
    /// The devices that it is for.
    pub devices: Vec<LeafId>,
    /// The Welcome.
    pub welcome: Vec<u8>,
    /// The ratchet tree of the new epoch.
    pub tree: Vec<u8>,
}

impl At {
    /// The epoch in which the item was made; `None` when it belongs to any.
    pub const fn epoch(&self) -> Option<u64> {
        match self {
            Self::Epoch(epoch) | Self::Commit { epoch, .. } => Some(*epoch),
            Self::Leave(_) | Self::Request(_) => None,
        }
    }

    /// The epoch of a log that was in `epoch`, once the item is in it.
    pub(super) const fn after(&self, epoch: u64) -> u64 {
        match self {
            Self::Epoch(_) | Self::Leave(_) | Self::Request(_) => epoch,
            Self::Commit { .. } => epoch + 1,
        }
    }
}

/// A member that comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewMember {
    /// The account.
    pub account: AccountId,
    /// Its role.
    pub role: Role,
    /// The account that adds it.
    pub added_by: AccountId,
}

/// The position of a stored envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Its sequence number in the inbox, which is not revealed to the sender.
    pub seq: u64,
    /// The hash of its bytes.
    pub receipt: Receipt,
    /// When it was first stored.
    pub created_at: Timestamp,
    /// Whether this call stored it; otherwise it was already there.
    pub fresh: bool,
}

/// The limits of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageLimit {
    /// Items.
    pub items: u64,
    /// Bytes of envelopes. The first item always fits.
    pub bytes: usize,
}

/// An item of an inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMessage {
    /// Its sequence number in the inbox.
    pub seq: u64,
    /// When it was stored.
    pub created_at: Timestamp,
    /// The unchanged bytes of the envelope.
    pub envelope: Vec<u8>,
}

/// The state of the writers in this process.
#[derive(Clone, Debug)]
pub struct Vitals {
    /// The number of writes that wait for their transaction.
    pub queued: u64,
    /// The duration of durable commits, in seconds.
    pub commits: Histogram,
}
