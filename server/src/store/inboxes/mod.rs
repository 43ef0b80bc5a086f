//! An owner's settings for an inbox, and their effect on its messages: docs/SPEC.md, sections 6 and 14.

use kez_core::api::KeepDays;
use kez_core::identity::Primary;
use kez_core::time::Timestamp;

use super::usage::{Held, Usage};
use super::{AccountId, Answer, StoreError};

/// The part of a store for the owners of inboxes.
pub trait Inboxes {
    /// The highest number that an inbox has assigned; 0 before the first, and for a deleted account.
    fn last_seq(&self, inbox: AccountId) -> Answer<'_, u64>;

    /// What an inbox holds.
    fn inbox_status(&self, inbox: AccountId) -> Answer<'_, Status>;

    /// Records that the owner has stored every message up to a number. A lower number than the recorded one changes
    /// nothing.
    fn acknowledge(&self, inbox: AccountId, seq: u64) -> Answer<'_, Acknowledged>;

    /// Sets how long acknowledged messages stay; for ever without a number.
    fn keep_for(&self, inbox: AccountId, days: Option<KeepDays>) -> Answer<'_, ()>;

    /// Deletes the oldest requests of a key, at most [`super::moderation::PORTION`]. Returns the number of deleted
    /// requests.
    fn delete_requests(&self, inbox: AccountId, sender: Primary) -> Answer<'_, u64>;

    /// Of the [`super::moderation::PORTION`] oldest messages of an inbox, deletes those that are acknowledged and were
    /// stored before a time. Returns the number of deleted messages.
    fn forget_acknowledged(&self, inbox: AccountId, before: Timestamp) -> Answer<'_, u64>;

    /// Deletes the oldest requests of an inbox that are acknowledged and were stored before a time, at most
    /// [`super::moderation::PORTION`]. Returns the number of deleted requests.
    fn forget_requests(&self, inbox: AccountId, before: Timestamp) -> Answer<'_, u64>;

    /// Inboxes whose owners have limited how long messages stay, in order: at most `limit` after an account.
    fn limited_inboxes(&self, after: AccountId, limit: u64) -> Answer<'_, Vec<(AccountId, KeepDays)>>;

    /// Inboxes with acknowledged requests from before a time, in order: at most `limit` after an account.
    fn inboxes_with_requests(
        &self,
        before: Timestamp,
        after: AccountId,
        limit: u64,
    ) -> Answer<'_, Vec<AccountId>>;
}

/// What an inbox holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// The highest assigned number.
    pub last: u64,
    /// The number up to which the owner has stored every message.
    pub acknowledged: u64,
    /// How long acknowledged messages stay; for ever without a number.
    pub keep: Option<KeepDays>,
    /// All messages.
    pub usage: Usage,
    /// Message requests, blocked ones included.
    pub requests: Held,
}

/// The result of an acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledged {
    /// It counts, or a higher one already does.
    Stands(Status),
    /// The inbox has not assigned this number yet.
    NotGivenOut,
}

/// The columns of a [`Status`].
pub(super) type StatusRow = (i64, i64, Option<i64>, i64, i64, i64, i64, i64);

impl TryFrom<StatusRow> for Status {
    type Error = StoreError;

    fn try_from(
        (last, acknowledged, keep_days, messages, bytes, waiting, requests, request_bytes): StatusRow,
    ) -> Result<Self, StoreError> {
        use super::row::unsigned;
        let held = |messages, bytes| -> Result<Held, StoreError> {
            Ok(Held { messages: unsigned(messages)?, bytes: unsigned(bytes)? })
        };
        Ok(Self {
            last: unsigned(last)?,
            acknowledged: unsigned(acknowledged)?,
            keep: keep_days.map(keep).transpose()?,
            usage: Usage { held: held(messages, bytes)?, waiting: unsigned(waiting)? },
            requests: held(requests, request_bytes)?,
        })
    }
}

/// A stored number of days.
pub(super) fn keep(days: i64) -> Result<KeepDays, StoreError> {
    let days = u64::try_from(days).ok().and_then(|days| days.try_into().ok());
    days.ok_or(StoreError::Corrupt("number of days"))
}
