//! What may become of an account after it was registered: banned, deleted, its handle kept back.

use kez_core::handle::Handle;
use kez_core::time::Timestamp;

use super::{Account, AccountId, Answer};

/// How long the handle of a deleted account stays reserved, in seconds: twelve months.
pub const TOMBSTONE_SECONDS: u64 = 365 * 24 * 60 * 60;
/// How many messages one transaction deletes at most, so that nobody else waits long.
pub const PORTION: u64 = 500;

/// Accounts and handles in the hands of the operator and of their owners.
///
/// A banned account is not found by [`super::Store::lookup`] and [`super::Store::lookup_primary`].
pub trait Moderation {
    /// Accounts in the order of their handles, banned ones too: at most `limit` after a handle.
    fn accounts_after(&self, after: Option<Handle>, limit: u64) -> Answer<'_, Vec<ListedAccount>>;

    /// What there is to say about a handle.
    fn handle_state(&self, handle: Handle) -> Answer<'_, HandleState>;

    /// Puts the account of a handle out of use, or changes the reason; `false` when nobody holds it.
    fn ban(&self, handle: Handle, ban: Ban) -> Answer<'_, bool>;

    /// Takes a ban back; `false` when there is none.
    fn unban(&self, handle: Handle, now: Timestamp) -> Answer<'_, bool>;

    /// Keeps a handle back, for ever or until a time; `false` when somebody holds it.
    fn reserve(&self, handle: Handle, until: Option<Timestamp>, now: Timestamp) -> Answer<'_, bool>;

    /// Lets a handle go that is kept back; `false` when it is not.
    fn release(&self, handle: Handle, now: Timestamp) -> Answer<'_, bool>;

    /// Deletes an account with everything that is stored for it. The handle stays reserved for
    /// [`TOMBSTONE_SECONDS`], and the numbers of its inbox are not used again. `false` when it has gone already.
    fn delete_account(&self, account: AccountId, now: Timestamp) -> Answer<'_, bool>;

    /// What changed after a revision about who holds what.
    fn account_changes(&self, since: u64) -> Answer<'_, Vec<AccountChange>>;

    /// The revision of the last change.
    fn account_revision(&self) -> Answer<'_, u64>;

    /// Inboxes in the order of their accounts, each with the time of its oldest message: at most `limit` after an
    /// account. Empty ones have no time.
    fn oldest_messages(
        &self,
        after: AccountId,
        limit: u64,
    ) -> Answer<'_, Vec<(AccountId, Option<Timestamp>)>>;

    /// Deletes, of the [`PORTION`] oldest messages of an inbox, those that were stored before a time. Returns how many.
    fn forget_messages(&self, inbox: AccountId, before: Timestamp) -> Answer<'_, u64>;

    /// Deletes changes of accounts from before a time, which everybody has read since.
    fn forget_changes(&self, before: Timestamp) -> Answer<'_, ()>;
}

/// An account and whether it is banned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedAccount {
    /// The account.
    pub account: Account,
    /// Why it is out of use, if it is.
    pub ban: Option<Ban>,
}

/// That an account is out of use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ban {
    /// Since when.
    pub at: Timestamp,
    /// Why, for operators; nobody else is told.
    pub reason: String,
}

/// What there is to say about a handle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HandleState {
    /// Nobody holds it, and anybody may claim it.
    Free,
    /// Somebody holds it.
    Held(ListedAccount),
    /// Nobody may claim it.
    Reserved {
        /// Since when.
        at: Timestamp,
        /// Until when; unset, until it is released.
        until: Option<Timestamp>,
    },
}

impl HandleState {
    /// Whether the handle is kept back at this time.
    pub fn is_reserved(&self, now: Timestamp) -> bool {
        matches!(self, Self::Reserved { until, .. } if until.is_none_or(|until| until > now))
    }
}

/// Something changed about who holds a handle: it was banned, deleted, or belongs to another key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountChange {
    /// The number of the change.
    pub revision: u64,
    /// The account.
    pub account: AccountId,
    /// The handle.
    pub handle: Handle,
}
