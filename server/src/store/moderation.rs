//! Account changes after registration: bans, deletions and reserved handles.

use kez_core::handle::Handle;
use kez_core::time::Timestamp;

use super::{Account, AccountId, Answer};

/// How long the handle of a deleted account stays reserved, in seconds: twelve months.
pub const TOMBSTONE_SECONDS: u64 = 365 * 24 * 60 * 60;
/// The largest number of messages deleted per transaction, so that other writes do not wait long.
pub const PORTION: u64 = 500;

/// The part of a store for operators, and for owners who delete their accounts.
///
/// A banned account is not found by [`super::Store::lookup`] and [`super::Store::lookup_primary`].
pub trait Moderation {
    /// Accounts in the order of their handles, including banned ones: at most `limit` after a handle.
    fn accounts_after(&self, after: Option<Handle>, limit: u64) -> Answer<'_, Vec<ListedAccount>>;

    /// The state of a handle.
    fn handle_state(&self, handle: Handle) -> Answer<'_, HandleState>;

    /// Bans the account of a handle, or changes the reason; `false` when the handle has no account.
    fn ban(&self, handle: Handle, ban: Ban) -> Answer<'_, bool>;

    /// Lifts a ban; `false` when there is none.
    fn unban(&self, handle: Handle, now: Timestamp) -> Answer<'_, bool>;

    /// Reserves a handle, for ever or until a time; `false` when an account holds it.
    fn reserve(&self, handle: Handle, until: Option<Timestamp>, now: Timestamp) -> Answer<'_, bool>;

    /// Releases a reserved handle; `false` when it is not reserved.
    fn release(&self, handle: Handle, now: Timestamp) -> Answer<'_, bool>;

    /// Deletes an account with everything stored for it. The handle stays reserved for [`TOMBSTONE_SECONDS`], and the
    /// numbers of its inbox are not reused. `false` when it was already deleted.
    fn delete_account(&self, account: AccountId, now: Timestamp) -> Answer<'_, bool>;

    /// The account changes after a revision.
    fn account_changes(&self, since: u64) -> Answer<'_, Vec<AccountChange>>;

    /// The revision of the last change.
    fn account_revision(&self) -> Answer<'_, u64>;

    /// Inboxes in the order of their accounts, each with the time of its oldest message: at most `limit` after an
    /// account. Empty inboxes have no time.
    fn oldest_messages(
        &self,
        after: AccountId,
        limit: u64,
    ) -> Answer<'_, Vec<(AccountId, Option<Timestamp>)>>;

    /// Of the [`PORTION`] oldest messages of an inbox, deletes those that were stored before a time. Returns the number
    /// of deleted messages.
    fn forget_messages(&self, inbox: AccountId, before: Timestamp) -> Answer<'_, u64>;

    /// Deletes account changes from before a time, which every process has read since.
    fn forget_changes(&self, before: Timestamp) -> Answer<'_, ()>;
}

/// An account and whether it is banned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedAccount {
    /// The account.
    pub account: Account,
    /// The ban, if the account is banned.
    pub ban: Option<Ban>,
}

/// The ban of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ban {
    /// Since when.
    pub at: Timestamp,
    /// The reason, for operators; it is not shown to anyone else.
    pub reason: String,
}

/// The state of a handle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HandleState {
    /// The handle is free, and anyone may claim it.
    Free,
    /// An account holds the handle.
    Held(ListedAccount),
    /// The handle cannot be claimed.
    Reserved {
        /// Since when.
        at: Timestamp,
        /// Until when; `None` until it is released.
        until: Option<Timestamp>,
    },
}

impl HandleState {
    /// Whether the handle is reserved at this time.
    pub fn is_reserved(&self, now: Timestamp) -> bool {
        matches!(self, Self::Reserved { until, .. } if until.is_none_or(|until| until > now))
    }
}

/// A change to an account: it was banned or deleted, or its handle went to another key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountChange {
    /// The number of the change.
    pub revision: u64,
    /// The account.
    pub account: AccountId,
    /// The handle.
    pub handle: Handle,
}
